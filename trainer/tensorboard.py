"""Curves and pictures for TensorBoard, where it is installed (``pip install napari-ambiseg[train]``).

They are a convenience: no run ends because of them, and log.jsonl holds the same figures.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter as TensorBoard

BOARD_FOLDER = "tensorboard"


class Board:
    """Writes to TensorBoard's folder in a run's folder, as long as that works.

    Args:
        run_folder: Where the run is.
        step: Steps done. Curves of an earlier process go on there; what it drew beyond is hidden.
        warn: Is told once, in a sentence, if there will be no curves.
    """

    def __init__(self, run_folder: Path, *, step: int, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._writer: TensorBoard | None = None
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            warn("TensorBoard is not installed, so that there are only log.jsonl and samples/; it comes with the "
                 "extra `train`: pip install 'napari-ambiseg[train]'")  # fmt: skip
            return
        try:
            self._writer = SummaryWriter(str(run_folder / BOARD_FOLDER), purge_step=step + 1)
        except OSError as error:
            self._give_up(error)

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        self._try(lambda writer: [writer.add_scalar(name, value, step) for name, value in figures.items()])

    def picture(self, step: int, name: str, picture: NDArray[np.uint8]) -> None:
        """Add a picture (H, W, 3)."""
        self._try(lambda writer: writer.add_image(name, picture, step, dataformats="HWC"))

    def flush(self) -> None:
        """Let readers see what was added."""
        self._try(lambda writer: writer.flush())

    def close(self) -> None:
        """Write the rest."""
        self._try(lambda writer: writer.close())

    def _try(self, action: "Callable[[TensorBoard], object]") -> None:
        if self._writer is None:
            return
        try:
            action(self._writer)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._writer = None
        self._warn(f"no more curves for TensorBoard: its files cannot be written ({error.strerror or error})")
