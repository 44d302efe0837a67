"""The optimizer of a run, and its learning rate at every step."""

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from trainer.config import FitConfig


def make_optimizer(config: FitConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """AdamW pulls the weights towards 0 apart from the gradient; in Adam ``weight_decay`` is an L2 term of the loss."""
    kind = {"adamw": AdamW, "adam": Adam}[config.optimizer]
    return kind(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)


def learning_rate(config: FitConfig, step: int) -> float:
    """Rate of a step counted from 0: linear warm-up, constant, then a cosine to 0 over the last ``decay_steps``."""
    warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    decay_steps = min(config.decay_steps, config.steps)
    into_decay = step - (config.steps - decay_steps)
    decayed = 0.5 * (1 + math.cos(math.pi * into_decay / decay_steps)) if into_decay > 0 else 1.0
    return config.learning_rate * warm * decayed
