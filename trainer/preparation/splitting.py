"""Who goes where: whole patients to train, val and test, the same for the same seed whatever order they come in."""

from collections.abc import Mapping, Sequence

import numpy as np

from napari_ambiseg.errors import SettingsError
from trainer.preparation.part import Part, refuse_all

NAMES = ("train", "val", "test")


def deal(subjects: Sequence[str], fractions: Sequence[float], seed: int) -> dict[str, str]:
    """A split for each patient.

    The patients are put in a random order and cut by the fractions; every split that is to have any has one at least.

    Args:
        subjects: Patients, repeated as often as you like.
        fractions: Shares of train, val and test, which sum to 1.
        seed: Of the order.

    Raises:
        SettingsError: If the fractions are none, or there are too few patients for those above 0.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise SettingsError(
            f"--split is {' '.join(map(str, fractions))}; give shares of train, val, test that sum to 1"
        )
    patients = sorted(set(subjects))
    wanted = [name for name, share in zip(NAMES, fractions, strict=True) if share]
    if len(patients) < len(wanted):
        raise SettingsError(
            f"{len(patients)} patients cannot fill {', '.join(wanted)} (--split {' '.join(map(str, fractions))}); "
            "give more data, or --split 1 0 0"
        )
    order = np.random.default_rng(seed).permutation(len(patients))
    names = np.repeat(NAMES, _counts(len(patients), fractions))
    return {patients[i]: str(name) for i, name in zip(order, names, strict=True)}


def _counts(total: int, fractions: Sequence[float]) -> list[int]:
    """How many patients each split gets: one if it gets any, and each further one where most is wanting."""
    counts = [int(share > 0) for share in fractions]
    while sum(counts) < total:
        wanting = [total * share - count for share, count in zip(fractions, counts, strict=True)]
        counts[int(np.argmax(wanting))] += 1
    return counts


def place(part: Part, fractions: Sequence[float], seed: int, *, again: bool = False) -> dict[str, Part]:
    """Slices by split: as their source says, the others dealt out by patient.

    A patient whom one source has placed stays there with the slices of the others.

    Args:
        part: All slices.
        fractions: Shares of train, val and test.
        seed: Of the order.
        again: Whether to deal everybody anew.

    Raises:
        DataFileError: If sources put one patient into two splits.
        SettingsError: As ``deal``.
    """
    subjects = part.slices.subjects
    told = [] if again else [(who, where) for who, where in zip(subjects, part.splits, strict=True) if where]
    fixed = _agreed(told)
    free = [who for who in subjects if who not in fixed]
    placed: Mapping[str, str] = {**fixed, **(deal(free, fractions, seed) if free else {})}
    where = np.array([placed[who] for who in subjects])
    names = sorted(set(where.tolist()), key=lambda name: (NAMES.index(name) if name in NAMES else 3, name))
    return {name: _chosen(part, np.flatnonzero(where == name)) for name in names}


def _agreed(told: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The split of each patient whom a source has placed."""
    fixed = dict[str, str]()
    torn = list[str]()
    for who, where in dict.fromkeys(told):
        if fixed.setdefault(who, where) != where:
            torn.append(f"{who} is in {fixed[who]} and in {where}; --resplit deals all patients anew")
    refuse_all("the sources together", torn)
    return fixed


def _chosen(part: Part, indices: np.ndarray) -> Part:
    if len(indices) == len(part.slices):
        return part
    splits = tuple(part.splits[i] for i in indices)
    return Part(part.slices.subset(indices), part.z_mm[indices], splits, part.notes)
