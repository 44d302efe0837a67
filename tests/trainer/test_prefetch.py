"""Drawing ahead changes no batch, lets errors through and ends with its caller."""

import threading
from contextlib import closing
from itertools import islice
from typing import cast

import pytest
import torch

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig
from trainer.data.batches import Batch, BatchSource
from trainer.prefetch import AHEAD, prefetch

CONFIG = FitConfig(recipe="test", size="tiny", grid_px=16, batch_size=8)


def test_batches_come_in_order_and_as_they_are_without_it(discs: SliceCollection) -> None:
    source = BatchSource(discs, CONFIG)
    drawn = list(prefetch(source, range(3, 12)))
    assert [one.step for one in drawn] == list(range(3, 12))
    for one in drawn:
        plain = BatchSource(discs, CONFIG).batch(one.step)
        assert all(torch.equal(getattr(one.batch, n), getattr(plain, n)) for n in ("image", "x", "t", "eps"))
        assert one.batch.seeds == plain.seeds


class Noted:
    """Notes which batches it was asked for; the one of step 5 is broken."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def batch(self, step: int) -> Batch:
        self.asked.append(step)
        if step == 5:
            raise DataFileError("the slices of step 5 are gone")
        return cast(Batch, step)


def test_an_error_comes_when_its_batch_is_due() -> None:
    source = Noted()
    batches = prefetch(cast(BatchSource, source), range(10))
    assert [one.step for one in islice(batches, 5)] == list(range(5))
    with pytest.raises(DataFileError, match="step 5"):
        next(batches)


def test_no_more_is_drawn_than_is_needed_and_no_thread_stays() -> None:
    source = Noted()
    with closing(prefetch(cast(BatchSource, source), range(100, 200))) as batches:
        next(batches)
    assert set(source.asked) <= set(range(100, 101 + AHEAD))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_nothing_is_drawn_beyond_the_last_step() -> None:
    source = Noted()
    assert len(list(prefetch(cast(BatchSource, source), range(6, 8)))) == 2
    assert sorted(source.asked) == [6, 7]
