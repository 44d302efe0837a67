import io
from itertools import permutations

import numpy as np
import pytest
from PIL import Image

from napari_ambiseg.readings.agreement import ged, mean_dice
from napari_ambiseg.readings.collection import SliceCollection
from trainer.preparation.contact_sheet import OKABE_ITO, colour, contact_sheet
from trainer.preparation.summary import agreement, as_text, summarise


def squares(present: np.ndarray | None = None) -> SliceCollection:
    """Two slices, three readers, pixels of 0.5 x 2 mm: areas 4, 9, 0 and 0, 1, 0 pixels."""
    readings = np.zeros((2, 3, 8, 8), bool)
    readings[0, 0, :2, :2] = readings[0, 1, :3, :3] = readings[1, 1, 4, 4] = True
    return SliceCollection(
        images=np.zeros((2, 8, 8), np.uint8),
        readings=readings,
        subjects=("A", "A"),
        nodules=np.array([0, 0]),
        names=("one", "two"),
        spacing_mm=(0.5, 2.0),
        present=present,
    )


def test_figures_of_a_split_by_hand() -> None:
    found = summarise(squares(), "x")
    assert (found.slices, found.patients, found.nodules) == (2, 1, 1)
    assert (found.readers, found.missing_readers, found.empty_masks) == ((3, 3), 0, 0.5)
    assert found.area_mm2 == (4, 1, 9)
    assert found.pairwise_dice == pytest.approx(((8 / 13) / 3 + 1 / 3) / 2, abs=1e-4)


def test_missing_readers_are_neither_empty_nor_compared() -> None:
    found = summarise(squares(np.array([[True, True, False], [False, True, False]])), "x")
    assert (found.readers, found.missing_readers, found.empty_masks) == ((1, 2), 0.5, 0)
    assert found.pairwise_dice == pytest.approx(8 / 13, abs=1e-4)


def test_agreement_is_that_of_every_expert_with_the_others() -> None:
    masks = np.random.default_rng(0).random((5, 9, 9)) < 0.4
    dice, energy = agreement(masks)
    pairs = [mean_dice(samples=masks[[i]], experts=masks[[j]]) for i, j in permutations(range(5), 2)]
    assert dice == pytest.approx(np.mean(pairs))
    others = [ged(samples=masks[[i]], experts=np.delete(masks, i, axis=0)) for i in range(5)]
    assert energy == pytest.approx(np.mean(others))


def test_one_reader_and_empty_masks_leave_nothing_to_measure() -> None:
    images, readings = np.zeros((2, 8, 8), np.uint8), np.zeros((2, 1, 8, 8), bool)
    found = summarise(SliceCollection(images, readings, ("A", "B"), np.array([-1, 0]), ("", "")), "x")
    assert (found.area_mm2, found.nodules, found.pairwise_dice, found.expert_ged) == (None,) * 4
    assert "–" in as_text({"x": found})


def test_the_contact_sheet_shows_each_experts_outline_in_its_colour() -> None:
    slices = squares()
    page = np.asarray(Image.open(io.BytesIO(contact_sheet({"train": slices, "val": slices}))))
    tiles = page[28 : 28 + 192].reshape(-1, 3)
    found = {tuple(int(v) for v in value) for value in np.unique(tiles, axis=0)}
    assert {colour(0), colour(1)} <= found
    assert colour(2) not in found  # drew nothing
    first = page[28 : 28 + 192, 6 : 6 + 192]
    rows, columns = np.nonzero((first == colour(0)).all(axis=-1))
    assert rows.max() == pytest.approx(2 * 24, abs=1)  # two of eight pixels, each 24 wide on the page
    assert columns.max() == pytest.approx(2 * 24, abs=1)


def test_the_contact_sheet_is_spread_over_all_slices_and_splits() -> None:
    many = SliceCollection(
        images=np.zeros((500, 8, 8), np.uint8),
        readings=np.zeros((500, 12, 8, 8), bool),
        subjects=("A",) * 500,
        nodules=np.zeros(500, np.int64),
        names=tuple(map(str, range(500))),
    )
    page = Image.open(io.BytesIO(contact_sheet({"train": many, "val": many})))
    assert page.size == (6 * 198 + 6, 6 * 226 + 56)


def test_colours_of_a_dozen_experts_differ() -> None:
    assert len({colour(i) for i in range(20)}) == 20
    assert colour(0) == tuple(bytes.fromhex(OKABE_ITO[0][1:]))
