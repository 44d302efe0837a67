"""Every kind of model can represent experts who contradict each other: overfitted, it draws each opinion as often.

Two slices look different. Of the first, three experts of four outline a disc and one draws nothing; of the second, two
outline its left half and two its right half. A model fitted to these alone must answer each slice with readings that
are each close to one of its two opinions, and not with blends, and in the proportion 3:1 and 1:1.

To enrol a kind, add a case to ``CASES``: what differs from ``BASE`` in its ``FitConfig``, and how to sample it.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_ambiseg.models.segmenter import SamplingOptions, Segmenter
from napari_ambiseg.readings.agreement import compare
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import AugmentConfig, FitConfig, with_overrides
from trainer.data.batches import BatchSource
from trainer.loop import start_run, train

SIDE = 16
COUNT = 200
FIRST_OPINION = (0.75, 0.5)
"""Share of the experts who are of the first of a slice's two opinions."""
FIT_TOLERANCE = 0.08
"""How far a model's own probability may be off: near the end of its training it saw some hundred masks."""

BASE = FitConfig(
    recipe="two-experts", size="tiny", grid_px=SIDE, steps=260, batch_size=32, learning_rate=4e-3, warmup_steps=10,
    decay_steps=200, weight_decay=0.0, ema_decay=0.0, holdout=0.0, augment=AugmentConfig(flip=0, affine=0, grey=0),
    input_scale=0.3, weighting="uniform",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A model to be tried.

    Attributes:
        overrides: Fields of ``BASE`` that it replaces; fewer steps are quicker.
        options: How it is sampled.
        clean: Least share of the readings that must be close to an opinion: IoU of at least 0.8.
    """

    overrides: dict[str, object] = field(default_factory=dict)
    options: SamplingOptions = SamplingOptions(steps=20, sampler="ddpm")  # noqa: RUF009 (frozen)
    clean: float = 0.9


DIFFUSION: dict[str, object] = {"experts": "all", "learning_rate": 2e-3}

PROB_UNET: dict[str, object] = {
    "kind": "prob-unet", "experts": "all", "batch_size": 16, "steps": 400, "decay_steps": 200, "ema_decay": 0.95,
}  # fmt: skip
SINGLE: dict[str, object] = {"learning_rate": 2e-3, "steps": 700, "decay_steps": 300}
"""One Gaussian must be divided between both opinions, which takes longer and leaves blends where they meet."""

CASES = {
    "diffusion-x": Case(DIFFUSION),
    "diffusion-eps": Case({**DIFFUSION, "prediction": "eps", "weighting": "sigmoid:-2"}, clean=0.85),
    "diffusion-v": Case({**DIFFUSION, "prediction": "v", "weighting": "sigmoid:0", "input_scale": 0.5}),
    "diffusion with every option": Case({**DIFFUSION, "self_conditioning": True, "image_dropout": 0.1}),
    **{f"prob-unet-{latent}": Case({**PROB_UNET, **SINGLE, "latent": latent}, clean=0.8) for latent in ("aa", "fc")},
    **{f"prob-unet-{latent}": Case({**PROB_UNET, "latent": latent}) for latent in ("aa-mix", "fc-mix")},
    "phiseg": Case({"kind": "phiseg", "learning_rate": 5e-3, "ema_decay": 0.95}, clean=0.8),
}


def opinions() -> NDArray[np.bool_]:
    """Masks (2 slices, 2 opinions, SIDE, SIDE)."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    disc = np.hypot(rows, columns) < 0.32 * SIDE
    return np.array([[disc, np.zeros_like(disc)], [disc & (columns < 0), disc & (columns > 0)]])


def contradicting_experts() -> SliceCollection:
    """The two slices with four experts each."""
    (disc, nothing), (left, right) = opinions()
    rows = np.arange(SIDE)[:, None]
    return SliceCollection(
        images=np.stack([60 + 120 * disc, 60 + 120 * (disc & (rows % 4 < 2))]).astype(np.uint8),
        readings=np.array([[disc, disc, nothing, disc], [left, right, right, left]]),
        subjects=("one", "another"),
        nodules=np.arange(2),
        names=("disc or nothing", "left or right"),
    )


def overfitted(overrides: dict[str, object]) -> Segmenter:
    """The model after its steps on the two slices alone."""
    config = with_overrides(BASE, overrides)
    run = start_run(config, torch.device("cpu"))
    for _ in train(run, BatchSource(contradicting_experts(), config)):
        pass
    model = run.averaged.model.eval()
    assert isinstance(model, Segmenter)
    return model


def drawn(model: Segmenter, index: int, options: SamplingOptions) -> NDArray[np.bool_]:
    """``COUNT`` readings (S, H, W) of a slice."""
    image = torch.from_numpy(contradicting_experts().normalised(index))
    *_, last = model.sample(image, seeds=range(COUNT), options=options)
    return (last.x_hat[:, 0] > 0).numpy()


@pytest.mark.parametrize("name", CASES)
def test_both_opinions_are_drawn_as_often_as_experts_hold_them(name: str) -> None:
    """Within 4 standard deviations of a binomial count, and what the fit may be off."""
    case = CASES[name]
    model = overfitted(case.overrides)
    for index, (masks, share) in enumerate(zip(opinions(), FIRST_OPINION, strict=True)):
        iou = compare(samples=drawn(model, index, case.options), experts=masks).iou
        assert (iou.max(axis=1) > 0.8).mean() >= case.clean
        first = int((iou[:, 0] > iou[:, 1]).sum())
        assert abs(first / COUNT - share) < 4 * math.sqrt(share * (1 - share) / COUNT) + FIT_TOLERANCE


def test_mc_dropout_varies_around_the_mean_of_the_experts() -> None:
    """It cannot draw opinions; its readings' probabilities average to the share of experts, pixel by pixel."""
    model = overfitted({"kind": "mc-dropout"})
    data = contradicting_experts()
    for index in range(2):
        *_, last = model.sample(torch.from_numpy(data.normalised(index)), seeds=range(COUNT), options=SamplingOptions())
        probability = (last.x_hat[:, 0] + 1) / 2
        share = torch.from_numpy(data.readings[index].mean(axis=0)).float()
        assert (probability.mean(dim=0) - share).abs().mean() < 0.03
        assert 1e-3 < probability.std(dim=0).max() < 0.3
        assert len(probability.flatten(1).unique(dim=0)) == COUNT
