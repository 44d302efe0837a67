"""One finished line of a study."""

from dataclasses import dataclass

from trainer.ablation.finished import Finished
from trainer.ablation.study import Cell
from trainer.evaluation.session import Evaluated


@dataclass(frozen=True, slots=True)
class Result:
    """A finished line.

    Attributes:
        cell: What was run.
        done: What is remembered of it.
        found: Its figures.
    """

    cell: Cell
    done: Finished
    found: Evaluated
