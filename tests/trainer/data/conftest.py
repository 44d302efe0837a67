"""Slices that not everybody read."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ambiseg.readings.collection import SliceCollection


@pytest.fixture
def patchy(discs: SliceCollection) -> SliceCollection:
    """The discs, of which slice i was read by those of four readers whose bits are set in 1 + i modulo 15."""
    bits = 1 + np.arange(len(discs)) % 15
    present = (bits[:, None] >> np.arange(4)) % 2 == 1
    return replace(discs, readings=discs.readings & present[:, :, None, None], present=present)
