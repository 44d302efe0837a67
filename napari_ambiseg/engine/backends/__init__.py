"""What computes a model's network: torch, a faster engine where one is installed, a graph on a GPU.

A backend is opened for one model on one device, and hands out segmenters that are ready to be sampled there. Opening
may fail, with a sentence that says why; the engine then takes the next best (``engine.choice``).
"""

from typing import Protocol

import torch

from napari_ambiseg.models.segmenter import Segmenter


class Backend(Protocol):
    """A model made ready for a device."""

    @property
    def name(self) -> str:
        """How users choose it, e.g. "torch"."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the slice has to be."""
        ...

    def segmenter(self, threads: int) -> Segmenter:
        """The model for a caller that lets each call of the network take so many threads; safe to share by callers."""
        ...
