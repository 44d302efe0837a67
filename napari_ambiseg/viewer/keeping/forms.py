"""The forms in which a slice can be kept: what each is called, and why it may not be had."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from napari_ambiseg.io.animation import Progress
from napari_ambiseg.viewer.keeping import writing
from napari_ambiseg.viewer.keeping.kept import Kept, why_no_dicom_seg

Write = Callable[[Kept, Path, Progress], object]


@dataclass(frozen=True, slots=True)
class Form:
    """One of them.

    Attributes:
        text: In the menu.
        what: In the suggested file name.
        suffix: Of the file, with its dot.
        kind: What the file dialog calls such files.
        write: Writes it; None for pictures of the window, which only the window can take.
        why_not: Why it cannot be had of a slice, in a few words; "" if it can.
        tip: What more there is to say.
        opens: Whether it is opened in the browser when it is there.
    """

    text: str
    what: str
    suffix: str
    kind: str
    write: Write | None
    why_not: Callable[[Kept], str] = lambda kept: ""
    tip: str = ""
    opens: bool = False


def _plainly(write: Callable[[Kept, Path], None]) -> Write:
    """For what is written at one go."""

    def written(kept: Kept, path: Path, progress: Progress) -> None:
        progress(0, 1)
        write(kept, path)

    return written


def _why_no_seg(kept: Kept) -> str:
    return why_no_dicom_seg(kept) or ("" if find_spec("highdicom") else 'needs pip install "napari-ambiseg[dicom-seg]"')


def _why_no_comparison(kept: Kept) -> str:
    return "" if kept.view.comparison is not None else "no experts to compare with"


def _why_not_opened(kept: Kept) -> str:
    return kept.hidden.told[:1].lower() + kept.hidden.told[1:]


def why_no_film(kept: Kept) -> str:
    """Why there is no film; "" if there is one."""
    return "" if len(kept.result.sampled.steps) > 1 else "this model draws in one step"


def why_no_mp4(kept: Kept) -> str:
    """Why there is no MP4."""
    return why_no_film(kept) or ("" if find_spec("av") else 'needs pip install "napari-ambiseg[video]"')


_OF_MASKS = "Readings at the threshold that is set, experts' masks, and masks of your own"
_REPORT = _plainly(writing.keep_report)

MASKS = (
    Form("NIfTI…", "masks", ".nii.gz", "NIfTI", _plainly(writing.keep_nifti), tip=f"{_OF_MASKS}, where the image lies"),
    Form("TIFF…", "masks", ".tif", "TIFF", _plainly(writing.keep_tiff), tip=f"{_OF_MASKS}, one page each"),
    Form(
        "DICOM SEG…",
        "masks",
        ".dcm",
        "DICOM",
        _plainly(writing.keep_dicom_seg),
        _why_no_seg,
        tip=f"{_OF_MASKS}, referring to the image's own DICOM file",
    ),
    Form("NPZ (numpy)…", "masks", ".npz", "NumPy", _plainly(writing.keep_npz), tip="Readings and experts' masks"),
)
TABLES = (
    Form("Sizes of all masks…", "sizes", ".csv", "CSV", _plainly(writing.keep_measures), tip="Area, long, short axis"),
    Form(
        "Comparison with the experts…",
        "comparison",
        ".csv",
        "CSV",
        _plainly(writing.keep_comparison),
        _why_no_comparison,
        tip="Dice and IoU of every reading with every expert",
    ),
)
VIEW = Form("Picture of the view…", "view", ".png", "PNG", None, tip="What the canvas shows, at twice its size")
WHOLE = Form("Picture of the whole slice…", "slice", ".png", "PNG", None, tip="All of it, enlarged")
REPORT = Form("Report…", "report", ".html", "HTML", _REPORT, tip="One page, for a browser or a printer")
REPORT_OPENED = Form(
    "Report, opened in the browser…",
    "report",
    ".html",
    "HTML",
    _REPORT,
    _why_not_opened,
    tip=REPORT.tip,
    opens=True,
)
SESSION = Form(
    "Session file…",
    "session",
    ".ambiseg",
    "AmbiSeg session",
    _plainly(writing.keep_session),
    tip="Image, experts, readings, your masks and settings in one file: drop it on napari to go on. "
    "As confidential as the image",
)
GIF = Form("GIF…", "film", ".gif", "GIF", None, why_no_film, tip="The reverse diffusion as the player shows it")
MP4 = Form("MP4…", "film", ".mp4", "MP4", None, why_no_mp4, tip=GIF.tip)
