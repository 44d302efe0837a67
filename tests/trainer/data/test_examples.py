"""Every slice once an epoch, every reader who is present equally often, and never one who is not."""

from typing import Literal

import numpy as np
import pytest
from scipy import stats

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig
from trainer.data.examples import Example, Examples

Experts = Literal["random", "all"]
BATCH = 8


def drawn(filled: np.ndarray, experts: Experts, *, steps: int, seed: int = 0) -> list[Example]:
    examples = Examples(filled, FitConfig(recipe="test", batch_size=BATCH, experts=experts, seed=seed))
    return [examples.at(step, i) for step in range(steps) for i in range(BATCH)]


@pytest.mark.parametrize("experts", ["random", "all"])
def test_every_present_reader_of_a_slice_is_shown_equally_often_and_no_other(
    patchy: SliceCollection, experts: Experts
) -> None:
    epochs = 400 if experts == "random" else 100
    shown = np.zeros(patchy.filled.shape, int)
    per_epoch = len(patchy) * (4 if experts == "all" else 1)
    for example in drawn(patchy.filled, experts, steps=epochs * per_epoch // BATCH):
        shown[example.index, example.reader] += 1
    assert not shown[~patchy.filled].any()
    assert (shown.sum(axis=1) == 400).all()
    for counts, present in zip(shown, patchy.filled, strict=True):
        if present.sum() > 1:
            assert stats.chisquare(counts[present]).pvalue > 1e-4


def test_all_experts_of_a_slice_are_neighbours_and_fill_up_evenly(patchy: SliceCollection) -> None:
    examples = drawn(patchy.filled, "all", steps=12)
    groups = [examples[i : i + 4] for i in range(0, len(examples), 4)]
    assert sorted(group[0].index for group in groups) == list(range(len(patchy)))  # one epoch
    for number, group in enumerate(groups):
        assert {e.index for e in group} == {group[0].index}
        assert {e.leader for e in group} == {number * 4 % BATCH}
        counts = np.bincount([e.reader for e in group], minlength=4)[patchy.filled[group[0].index]]
        assert counts.sum() == 4
        assert counts.min() >= 1
        assert counts.max() - counts.min() <= 1


def test_a_place_left_over_goes_to_any_of_the_readers() -> None:
    three_of_four = np.array([[True, False, True, True]])
    readers = [e.reader for e in drawn(three_of_four, "all", steps=300)]
    extra = np.bincount(readers, minlength=4) - 600
    assert extra[1] == -600
    assert stats.chisquare(extra[[0, 2, 3]]).pvalue > 0.01


def test_an_example_alone_leads_itself(patchy: SliceCollection) -> None:
    assert [e.leader for e in drawn(patchy.filled, "random", steps=2)] == [*range(BATCH), *range(BATCH)]


def test_examples_are_the_seeds(patchy: SliceCollection) -> None:
    first, again, other = (drawn(patchy.filled, "random", steps=3, seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_slices_that_nobody_read_are_refused() -> None:
    filled = np.ones((5, 3), bool)
    filled[[2, 4]] = False
    with pytest.raises(DataFileError, match=r"2 slices have no reader \(the first is slice 2\)"):
        Examples(filled, FitConfig(recipe="test"))
