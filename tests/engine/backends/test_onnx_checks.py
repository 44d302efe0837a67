from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from napari_ambiseg.diffusion.sampling import State
from napari_ambiseg.engine.backends.onnx_checks import require_same_estimates
from napari_ambiseg.errors import EngineError
from napari_ambiseg.models.checkpoint import Grid
from napari_ambiseg.models.segmenter import SamplingOptions


class Off:
    """A model whose estimates are all one number."""

    kind: ClassVar[str] = "off"

    def __init__(self, value: float) -> None:
        self.value = value

    def sample(self, image: Tensor, *, seeds: Sequence[int], options: SamplingOptions) -> Iterator[State]:
        x_hat = torch.full((len(seeds), *image.shape), self.value)
        for step in range(1, options.steps + 1):
            yield State(step=step, total=options.steps, log_snr=0.0, x_t=x_hat, x_hat=x_hat)


@pytest.mark.parametrize(("side", "difference"), [(16, 1.5e-5), (64, 1.5e-5), (128, 3e-5), (256, 6e-5)])
def test_what_rounding_explains_grows_with_the_side_of_the_grid(side: int, difference: float) -> None:
    grid = Grid((side, side))
    assert require_same_estimates(Off(0.0), Off(difference), grid) == pytest.approx(difference, rel=1e-3)
    with pytest.raises(EngineError, match="the most that rounding explains"):
        require_same_estimates(Off(0.0), Off(2 * difference), grid)


def test_an_estimate_that_is_no_number_is_refused() -> None:
    with pytest.raises(EngineError, match="nan"):
        require_same_estimates(Off(0.0), Off(float("nan")), Grid((16, 16)))
