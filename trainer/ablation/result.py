"""One finished line of a study."""

from dataclasses import dataclass

from trainer.ablation.cost import Cost
from trainer.ablation.study import Cell
from trainer.evaluation.session import Evaluated


@dataclass(frozen=True, slots=True)
class Result:
    """A finished line.

    Attributes:
        cell: What was run.
        step: Training steps behind the weights that were judged.
        found: Its figures.
        cost: What training and reading take.
        examples_per_second: At which it was trained, the median of its log; None if the log was gone.
    """

    cell: Cell
    step: int
    found: Evaluated
    cost: Cost
    examples_per_second: float | None
