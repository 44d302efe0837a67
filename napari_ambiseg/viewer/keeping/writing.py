"""Writes what is kept, each as the file that it is wanted as. No window is needed, and any thread will do.

Libraries that write files are imported when one is written, for napari's start need not wait for them.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np

from napari_ambiseg.engine.grey import normalise
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.io.animation import Progress, save_film
from napari_ambiseg.io.export import save_comparison_csv, save_measures_csv, save_readings_npz
from napari_ambiseg.io.film_frames import Film, Shown
from napari_ambiseg.io.session_file import save_session
from napari_ambiseg.readings.distribution import sizes
from napari_ambiseg.readings.intensity import Intensity
from napari_ambiseg.viewer.keeping.kept import Kept, why_no_dicom_seg
from napari_ambiseg.viewer.keeping.sessions import session_of
from napari_ambiseg.viewer.session.result import Result


def no_progress(done: int, total: int) -> None:
    """Progress that nobody wants to know."""


def keep_nifti(kept: Kept, path: Path) -> None:
    """All masks on the grid of the image's own NIfTI file, or where the slice lies, as volumes of a fourth axis."""
    from napari_ambiseg.io.mask_files import save_nifti

    save_nifti(path, masks=kept.masks[:, None], names=kept.names, affine=kept.affine, like=kept.nifti)


def keep_tiff(kept: Kept, path: Path) -> None:
    """All masks as named pages."""
    from napari_ambiseg.io.mask_files import save_tiff

    save_tiff(path, masks=kept.masks, names=kept.names, spacing_mm=kept.result.request.plane.spacing_mm)


def keep_npz(kept: Kept, path: Path) -> None:
    """Readings at the threshold and experts, for numpy and for `compare`."""
    request, seeds = kept.result.request, kept.result.sampled.seeds
    spacing, experts = request.plane.spacing_mm, request.experts.masks
    save_readings_npz(path, readings=kept.view.readings, experts=experts, spacing_mm=spacing, seeds=seeds)


def keep_dicom_seg(kept: Kept, path: Path) -> None:
    """All masks as segments that refer to the slice's own DICOM file.

    Raises:
        InputImageError: If the image is not from DICOM.
    """
    from napari_ambiseg.io.dicom_seg import DrawnBy, Segment, save_dicom_seg

    if (why := why_no_dicom_seg(kept)) or kept.file is None:
        raise InputImageError(f"the masks cannot be kept as DICOM SEG: {why}; keep them as NIfTI instead")
    readings, experts = len(kept.view.readings), len(kept.result.request.experts.masks)
    drawers = [DrawnBy.MODEL] * readings + [DrawnBy.PERSON] * experts
    drawers += [DrawnBy.BOTH if drawing.from_sample >= 0 else DrawnBy.PERSON for drawing in kept.drawings]
    masks = zip(kept.names, kept.masks, drawers, strict=True)
    segments = [Segment(name, mask[None], drawer) for name, mask, drawer in masks]
    save_dicom_seg(path, segments=segments, sources=[kept.file], model=kept.result.sampled.model_name)


def keep_comparison(kept: Kept, path: Path) -> None:
    """Every reading against every expert.

    Raises:
        InputImageError: If there are no experts.
    """
    view = kept.view
    if view.comparison is None:
        raise InputImageError("there are no experts to compare with; choose their layers and run again")
    save_comparison_csv(
        path,
        comparison=view.comparison,
        sample_areas_mm2=view.areas_mm2,
        expert_areas_mm2=view.expert_areas_mm2,
        about=kept.about,
    )


def keep_measures(kept: Kept, path: Path) -> None:
    """Area, long and short axis of every mask."""
    masks = kept.masks
    found = sizes(samples=masks, experts=masks[:0], spacing_mm=kept.result.request.plane.spacing_mm)
    table = np.stack([measure.samples for measure in found], axis=1)
    save_measures_csv(path, names=kept.names, sizes_mm=table, about=kept.about)


def keep_report(kept: Kept, path: Path) -> None:
    """The page that is printed."""
    from napari_ambiseg.io.report import save_report

    save_report(path, session_of(kept), made=datetime.now())


def keep_session(kept: Kept, path: Path) -> None:
    """Everything, to go on with later."""
    save_session(path, session_of(kept))


def keep_film(
    kept: Kept,
    path: Path,
    *,
    shown: Shown = Shown.BOTH,
    reading: int | None = None,
    speed: float = 1.0,
    progress: Progress = no_progress,
) -> None:
    """The reverse diffusion of one reading, or of all side by side."""
    save_film(path, film_of(kept.result, reading), shown=shown, speed=speed, progress=progress)


def film_of(result: Result, reading: int | None = None) -> Film:
    """The states that were kept, of one reading or of all, over the slice as the model saw it."""
    sampled, request = result.sampled, result.request
    chosen = slice(None) if reading is None else slice(reading, reading + 1)
    image = sampled.placement.to_grid(normalise(request.slice_input.pixels, sampled.grey, Intensity()))
    return Film(sampled.x_t[:, chosen], sampled.x_hat[:, chosen], image, sampled.steps, sampled.log_snr)


def keep_figures(kept: Kept, folder: Path) -> list[Path]:
    """The reverse diffusion as an animation and, if there are experts, the comparison with them.

    Returns:
        The files.
    """
    animation, table = folder / "trajectory.gif", folder / "comparison.csv"
    keep_film(kept, animation, shown=Shown.X_T)
    if kept.view.comparison is None:
        table.unlink(missing_ok=True)  # of an earlier run: it would be taken for this one's
        return [animation]
    keep_comparison(kept, table)
    return [animation, table]


def keep_everything(kept: Kept, folder: Path, progress: Progress = no_progress) -> list[Path]:
    """All of it, under plain names; files of an earlier run that this one has none of are removed.

    Returns:
        The files.
    """
    wanted: list[tuple[str, Callable[[Kept, Path], None], bool]] = [
        ("readings.npz", keep_npz, True),
        ("masks.nii.gz", keep_nifti, True),
        ("masks.tif", keep_tiff, True),
        ("masks.dcm", keep_dicom_seg, not why_no_dicom_seg(kept)),
        ("measures.csv", keep_measures, True),
        ("comparison.csv", keep_comparison, kept.view.comparison is not None),
        ("report.html", keep_report, True),
        ("session.ambiseg", keep_session, True),
        ("trajectory.gif", keep_film, True),
    ]
    written: list[Path] = []
    for number, (name, write, is_there) in enumerate(wanted):
        progress(number, len(wanted))
        if is_there:
            write(kept, folder / name)
            written.append(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)  # of an earlier run: it would be taken for this one's
    progress(len(wanted), len(wanted))
    return written
