"""The training loop, as a generator of records: the caller shows progress, logs, validates, saves and stops."""

import math
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from napari_ambiseg.errors import ComputeError
from trainer.config import FitConfig
from trainer.data.batches import Batch, BatchSource
from trainer.ema import make_ema, warm_start
from trainer.group import ALONE, Group
from trainer.kinds import make_objective
from trainer.objectives.objective import Objective
from trainer.optimizer import learning_rate, make_optimizer
from trainer.precision import Precision
from trainer.prefetch import prefetch


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One optimizer step.

    Attributes:
        step: Steps done, this one included.
        loss: Of its batch.
        grad_norm: Before clipping; infinite if float16 overflowed and the step was left out.
        learning_rate: That it used.
        seconds: Time that it took.
        data_seconds: The part of it that was spent waiting for the batch.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    seconds: float
    data_seconds: float


@dataclass(frozen=True, slots=True)
class Best:
    """The best judgement of a run so far.

    Attributes:
        step: Steps done by then.
        ged: Mean GED of the held-out slices.
    """

    step: int
    ged: float


@dataclass(slots=True)
class Run:
    """What training changes, and how far it is.

    Attributes:
        judged: Step of the last judgement; 0 if there was none.
        best: The best of them.
    """

    config: FitConfig
    objective: Objective
    ema: AveragedModel | None
    optimizer: Optimizer
    precision: Precision
    device: torch.device
    step: int = 0
    judged: int = 0
    best: Best | None = None

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
    objective = make_objective(config).train()
    objective.to(device=device, memory_format=_memory_format(config, device))  # pyright: ignore[reportCallIssue, reportUnknownMemberType] (torch's stubs lack this overload)
    ema = make_ema(objective, config.ema_decay)
    precision = Precision(config.precision, device)
    precision.prepare(objective)
    return Run(config, objective, ema, make_optimizer(config, objective.parameters()), precision, device)


def _memory_format(config: FitConfig, device: torch.device) -> torch.memory_format:
    """How the weights lie while they train: with one step of a processor's as measure.

    Channels last takes .6 to .8 of the time wherever a convolution sees few channels at full resolution, as those of
    the baselines and of their encoders do, and 1.1 to 1.3 times as long for the diffusion UNet with its pixel patches.
    """
    unet_alone = config.kind in ("diffusion", "deterministic", "mc-dropout") and config.backbone != "prob-unet"
    return torch.contiguous_format if unet_alone or device.type != "cpu" else torch.channels_last


def train(run: Run, source: BatchSource, *, group: Group = ALONE) -> Generator[StepRecord]:
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
    since = time.perf_counter()
    with closing(prefetch(source, range(run.step, run.config.steps))) as batches:
        for drawn in batches:
            rate = learning_rate(run.config, drawn.step)
            loss, norm = _gradient(run, objective, drawn.batch, group)
            if not (math.isfinite(loss) and (math.isfinite(norm) or run.precision.overflowed())):
                names = [name for part in group.gather(source.names(drawn.step)) for name in part]
                raise ComputeError(_not_finite(drawn.step + 1, loss=loss, norm=norm, names=names))
            _update(run, rate)
            now = time.perf_counter()
            yield StepRecord(run.step, loss, norm, rate, seconds=now - since, data_seconds=drawn.waited)
            since = time.perf_counter()  # what the caller did meanwhile is no part of a step


def _gradient(run: Run, objective: nn.Module, batch: Batch, group: Group) -> tuple[float, float]:
    """Leave the clipped gradient of a batch in the parameters; its loss, and the gradient's norm before clipping."""
    scaler = run.precision.scaler
    with run.precision.autocast():
        loss: Tensor = objective(batch.to(run.device))
    run.optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    scaler.unscale_(run.optimizer)
    norm = nn.utils.clip_grad_norm_(run.objective.parameters(), run.config.clip_norm or math.inf)
    # Gradients, and so their norm, are the same in all of the group.
    mean, norm = torch.stack([group.mean(loss.detach()).float(), norm.float()]).tolist()
    return mean, norm


def _update(run: Run, rate: float) -> None:
    """One optimizer step with the gradient at hand; left out if it overflowed, which the scaler has seen."""
    for parameters in run.optimizer.param_groups:
        parameters["lr"] = rate
    run.precision.scaler.step(run.optimizer)
    run.precision.scaler.update()
    if run.ema is not None:
        if run.step < run.config.warmup_steps:
            warm_start(run.ema, run.objective)
        else:
            run.ema.update_parameters(run.objective)
    run.step += 1


def _not_finite(step: int, *, loss: float, norm: float, names: list[str]) -> str:
    return (
        f"step {step}: the loss is {loss} and its gradient {norm}; the batch showed {', '.join(names)}. The last saved "
        "state is good: resume with a smaller learning rate, and check these slices for extreme values"
    )


@contextmanager
def evaluating(objective: Objective) -> Generator[Objective]:
    """The objective as it behaves outside training (batch statistics, dropout), without gradients."""
    was_training = objective.training
    objective.eval()
    try:
        with torch.no_grad():
            yield objective
    finally:
        objective.train(was_training)


def validation_loss(run: Run, source: BatchSource, batches: int, *, group: Group = ALONE) -> float:
    """Mean loss of the averaged weights on the first ``batches`` batches of a source: the same ones at every call."""
    with evaluating(run.averaged) as objective:
        losses = [objective(source.batch(i).to(run.device)).float() for i in range(batches)]
    return group.mean(torch.stack(losses)).sum().item() / batches
