"""The reverse diffusion as a film: GIF, which opens everywhere, or MP4 (H.264), which is smaller and in full colour.

Films are made of arrays, without a window, and may be made in any thread. MP4 is written by FFmpeg through PyAV, an
extra (``video``) that is imported when it is needed.
"""

import io
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.film_frames import Film, Picture, Shown, pictures
from napari_ambiseg.io.output import write_output

Progress = Callable[[int, int], object]
"""Called with the number of pictures done and of all. Whatever it raises stops the writing; no file is left then."""

_PER_SECOND = 25  # pictures of an MP4
_SHORTEST, _LONGEST = 0.04, 0.3  # seconds that a state is shown
_QUALITY = "18"  # of H.264: visually lossless


def save_film(
    path: Path,
    film: Film,
    *,
    shown: Shown = Shown.X_T,
    seconds: float = 3.0,
    speed: float = 1.0,
    hold_seconds: float = 2.0,
    progress: Progress = lambda done, total: None,
) -> None:
    """Write the reverse diffusion of all samples, side by side over the slice, by the suffix of ``path``.

    Args:
        path: Target, .gif (plays without end) or .mp4; replaced if it exists.
        film: What to show.
        shown: x_t, the predicted masks, or both.
        seconds: Time for all states; each gets 0.04 s at least and 0.3 s at most.
        speed: How many times as fast each state goes by; none takes less than 0.04 s.
        hold_seconds: How long the last state stays.
        progress: See ``Progress``.

    Raises:
        SettingsError: If the suffix is neither, or MP4 is wanted and PyAV is not installed.
        DataFileError: If the file cannot be written.
    """
    each = max(min(max(seconds / len(film), _SHORTEST), _LONGEST) / speed, _SHORTEST)
    frames = _told(pictures(film, shown, notice=NOTICE), len(film), progress)
    match path.suffix.lower():
        case ".gif":
            payload = _gif(frames, len(film), each, hold_seconds)
        case ".mp4":
            payload = _mp4(frames, len(film), each, hold_seconds)
        case other:
            raise SettingsError(f"a film cannot be saved as {other!r}; give a name that ends with .gif or .mp4")
    write_output(path, payload)


def _told(frames: Iterator[Picture], total: int, progress: Progress) -> Iterator[Picture]:
    for done, frame in enumerate(frames, start=1):
        yield frame
        progress(done, total)  # once the frame was taken and its successor is asked for


def _gif(frames: Iterator[Picture], total: int, each: float, hold: float) -> bytes:
    durations = [10 * round(100 * each)] * (total - 1) + [10 * round(100 * hold)]  # hundredths of a second, in ms
    buffer = io.BytesIO()
    paletted = (frame.paletted() for frame in frames)
    first = next(paletted)
    first.save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=paletted,
        duration=durations,
        loop=0,
        optimize=False,
        comment=NOTICE.encode(),
    )
    return buffer.getvalue()


def _mp4(frames: Iterator[Picture], total: int, each: float, hold: float) -> bytes:
    if find_spec("av") is None:
        raise SettingsError(
            'MP4 needs PyAV, which is not installed; run `pip install "napari-ambiseg[video]"`, or save a GIF'
        )
    import av
    from av.error import FFmpegError

    buffer: Any = io.BytesIO()
    try:
        with av.open(buffer, "w", format="mp4") as film:
            film.metadata["comment"] = NOTICE
            stream: Any = film.add_stream("libx264", rate=_PER_SECOND, options={"crf": _QUALITY})
            stream.pix_fmt = "yuv420p"  # the one that every player knows
            for number, frame in enumerate(frames, start=1):
                rgb = frame.rgb()
                if number == 1:
                    stream.height, stream.width = rgb.shape[:2]
                picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                for _ in range(max(1, round(_PER_SECOND * (each if number < total else hold)))):
                    film.mux(stream.encode(picture))
            film.mux(stream.encode())
    except FFmpegError as error:
        raise DataFileError(f"FFmpeg could not make the film ({error}); save it as GIF instead") from error
    return buffer.getvalue()
