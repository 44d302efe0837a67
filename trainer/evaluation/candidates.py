"""The models that are to be judged: what they call themselves, and which part of a slice they can be judged on."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from napari_ambiseg import engine
from napari_ambiseg.errors import SettingsError
from trainer.data.holdout import Holdout
from trainer.evaluation.protocol import CROPS, Crop
from trainer.run_folder import result_of


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model file.

    Attributes:
        weights: Path of the file (of a run's folder the file that is its result), or name of a bundled model.
        label: What tables and plots call it: its name, with the beginning of its SHA-256 where two have the same.
        sha256: Of the file.
        kind: Kind of model.
        grid_px: The longer side of the grid that it reads.
        uniform: Whether it was trained on crops from anywhere on a slice.
        holdout: Which patients its training kept out, if it says so.
        smallest_px: Pixels that its readings have at least, smaller ones are empty.
    """

    weights: str
    label: str
    sha256: str
    kind: str
    grid_px: int
    uniform: bool
    holdout: Holdout | None = None
    smallest_px: int = 0

    @property
    def slug(self) -> str:
        """The label as part of a file's name."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", self.label).strip("-.") or self.sha256[:8]


def describe(weights: Sequence[str]) -> tuple[Candidate, ...]:
    """Look into every model file.

    Raises:
        CheckpointError: If one cannot be loaded.
        SettingsError: If one is given twice.
    """
    found = [_describe(one) for one in weights]
    digests = [one.sha256 for one in found]
    if twice := [one.weights for one in found if digests.count(one.sha256) > 1]:
        raise SettingsError(f"{' and '.join(twice)} are the same model; give each once")
    labels = [one.label for one in found]
    return tuple(
        one if labels.count(one.label) == 1 else replace(one, label=f"{one.label} {one.sha256[:8]}") for one in found
    )


def agreed_holdout(candidates: Sequence[Candidate]) -> Holdout:
    """What all candidates say of the patients that their training kept out.

    Raises:
        SettingsError: If one does not say, or they do not say the same.
    """
    found = {one.holdout for one in candidates}
    holdout = found.pop()
    if found or holdout is None:
        names = ", ".join(one.label for one in candidates)
        raise SettingsError(
            f"there are no patients that the training of all of {names} is known to have held out; leave out --held-out"
        )
    return holdout


def choose_crop(candidates: Sequence[Candidate], crop: str | None, side: int | None) -> tuple[Crop, int | None]:
    """The part of a slice that all candidates are judged on.

    Args:
        candidates: The models.
        crop: A name in ``CROPS``. None: uniform crops if the models were trained on such, else the whole slice, where
            what lies outside of a model's field of view counts as missed.
        side: Of the crop, in the data's pixels. None: the field of view of the model that has the largest.

    Raises:
        SettingsError: If there is no such crop, the models were trained differently and none is named, a side comes
            without a crop, or a model's field of view is larger than the crop.
    """
    if crop is None and len({one.uniform for one in candidates}) > 1:
        names = ", ".join(one.label for one in candidates if one.uniform)
        raise SettingsError(f"of these models only {names} read crops from anywhere; say with --crop how to judge all")
    chosen = crop or ("uniform" if candidates[0].uniform else "whole")
    if chosen not in CROPS:
        raise SettingsError(f"unknown crop {chosen!r}; choose one of {', '.join(CROPS)}")
    largest = max(one.grid_px for one in candidates)
    if chosen == "whole":
        if side is not None:
            raise SettingsError(f"whole slices have no crop of {side} pixels; add --crop central or uniform")
        return "whole", None
    if side is not None and side < largest:
        raise SettingsError(f"a model reads {largest} pixels, more than the crop of {side}; give at least {largest}")
    return cast("Crop", chosen), side or largest


def _describe(weights: str) -> Candidate:
    if Path(weights).is_dir():
        weights = str(result_of(Path(weights)))
    header = engine.load_model(weights).header
    path = engine.bundled_models().get(weights, Path(weights))
    return Candidate(
        weights=weights,
        label=header.name or path.stem,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        kind=header.kind,
        grid_px=max(header.grid.size),
        uniform=fit_of(header.training).get("crop") == "uniform",
        holdout=_holdout(header.training),
        smallest_px=header.smallest_px,
    )


def fit_of(training: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the run that a header tells of, if it does; what others wrote there is free-form."""
    fit = training.get("fit")
    return cast("dict[str, Any]", fit) if isinstance(fit, dict) else {}


def seed_of_holdout(fit: Mapping[str, Any]) -> Any:
    """The seed by which that run chose the patients that it held out."""
    own = fit.get("holdout_seed")
    return fit.get("seed") if own is None else own


def _holdout(training: Mapping[str, Any]) -> Holdout | None:
    fit, data = fit_of(training), training.get("data_sha256")
    match fit.get("holdout"), seed_of_holdout(fit), data:
        case (int() | float() as fraction, int() as seed, str() as digest) if fraction > 0:
            return Holdout(fraction, seed, digest)
        case _:
            return None
