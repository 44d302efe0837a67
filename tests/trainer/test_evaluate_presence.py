from collections.abc import Sequence
from dataclasses import replace

import pytest

from trainer.evaluation.metrics import Judged
from trainer.evaluation.presence import presence, presence_reliability
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.summary import slices_of


def judged(experts: Sequence[float], readings: Sequence[float]) -> list[Judged]:
    """Slices of which these shares of experts and of readings are empty."""
    return [
        Judged({"empty_experts": e, "empty_readings_16": r, "empty_readings_4": 0.0}, {})
        for e, r in zip(experts, readings, strict=True)
    ]


def test_slices_are_grouped_by_the_experts_who_drew_nothing(protocol: Protocol) -> None:
    shares, empty = (0.0, 0.5, 0.0, 0.5, 0.5, 0.75), (0.125, 0.5, 0.375, 0.25, 0.75, 1.0)
    found = presence(judged(shares, empty), slices_of(tuple("aabbcc"), replace(protocol, readings=(4, 16))), 16)
    assert [(group.experts, group.slices, group.readings.mean) for group in found] == [
        (0.0, 2, 0.25),
        (0.5, 3, 0.5),
        (0.75, 1, 1.0),
    ]
    assert found[0].readings.low == pytest.approx(0.125)  # patient a has one such slice, patient b another
    assert found[0].readings.high == pytest.approx(0.375)


def test_slices_are_grouped_by_the_readings_that_are_empty(protocol: Protocol) -> None:
    empty, shares = (0.0, 0.1875, 0.2, 1.0, 0.875, 0.8), (0.0, 0.5, 0.25, 0.75, 0.5, 0.25)
    found = presence_reliability(
        judged(shares, empty), slices_of(tuple("ababcc"), replace(protocol, readings=(16,))), 16
    )
    assert [(group.readings, group.slices, group.experts.mean) for group in found] == [
        (0.09375, 2, 0.25),  # below a fifth
        (0.2, 1, 0.25),  # a fifth belongs to the next part, and the parts in between are empty
        (pytest.approx(0.8916667), 3, 0.5),  # four fifths and more, all of them included
    ]
    assert (found[0].experts.low, found[0].experts.high) == (0.0, 0.5)


def test_who_cannot_tell_slices_apart_is_reliable_if_it_says_so(protocol: Protocol) -> None:
    shares = (0.0, 0.25, 0.5, 0.75) * 4
    slices = slices_of([str(i) for i in range(16)], replace(protocol, readings=(16,)))
    ignorant, sure = [0.375] * 16, [0.0] * 8 + [1.0] * 8
    for empty in (ignorant, sure):  # neither can tell the slices apart
        (level,) = {group.readings.mean for group in presence(judged(shares, empty), slices, 16)}
        assert level == pytest.approx(sum(empty) / 16)
    (honest,) = presence_reliability(judged(shares, ignorant), slices, 16)
    assert honest.readings == honest.experts.mean == 0.375
    assert [(g.readings, g.experts.mean) for g in presence_reliability(judged(shares, sure), slices, 16)] == [
        (0.0, 0.375),
        (1.0, 0.375),
    ]
