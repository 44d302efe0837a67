"""The processes that train one model together, as the loop sees them; alone, there is one.

Every process computes its part of each batch. The loop asks the group for four things, and all of its processes ask
for them in the same order: the module whose backward pass leaves every process with the gradient of the whole batch,
the mean of a number, everybody's answer to a question, and whether anybody wants to stop.
"""

from typing import Protocol, TypeVar

from torch import Tensor, nn

T = TypeVar("T")


class Group(Protocol):
    """Processes that work in step."""

    @property
    def index(self) -> int:
        """Which of them this one is, from 0; 0 writes the files."""
        ...

    @property
    def count(self) -> int:
        """How many they are."""
        ...

    def wrap(self, objective: nn.Module) -> nn.Module:
        """What to call with a batch instead of ``objective``: after backward, gradients are means over the group."""
        ...

    def mean(self, value: Tensor) -> Tensor:
        """Mean of everybody's ``value`` (any shape, on the run's device), the same everywhere."""
        ...

    def gather(self, value: T) -> list[T]:
        """Everybody's ``value`` in the order of ``index``, everywhere."""
        ...

    def agree(self, flag: bool) -> bool:
        """Whether anybody's ``flag`` is true, the same everywhere."""
        ...


class Alone:
    """The group of one process."""

    index = 0
    count = 1

    def wrap(self, objective: nn.Module) -> nn.Module:
        """The objective itself."""
        return objective

    def mean(self, value: Tensor) -> Tensor:
        """The value itself."""
        return value

    def gather(self, value: T) -> list[T]:
        """The value alone."""
        return [value]

    def agree(self, flag: bool) -> bool:
        """The flag itself."""
        return flag


ALONE: Group = Alone()
