"""What the command line does once its words are understood: read a slice, draw readings, compare, report.

A report is a mapping of plain values, printed as it is with ``--json``, and as lines of text otherwise.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from napari_ambiseg.engine import (
    DEFAULT_MODEL,
    Advance,
    GreyScale,
    Sampled,
    SamplingOptions,
    SliceInput,
    check_pixels,
    load_model,
    reading_seeds,
    run,
)
from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.io.archive import read_saved_readings
from napari_ambiseg.io.export import NOTICE, save_comparison_csv, save_readings_npz
from napari_ambiseg.io.lidc_hdf5 import likely_split, read_lidc_slice
from napari_ambiseg.io.output import check_target
from napari_ambiseg.io.picture import PICTURE_SUFFIXES, read_picture
from napari_ambiseg.phantom import bundled_slices
from napari_ambiseg.readings.agreement import Comparison, compare
from napari_ambiseg.readings.measure import areas_mm2
from napari_ambiseg.readings.relative_area import keeps, relative_area
from napari_ambiseg.readings.slice import MultiReaderSlice

PHANTOM = "phantom"
Report = dict[str, object]


@dataclass(frozen=True, slots=True)
class Source:
    """A slice ready for the engine, and what its experts drew.

    Attributes:
        name: What to call it.
        slice_input: The slice.
        experts: Masks (R, H, W); R may be 0.
        rendered: Whether its pixels are computer-made.
    """

    name: str
    slice_input: SliceInput
    experts: NDArray[np.bool_]
    rendered: bool


@dataclass(frozen=True, slots=True)
class SliceChoice:
    """Which slice: the words of the command line.

    Attributes:
        file: Path of an HDF5 file or a picture, or ``phantom``.
        index: Slice in the file; a picture has only slice 0.
        split: Group of an HDF5 file; None chooses.
        spacing: Pixel size of a picture, as text; None takes what the file says.
        grey: Grey scale of a picture, as text; None recognises it.
    """

    file: str
    index: int = 0
    split: str | None = None
    spacing: str | None = None
    grey: str | None = None


@dataclass(frozen=True, slots=True)
class SampleChoice:
    """How to read it: the words of the command line; see ``python -m napari_ambiseg sample --help``."""

    model: str = DEFAULT_MODEL
    readings: int = 16
    options: SamplingOptions = SamplingOptions()  # noqa: RUF009 (frozen)
    seed: int = 0
    antithetic: bool = False
    threshold: float = 0.1
    device: str = "auto"
    engine: str = "auto"
    chunk: int | None = None


def sample(which: SliceChoice, how: SampleChoice, *, out: Path | None = None) -> Report:
    """Draw readings of one slice, compare them with its experts', save the masks to ``out``.

    Raises:
        AmbisegError: If the input, a setting or the target is no good.
    """
    seeds = reading_seeds(how.seed, how.readings, antithetic=how.antithetic)
    _check_threshold(how.threshold)
    if out is not None:
        check_target(out)
    model = load_model(how.model)
    source = read_source(which)
    running = run(
        model,
        source.slice_input,
        seeds=seeds,
        options=how.options,
        device=how.device,
        engine=how.engine,
        chunk=how.chunk,
    )
    sampled = _watched(running, len(seeds))
    readings = relative_area(sampled.readings, how.threshold)
    if out is not None:
        save_readings_npz(
            out,
            readings=readings,
            experts=source.experts,
            spacing_mm=source.slice_input.spacing_mm,
            seeds=sampled.seeds,
        )
    return _sample_report(source, how, sampled, readings)


def compare_saved(path: Path, *, threshold: float = 0.0, spacing: str | None = None, csv: Path | None = None) -> Report:
    """Compare the readings of an NPZ file with its experts', every pair to ``csv``.

    Raises:
        AmbisegError: If the file, a setting or the target is no good.
    """
    saved = read_saved_readings(path)
    if len(saved.experts) == 0:
        raise DataFileError(f"{path} holds no experts to compare with; sample a slice that experts have read")
    spacing_mm = _spacing_mm(spacing, saved.spacing_mm, path)
    readings = relative_area(saved.readings, threshold)
    comparison = compare(samples=readings, experts=saved.experts, seeds=saved.seeds)
    if csv is not None:
        save_comparison_csv(
            csv,
            comparison=comparison,
            sample_areas_mm2=areas_mm2(readings, spacing_mm),
            expert_areas_mm2=areas_mm2(saved.experts, spacing_mm),
            about={"file": path.name, "threshold": threshold},
        )
    figures = _figures(readings, saved.experts, spacing_mm, seeds=saved.seeds)
    return {"file": str(path), "threshold": threshold, **figures}


def read_source(which: SliceChoice) -> Source:
    """The slice that the command line names.

    Raises:
        AmbisegError: If there is no such slice, or its file or its description is no good.
    """
    path = Path(which.file)
    is_phantom = which.file == PHANTOM and not path.exists()
    is_picture = not is_phantom and path.suffix.lower() in PICTURE_SUFFIXES
    _check_options(which, is_picture=is_picture, has_splits=not is_picture and not is_phantom)
    if is_picture:
        return _from_picture(path, which)
    if is_phantom:
        return _from_reader_slice(bundled_slices()[which.index])
    split = which.split if which.split is not None else likely_split(path)
    return _from_reader_slice(read_lidc_slice(path, split, which.index))


def as_text(report: Report) -> str:
    """A report for people."""
    lines = [f"{key:13} {_text(value)}" for key, value in report.items() if not isinstance(value, list)]
    areas = report["areas_mm2"]
    dice = report.get("dice_per_reading")
    assert isinstance(areas, list)
    lines += ["", "reading  area mm2" + ("  mean Dice" if isinstance(dice, list) else "")]
    for i, area in enumerate(areas):
        lines.append(f"{i + 1:7}  {area:8.1f}" + (f"  {dice[i]:9.3f}" if isinstance(dice, list) else ""))
    if report.get("rendered"):
        lines += ["", "The pixels of this slice are rendered by a computer, not measured."]
    return "\n".join([*lines, "", NOTICE])


def _watched(running: Generator[Advance, None, Sampled], count: int) -> Sampled:
    """A run to its end, with a progress bar where somebody watches (a terminal)."""
    with tqdm(unit="reading", total=count, leave=False, disable=None) as bar:
        while True:
            try:
                advance = next(running)
            except StopIteration as finished:
                return finished.value
            if advance.step == advance.total:
                bar.update(len(advance.readings))


def _sample_report(source: Source, how: SampleChoice, sampled: Sampled, readings: NDArray[np.bool_]) -> Report:
    return {
        "slice": source.name,
        "rendered": source.rendered,
        "model": how.model,
        "steps": how.options.steps,
        "sampler": how.options.sampler,
        "eta": how.options.eta,
        "guidance": how.options.guidance,
        "last_time": how.options.last_estimate,
        "smallest_px": sampled.smallest_px,
        "seed": how.seed,
        "antithetic": how.antithetic,
        "threshold": how.threshold,
        "grey": sampled.grey.value,
        "engine": f"{sampled.engine} on {sampled.device}, {sampled.chunk} at a time",
        "seconds": round(sampled.seconds, 3),
        "first_reading_seconds": round(sampled.first_seconds, 3),
        **({"notes": " ".join(sampled.notes)} if sampled.notes else {}),
        **_figures(readings, source.experts, source.slice_input.spacing_mm, seeds=sampled.seeds),
    }


def _figures(
    readings: NDArray[np.bool_],
    experts: NDArray[np.bool_],
    spacing_mm: tuple[float, float],
    *,
    seeds: Sequence[int] | None = None,
) -> Report:
    """Areas and, where there are experts, agreement; what is not defined (NaN) is None, as JSON has no NaN."""
    areas: Report = {"areas_mm2": areas_mm2(readings, spacing_mm).tolist()}
    if len(experts) == 0:
        return areas
    comparison: Comparison = compare(samples=readings, experts=experts, seeds=seeds)
    unbiased = comparison.ged_unbiased
    return {
        "experts": len(experts),
        "ged": comparison.ged,
        "ged_unbiased": None if math.isnan(unbiased) else unbiased,
        "dice": comparison.mean_dice,
        "hm_iou": comparison.hm_iou,
        **areas,
        "dice_per_reading": comparison.dice.mean(axis=1).tolist(),
    }


def _check_options(which: SliceChoice, *, is_picture: bool, has_splits: bool) -> None:
    """Refuse what would be ignored: whoever gives it believes that it counts."""
    if which.split is not None and not has_splits:
        raise SettingsError(f"--split names a group of an HDF5 file, but {which.file} has none; leave it out")
    for option, value in (("--spacing", which.spacing), ("--grey", which.grey)):
        if value is not None and not is_picture:
            raise SettingsError(
                f"{option} is for pictures, but {which.file} says its own spacing and grey scale; leave it out"
            )


def _from_reader_slice(shown: MultiReaderSlice) -> Source:
    pixels = SliceInput(pixels=shown.image[0], spacing_mm=shown.spacing_mm, grey=GreyScale.NORMALISED)
    return Source(shown.name or shown.subject, pixels, shown.readings, shown.rendered)


def _from_picture(path: Path, which: SliceChoice) -> Source:
    if which.index != 0:
        raise SettingsError(f"there is no slice {which.index} in {path}; a picture has only slice 0")
    grey = GreyScale.AUTO.value if which.grey is None else which.grey
    if grey not in (known := [grey.value for grey in GreyScale]):
        raise SettingsError(f"unknown grey scale {grey!r}; choose one of {', '.join(known)}")
    picture = read_picture(path)
    check_pixels(picture.pixels)  # before a spacing is asked for, which no spacing would mend
    spacing_mm = _spacing_mm(which.spacing, picture.spacing_mm, path)
    pixels = SliceInput(pixels=picture.pixels, spacing_mm=spacing_mm, grey=GreyScale(grey))
    return Source(path.name, pixels, picture.experts, rendered=False)


def _spacing_mm(text: str | None, stored: tuple[float, float] | None, path: Path) -> tuple[float, float]:
    """The pixel size that the user gives, else the one that the file holds."""
    if text is None and stored is None:
        raise SettingsError(f"{path} does not say how large its pixels are; give --spacing in mm, e.g. --spacing 0.7")
    if text is None:
        assert stored is not None
        return stored
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(math.isfinite(n) and n > 0 for n in numbers):
        raise SettingsError(f"--spacing is {text!r}; give one positive number in mm, or HEIGHT,WIDTH such as 0.7,0.65")
    return numbers[0], numbers[-1]


def _check_threshold(r: float) -> None:
    """Before sampling rather than after it."""
    keeps(np.ones(1), r)


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
