"""What a line costs, in numbers that no other work on the machine changes: parameters and floating point operations.

Operations are those of convolutions and matrix products, which torch counts as it meets them; a multiplication and the
addition after it are two.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig
from trainer.data.batches import BatchSource
from trainer.kinds import make_objective
from trainer.objectives.objective import Objective

_EXAMPLES = 2  # PHiSeg's batch norm refuses one


@dataclass(frozen=True, slots=True)
class Cost:
    """What a configuration costs.

    Attributes:
        parameters: That are trained, posteriors included.
        training_gflop: Of one example, forward and backward, in 10^9 operations.
        readings_gflop: Of all readings of one slice.
    """

    parameters: int
    training_gflop: float
    readings_gflop: float


def cost_of(config: FitConfig, options: SamplingOptions, readings: int) -> Cost:
    """Count a configuration's parameters, and its operations on made-up slices.

    Args:
        config: The run.
        options: How its model is read.
        readings: How many readings of a slice.
    """
    with torch.random.fork_rng(devices=[]):
        objective = make_objective(config).train()
    training = _training_operations(objective, config)
    reading = _reading_operations(objective, config, options, readings)
    parameters = sum(parameter.numel() for parameter in objective.parameters())
    return Cost(parameters, training / _EXAMPLES / 1e9, reading / 1e9)


def _training_operations(objective: Objective, config: FitConfig) -> int:
    experts = "random" if config.energy is None else "all"
    few = config.model_copy(update={"batch_size": _EXAMPLES, "experts": experts})
    batch = BatchSource(_blank_slices(config.grid_px), few, augment=False).batch(0)
    with FlopCounterMode(display=False) as counter, _attention_as_products():
        objective(batch).backward()
    return counter.get_total_flops()


def _reading_operations(objective: Objective, config: FitConfig, options: SamplingOptions, readings: int) -> int:
    """What all readings share, once, and what each has of its own: both follow from one reading and from two."""
    model, image = objective.eval().model, torch.zeros(1, config.grid_px, config.grid_px)
    assert isinstance(model, Segmenter)
    counts: list[int] = []
    for few in (1, 2):
        with torch.no_grad(), FlopCounterMode(display=False) as counter, _attention_as_products():
            for _ in model.sample(image, seeds=range(few), options=options):
                pass
        counts.append(counter.get_total_flops())
    return counts[0] + (readings - 1) * (counts[1] - counts[0])


def _attention_as_products() -> AbstractContextManager[object]:
    """Attention as matrix products: torch does not count what its fused one does on a processor."""
    return sdpa_kernel(SDPBackend.MATH)


def _blank_slices(side: int) -> SliceCollection:
    names = tuple(f"blank {i}" for i in range(_EXAMPLES))
    readings = np.zeros((_EXAMPLES, _EXAMPLES, side, side), bool)  # as many readers as examples: one whole slice
    readings[..., side // 4 : side // 2, side // 4 : side // 2] = True
    images = np.zeros((_EXAMPLES, side, side), np.uint8)
    return SliceCollection(images=images, readings=readings, subjects=names, nodules=np.arange(_EXAMPLES), names=names)
