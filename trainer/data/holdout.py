"""Which patients a run keeps out of its training: they follow from its data, a fraction and a seed alone."""

from collections.abc import Iterable
from dataclasses import dataclass

from trainer.config import FitConfig
from trainer.data.random import Purpose, generator


@dataclass(frozen=True, slots=True)
class Holdout:
    """What a run's configuration says of it.

    Attributes:
        fraction: Of the patients.
        seed: Says which; the run's own unless it names another.
        data_sha256: Of the slices that it trained on and held out; empty where that does not matter.
    """

    fraction: float
    seed: int
    data_sha256: str = ""

    @classmethod
    def of(cls, config: FitConfig) -> "Holdout":
        """What a run's configuration says, of whatever data."""
        return cls(config.holdout, config.seed if config.holdout_seed is None else config.holdout_seed)

    def patients(self, of: Iterable[str]) -> frozenset[str]:
        """Those of these patients that are held out; one at least is not."""
        everybody = sorted(set(of))
        count = min(round(self.fraction * len(everybody)), len(everybody) - 1)
        order = generator(self.seed, step=0, example=0, purpose=Purpose.HOLDOUT).permutation(len(everybody))
        return frozenset(everybody[i] for i in order[:count])
