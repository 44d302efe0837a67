"""The training loop, as a generator of records: the caller shows progress, logs, validates, saves and stops."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.swa_utils import AveragedModel

from napari_ambiseg.errors import ComputeError
from trainer.config import FitConfig
from trainer.data.batches import BatchSource
from trainer.ema import make_ema, warm_start
from trainer.group import ALONE, Group
from trainer.kinds import make_objective
from trainer.objectives.objective import Objective


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One optimizer step.

    Attributes:
        step: Steps done, this one included.
        loss: Of its batch.
        grad_norm: Before clipping.
        learning_rate: That it used.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float


@dataclass(slots=True)
class Run:
    """What training changes, and how far it is."""

    config: FitConfig
    objective: Objective
    ema: AveragedModel | None
    optimizer: AdamW
    device: torch.device
    step: int = 0

    @property
    def averaged(self) -> Objective:
        """The objective with the weights to sample: the moving average if there is one."""
        if self.ema is None:
            return self.objective
        assert isinstance(self.ema.module, Objective)
        return self.ema.module


def start_run(config: FitConfig, device: torch.device) -> Run:
    """A run at step 0, with weights drawn from the configuration's seed."""
    torch.manual_seed(config.seed)
    objective = make_objective(config).to(device).train()
    optimizer = AdamW(objective.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    return Run(config, objective, make_ema(objective, config.ema_decay), optimizer, device)


def learning_rate(config: FitConfig, step: int) -> float:
    """Rate of a step counted from 0: linear warm-up, constant, then a cosine to 0 over the last ``decay_steps``."""
    warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    decay_steps = min(config.decay_steps, config.steps)
    into_decay = step - (config.steps - decay_steps)
    decayed = 0.5 * (1 + math.cos(math.pi * into_decay / decay_steps)) if into_decay > 0 else 1.0
    return config.learning_rate * warm * decayed


def train(run: Run, source: BatchSource, *, group: Group = ALONE) -> Iterator[StepRecord]:
    """Train from ``run.step`` to ``run.config.steps``.

    Args:
        run: What is trained.
        source: Draws this process' part of every batch.
        group: The processes that train together.

    Yields:
        A record after each step, when ``run`` holds that step's result and may be saved.

    Raises:
        ComputeError: If the loss or the gradient is not finite; ``run`` is then as after the previous step.
    """
    objective = group.wrap(run.objective)
    for step in range(run.step, run.config.steps):
        rate = learning_rate(run.config, step)
        for parameters in run.optimizer.param_groups:
            parameters["lr"] = rate
        loss = objective(source.batch(step).to(run.device))
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(run.objective.parameters(), run.config.clip_norm or math.inf)
        mean_loss = group.mean(loss.detach()).item()  # gradients, and so their norm, are the same everywhere
        if not (math.isfinite(mean_loss) and math.isfinite(norm.item())):
            raise ComputeError(
                f"step {step + 1}: the loss is {mean_loss} and its gradient {norm.item()}; the last saved state is "
                "good. Resume with a smaller learning rate, and check the data for extreme values"
            )
        run.optimizer.step()
        _average(run, step)
        run.step = step + 1
        yield StepRecord(run.step, mean_loss, norm.item(), rate)


def _average(run: Run, step: int) -> None:
    if run.ema is None:
        return
    if step < run.config.warmup_steps:
        warm_start(run.ema, run.objective)
    else:
        run.ema.update_parameters(run.objective)


@torch.no_grad()
def validation_loss(run: Run, source: BatchSource, batches: int) -> float:
    """Mean loss of the averaged weights on the first ``batches`` batches of a source: the same ones at every call."""
    return sum(run.averaged(source.batch(i).to(run.device)).item() for i in range(batches)) / batches
