from collections import Counter

import numpy as np
import pytest

from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.preparation.part import Part
from trainer.preparation.splitting import deal, place

THIRDS = (0.6, 0.2, 0.2)


def part_of(subjects: list[str], splits: list[str] | None = None) -> Part:
    count = len(subjects)
    slices = SliceCollection(
        images=np.arange(count * 4, dtype=np.uint8).reshape(count, 2, 2),
        readings=np.zeros((count, 1, 2, 2), bool),
        subjects=tuple(subjects),
        nodules=np.arange(count),
        names=tuple(f"{i}" for i in range(count)),
    )
    return Part(slices, np.arange(count, dtype=float), tuple(splits or [""] * count))


def test_shares_are_of_patients_and_whole_patients_move() -> None:
    subjects = [f"P{i % 50}" for i in range(500)]
    placed = deal(subjects, THIRDS, seed=3)
    assert Counter(placed.values()) == {"train": 30, "val": 10, "test": 10}


def test_the_order_of_slices_does_not_matter_but_the_seed_does() -> None:
    names = [f"P{i}" for i in range(50)]
    assert deal(names, THIRDS, seed=3) == deal(names[::-1] * 2, THIRDS, seed=3)
    assert deal(names, THIRDS, seed=3) != deal(names, THIRDS, seed=4)


@pytest.mark.parametrize("shares", [(0.5, 0.2, 0.2), (1.2, -0.2, 0.0), (0, 0, 0)])
def test_shares_that_are_none_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(SettingsError, match="sum to 1"):
        deal(["a", "b", "c"], shares, seed=0)


def test_every_split_that_is_wanted_has_a_patient() -> None:
    assert Counter(deal(["a", "b", "c"], THIRDS, seed=0).values()) == {"train": 1, "val": 1, "test": 1}
    assert Counter(deal(list("abcdefg"), (0.9, 0.1, 0), seed=0).values()) == {"train": 6, "val": 1}


def test_too_few_patients_are_refused_and_one_split_takes_any() -> None:
    with pytest.raises(SettingsError, match="2 patients cannot fill train, val, test"):
        deal(["a", "b"], THIRDS, seed=0)
    assert deal(["a"], (1, 0, 0), seed=0) == {"a": "train"}


def test_slices_keep_their_heights_and_order_in_their_split() -> None:
    subjects = [f"P{i % 10}" for i in range(40)]
    for part in place(part_of(subjects), THIRDS, 0).values():
        assert part.slices.nodules.tolist() == part.z_mm.tolist() == sorted(part.z_mm)


def test_what_sources_say_stands_and_others_slices_of_the_patient_follow() -> None:
    parts = place(part_of(["A", "A", "B", "C"], ["val", "", "train", ""]), (1, 0, 0), 0)
    assert {name: part.slices.subjects for name, part in parts.items()} == {"train": ("B", "C"), "val": ("A", "A")}
    assert list(parts) == ["train", "val"]


def test_patients_in_two_splits_are_all_named_unless_dealt_anew() -> None:
    torn = part_of(["A", "A", "B", "B"], ["val", "train", "train", "test"])
    with pytest.raises(DataFileError, match=r"(?s)A is in val and in train.*B is in train and in test"):
        place(torn, (1, 0, 0), 0)
    assert set(place(torn, (0.5, 0.5, 0), 0, again=True)) == {"train", "val"}
