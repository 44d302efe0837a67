"""Runs any segmenter on any slice: the only door to a model for the viewer, the command line and the evaluation.

A user's slice has its own size, spacing and grey scale; a model has been trained on one grid and one grey scale. The
rooms here bring the one to the other and the readings back:

- ``grey``: grey values to network input;
- ``placement``: the model's grid on the slice, and values back from it;
- ``slice_input``: what a caller hands in, and which slices are refused;
- ``catalogue``: the models that ship, and loading any model;
- ``plan``: which readings are drawn together, by how many threads;
- ``pool``: draws them side by side;
- ``backends``, ``choice``: what computes the network, and what takes over where it cannot;
- ``readiness``: model and engine made ready before they are asked for;
- ``drawing``: the readings of a run, whatever goes wrong;
- ``sampled``: what a run tells and what it has drawn;
- ``runner``: the run itself.

Legend: S samples, T steps kept, H x W the slice's pixels, h x w the model's grid.
"""

from napari_ambiseg.engine.catalogue import (
    DEFAULT_MODEL,
    bundled_models,
    header_of,
    load_model,
    model_file,
    takes_steps,
)
from napari_ambiseg.engine.choice import ENGINES
from napari_ambiseg.engine.grey import GreyScale
from napari_ambiseg.engine.placement import Placement, place
from napari_ambiseg.engine.readiness import make_ready
from napari_ambiseg.engine.runner import run, sample
from napari_ambiseg.engine.sampled import Advance, Frame, Sampled, join
from napari_ambiseg.engine.slice_input import SliceInput, check_pixels, check_slice
from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.seeds import reading_seeds

__all__ = [
    "DEFAULT_MODEL",
    "ENGINES",
    "Advance",
    "Frame",
    "GreyScale",
    "Placement",
    "Sampled",
    "SamplingOptions",
    "SliceInput",
    "bundled_models",
    "check_pixels",
    "check_slice",
    "header_of",
    "join",
    "load_model",
    "make_ready",
    "model_file",
    "place",
    "reading_seeds",
    "run",
    "sample",
    "takes_steps",
]
