"""What a run tells: a bar on the terminal, lines in its log, curves and pictures."""

import sys

from tqdm import tqdm

from trainer.loop import Run, StepRecord
from trainer.run_folder import RunFolder
from trainer.samples_picture import as_png, draw_samples
from trainer.tensorboard import Board
from trainer.validation import Judgement


class Reporter:
    """Tells what happens in a run, as it happens; close it at the end.

    Args:
        folder: The run's folder, prepared.
        run: The run, at the step where this process takes it up.
    """

    def __init__(self, folder: RunFolder, run: Run) -> None:
        self._folder, self._batch_size, self._total = folder, run.config.batch_size, run.config.steps
        self._bar = tqdm(total=self._total, initial=run.step, unit="step", desc=run.config.recipe, dynamic_ncols=True)
        self._board = Board(folder.path, step=run.step, warn=self.warn)
        self._steps, self._seconds, self._waited = 0, 0.0, 0.0  # since the last line of the log

    def step(self, record: StepRecord, figures: dict[str, float], *, log: bool) -> None:
        """A step is done, and ``figures`` were found after it; whether its line is due."""
        self._bar.update()
        self._steps += 1
        self._seconds += record.seconds
        self._waited += record.data_seconds
        if not log:
            return
        line = {
            "loss": record.loss,
            "grad_norm": record.grad_norm,
            "learning_rate": record.learning_rate,
            "examples_per_second": round(self._steps * self._batch_size / self._seconds, 2),
            "data_fraction": round(self._waited / self._seconds, 4),
        }
        self._steps, self._seconds, self._waited = 0, 0.0, 0.0
        self.figures(record.step, line | figures)

    def figures(self, step: int, figures: dict[str, float]) -> None:
        """Figures of a step, for the log and the curves."""
        self._folder.log(step, figures)
        self._board.scalars(step, figures)
        self._board.flush()
        shown = {"loss": "loss", "validation_ged": "ged"}
        self._bar.set_postfix({shown[name]: f"{value:.4f}" for name, value in figures.items() if name in shown})

    def picture(self, step: int, judgement: Judgement) -> None:
        """What was drawn for a few held-out slices."""
        picture = draw_samples(judgement.shown, f"step {step}, GED {judgement.ged:.3f}")
        self._folder.save_picture(step, as_png(picture))
        self._board.picture(step, "held-out slices", picture)

    def stopped(self, run: Run) -> None:
        """The run was asked to stop, and its state is saved."""
        self._bar.write(
            f"stopped after step {run.step}; go on with `python -m trainer fit --resume {self._folder.path}`"
        )

    def warn(self, sentence: str) -> None:
        """Something that the user should know, and that does not end the run."""
        self._bar.write(f"warning: {sentence}", file=sys.stderr)

    def close(self) -> None:
        """Leave the terminal and the curves in order."""
        self._bar.close()
        self._board.close()
