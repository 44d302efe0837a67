"""Figures of single slices, as ``ablate`` and ``evaluate --per-slice-csv`` keep them, compared without the data."""

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.io.export import NOTICE
from trainer.evaluation.bootstrap import Difference, Interval, PatientResamples
from trainer.evaluation.report import difference, interval
from trainer.evaluation.tables import grid

_KEYS = ("slice", "patient", "seed", "area")
_NO_FIGURES = {"model", *_KEYS, "sampler", "steps", "readings", "smallest_px", "seconds", "notice"}


@dataclass(frozen=True, slots=True)
class KeptModel:
    """What one model got on each slice.

    Attributes:
        label: Its name.
        slices: Of each slice its name, patient, seed and the area that was judged (M,).
        figures: Name of a figure -> its values (M,); NaN where a slice does not define it.
        smallest_px: Pixels that its readings have at least; None in files of older versions, which do not say so.
    """

    label: str
    slices: tuple[tuple[str, ...], ...]
    figures: dict[str, NDArray[np.float64]]
    smallest_px: int | None = None


def read_kept(path: Path) -> list[KeptModel]:
    """The models of one file, in its order.

    Args:
        path: A CSV with a line for every model and slice, or the same compressed (.csv.gz).

    Raises:
        DataFileError: If there is no such file, or it is damaged or of another kind.
    """
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataFileError(f"{path} cannot be read ({error}); name a slices.csv or slices.csv.gz") from error
    reader = csv.DictReader(io.StringIO(text))
    names = [name for name in reader.fieldnames or () if name not in _NO_FIGURES]
    if not names or not {"model", *_KEYS} <= set(reader.fieldnames or ()):
        raise DataFileError(
            f"{path} has no columns model, {', '.join(_KEYS)} and figures; name a file that `evaluate --per-slice-csv` "
            "or `ablate` wrote"
        )
    try:
        models = [_model(label, size, lines, names) for (label, size), lines in _by_model(reader).items()]
    except (ValueError, csv.Error) as error:
        raise DataFileError(f"{path} is damaged ({error}); write the file again") from None
    if not models:
        raise DataFileError(f"{path} has no line; judge a model first")
    return models


def compare_kept(
    models: Sequence[KeptModel], *, to: str | None = None, figures: Sequence[str] = (), seed: int = 0
) -> str:
    """Means, intervals and paired differences of models judged on the same slices, as Markdown.

    Args:
        models: At least one; equal ones count once. One whose readings are cut off at several sizes is as many models.
        to: Name of the model that the others are compared with; default the first.
        figures: Names of figures; default all that every model has.
        seed: Of the resampling of patients; the one of the judging gives its very intervals.

    Raises:
        SettingsError: If two models of one name differ, the slices, their seeds or areas differ, a name is unknown, or
            the models have no figure in common.
    """
    models = _told_apart(models)
    by_name = _distinct(models)
    first = by_name.pop(_known(to or models[0].label, by_name, "model"))
    common = [name for name in first.figures if all(name in one.figures for one in models)]
    if not common:
        raise SettingsError(
            f"{', '.join([first.label, *by_name])} have no figure in common; judge all with equal --readings"
        )
    names = [_known(name, common, "figure") for name in figures] or common
    for one in by_name.values():
        if one.slices != first.slices:
            raise SettingsError(
                f"{one.label} was judged on other slices than {first.label}, or with another seed or crop "
                f"({_told(one, first)}); judge both with the same data, --limit, --seed and --crop"
            )
    of_slices = [patient for _, patient, *_ in first.slices]
    resamples = PatientResamples(of_slices, seed=seed)

    def found(one: KeptModel) -> Iterable[Interval]:
        return resamples.means(_table(one, names)).intervals()

    def less_first(one: KeptModel) -> Iterable[Difference]:
        return resamples.means(_table(one, names) - _table(first, names)).differences()

    parts = [
        f"**{NOTICE}.** {len(first.slices)} slices of {len(set(of_slices))} patients, {first.slices[0][-1]}; in "
        "brackets 95 % intervals from resampling patients. GED: lower is better; Dice, IoU, HM-IoU: higher.",
        grid(["", *names], ([one.label, *map(interval, found(one))] for one in (first, *by_name.values()))),
    ]
    if by_name:
        parts += [
            f"Less {first.label}, on the same slices (two-sided p, uncorrected for their number):",
            grid(["", *names], ([one.label, *map(difference, less_first(one))] for one in by_name.values())),
        ]
    return "\n\n".join(parts) + "\n"


def _by_model(reader: Iterable[dict[str, str]]) -> dict[tuple[str, str], list[dict[str, str]]]:
    """The lines of each model at each smallest size, "" where the file does not say it.

    Readings in antithetic pairs are judged like another model's, and called so.
    """
    lines: dict[tuple[str, str], list[dict[str, str]]] = {}
    for line in reader:
        if None in line.values():
            raise ValueError("a line ends early")
        drawing = line.get("readings", "independent")  # files of older versions do not say so
        name = line["model"] if drawing == "independent" else f"{line['model']}, {drawing}"
        lines.setdefault((name, line.get("smallest_px", "")), []).append(line)
    return lines


def _model(label: str, size: str, lines: Sequence[dict[str, str]], names: Sequence[str]) -> KeptModel:
    figures = {name: np.array([float(line[name] or math.nan) for line in lines]) for name in names}
    slices = tuple(tuple(line[key] for key in _KEYS) for line in lines)
    return KeptModel(label, slices, figures, int(size) if size else None)


def _told_apart(models: Sequence[KeptModel]) -> list[KeptModel]:
    """The models, with the size in the names of those whose readings are cut off at several sizes."""
    sizes: dict[str, set[int]] = {}
    for one in models:
        sizes.setdefault(one.label, set()).update([] if one.smallest_px is None else [one.smallest_px])
    return [replace(one, label=_with_size(one)) if len(sizes[one.label]) > 1 else one for one in models]


def _with_size(one: KeptModel) -> str:
    if one.smallest_px is None:
        return one.label
    return f"{one.label}, from {one.smallest_px} pixels on" if one.smallest_px else f"{one.label}, every speck"


def _distinct(models: Sequence[KeptModel]) -> dict[str, KeptModel]:
    found: dict[str, KeptModel] = {}
    for one in models:
        before = found.setdefault(one.label, one)
        same = before.slices == one.slices and all(
            np.array_equal(values, before.figures[name], equal_nan=True)
            for name, values in one.figures.items()
            if name in before.figures
        )
        if not same:
            raise SettingsError(
                f"two models are called {one.label} and differ; rename one in its file, or leave it out"
            )
    return found


def _told(one: KeptModel, other: KeptModel) -> str:
    """In what two models' slices differ first."""
    if len(one.slices) != len(other.slices):
        return f"{len(one.slices)} and {len(other.slices)} slices"
    pairs = (pair for a, b in zip(one.slices, other.slices, strict=True) for pair in zip(a, b, strict=True))
    return " and ".join(next(pair for pair in pairs if pair[0] != pair[1]))


def _known(name: str, among: Iterable[str], what: str) -> str:
    names = list(among)
    if name not in names:
        raise SettingsError(f"there is no {what} {name!r}; choose {', '.join(names)}")
    return name


def _table(one: KeptModel, names: Sequence[str]) -> NDArray[np.float64]:
    """Values of these figures (M, K)."""
    return np.stack([one.figures[name] for name in names], axis=1)
