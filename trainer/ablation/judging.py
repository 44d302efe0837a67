"""How the models of a study are judged: all alike."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from napari_ambiseg.models.segmenter import SamplingOptions
from trainer.ablation.study import Cell
from trainer.evaluation.session import Request


class Judging(BaseModel):
    """How the models of a study are judged; see ``trainer.evaluation.protocol``.

    Attributes:
        data: HDF5 files, or ``phantom``.
        split: Group of these files.
        readings: Numbers of readings.
        steps: Denoiser calls per reading.
        sampler: Name of the sampler.
        threshold: Relative area of the post-processing.
        limit: Number of slices; None takes all.
        seed: Of the readings and the subset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: tuple[str, ...]
    split: str
    readings: tuple[int, ...] = (4, 16)
    steps: int = 10
    sampler: str = "ddim"
    threshold: float = 0.5
    limit: int | None = None
    seed: int = 0

    def request(self, cell: Cell, weights: str, *, keep: Path) -> Request:
        """The evaluation of one cell.

        Args:
            cell: The cell.
            weights: Path of its model file.
            keep: File of its rows.
        """
        return Request(
            weights=(weights,),
            data=self.data,
            split=self.split,
            readings=self.readings,
            options=SamplingOptions(steps=self.steps, sampler=self.sampler, guidance=cell.guidance),
            threshold=self.threshold,
            limit=self.limit,
            seed=self.seed,
            keep=keep,
        )
