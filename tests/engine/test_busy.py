import itertools

import pytest
import torch

from napari_ambiseg.engine import busy


def test_one_thread_helps_nobody() -> None:
    assert not busy.threads_help(1)


@pytest.mark.parametrize(
    ("together", "helps"), [(0.6, True), (0.95, False), (40.0, False)], ids=["quiet", "no gain", "collapsed"]
)
def test_threads_help_only_if_they_are_clearly_quicker_every_time(
    monkeypatch: pytest.MonkeyPatch, together: float, helps: bool
) -> None:
    monkeypatch.setattr(busy, "_seconds", lambda x, *, threads: 1.0 if threads == 1 else together)
    assert busy.threads_help(2) is helps


SPREADING = [2.0] * busy._SPREAD


@pytest.mark.parametrize(
    ("tries", "helps"),
    [([1.0, *SPREADING, 0.6, 0.6, 0.6], True), ([1.0, *SPREADING, 0.6, 9.0, *SPREADING, 0.6, 0.6, 9.0], False)],
    ids=["threads had to be spread first", "slow now and then"],
)
def test_one_slow_try_ends_a_round(monkeypatch: pytest.MonkeyPatch, tries: list[float], helps: bool) -> None:
    left = iter([9.0, *tries])  # the first is not counted
    monkeypatch.setattr(busy, "_seconds", lambda x, *, threads: 1.0 if threads == 1 else next(left))
    assert busy.threads_help(2) is helps


def test_a_trial_that_takes_too_long_ends_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=0.1)  # seconds: each look at it is a tenth later, as where Python's lock is taken
    monkeypatch.setattr(busy.time, "perf_counter", lambda: next(clock))
    calls: list[int] = []

    def seconds(x: torch.Tensor, *, threads: int) -> float:
        calls.append(threads)
        return 1.0 if threads == 1 else 0.1  # so quick that a whole trial would speak for it

    monkeypatch.setattr(busy, "_seconds", seconds)
    assert busy.threads_help(2) is None
    assert len(calls) <= 4


def test_the_number_of_threads_stays_the_callers() -> None:
    before = torch.get_num_threads()
    busy.threads_help(2)
    assert torch.get_num_threads() == before
