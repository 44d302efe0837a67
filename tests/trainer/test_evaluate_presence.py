from dataclasses import replace

import pytest

from trainer.evaluation.metrics import Judged
from trainer.evaluation.presence import presence
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.summary import slices_of


def test_slices_are_grouped_by_the_experts_who_drew_nothing(protocol: Protocol) -> None:
    shares, empty = (0.0, 0.5, 0.0, 0.5, 0.5, 0.75), (0.125, 0.5, 0.375, 0.25, 0.75, 1.0)
    judged = [
        Judged({"empty_experts": s, "empty_readings_16": e, "empty_readings_4": 0.0}, {})
        for s, e in zip(shares, empty, strict=True)
    ]
    found = presence(judged, slices_of(tuple("aabbcc"), replace(protocol, readings=(4, 16))), 16)
    assert [(group.experts, group.slices, group.readings.mean) for group in found] == [
        (0.0, 2, 0.25),
        (0.5, 3, 0.5),
        (0.75, 1, 1.0),
    ]
    assert found[0].readings.low == pytest.approx(0.125)  # patient a has one such slice, patient b another
    assert found[0].readings.high == pytest.approx(0.375)
