"""Settings out of sessions, those of older versions too."""

import numpy as np
import pytest

from napari_ambiseg.io.session_record import ModelUsed, Plain, Session, Source
from napari_ambiseg.viewer.keeping.sessions import settings_of


@pytest.mark.parametrize(
    ("said", "antithetic"), [({}, False), ({"antithetic": True}, True), ({"antithetic": False}, False)]
)
def test_readings_of_sessions_that_say_nothing_of_pairs_were_drawn_independently(
    said: dict[str, Plain], antithetic: bool
) -> None:
    session = Session(
        source=Source("ct", "", "", ()),
        pixels=np.zeros((4, 4)),
        spacing_mm=(1.0, 1.0),
        grey="hu",
        experts=np.zeros((0, 4, 4), np.bool_),
        expert_names=(),
        samples=np.zeros((2, 4, 4), np.bool_),
        seeds=(1, 2),
        model=ModelUsed("lidc-small-64", "cd" * 32),
        settings={"sampler": "ddim", "steps": 4, "readings": 2, "seed": 3, **said},
        threshold=0.1,
    )
    settings = settings_of(session)
    assert settings.antithetic is antithetic
    assert (settings.options.sampler, settings.options.steps, settings.seed) == ("ddim", 4, 3)
