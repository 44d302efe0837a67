"""Which files an evaluation leaves, and their writing. Every file replaces its target in one step."""

import json
from dataclasses import dataclass
from pathlib import Path

from napari_ambiseg.io.output import check_folder, check_target, write_output
from trainer.evaluation.report import as_json
from trainer.evaluation.session import Outcome
from trainer.evaluation.tables import as_csv, as_markdown, per_slice_csv


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where to write what; None leaves it out.

    Attributes:
        json: Everything but the slices.
        csv: A line for every reader and figure.
        markdown: A report for people.
        per_slice_csv: A line for every model and slice.
        plots: Folder of curves and pages of samples.
        page_slices: Slices on such a page.
    """

    json: Path | None
    csv: Path | None
    markdown: Path | None
    per_slice_csv: Path | None
    plots: Path | None
    page_slices: int

    def check(self) -> None:
        """Refuse, before the work is done, what could not be written after it.

        Raises:
            DataFileError: If a target is no possible one.
            SettingsError: If plots are wanted and matplotlib is not installed.
        """
        for path in (self.json, self.csv, self.markdown, self.per_slice_csv):
            if path is not None:
                check_target(path)
        if self.plots is not None:
            from trainer.evaluation.figure import require_matplotlib

            check_folder(self.plots)
            require_matplotlib()

    def write(self, outcome: Outcome) -> None:
        """Write all that is wanted.

        Raises:
            DataFileError: If a file cannot be written.
            AmbisegError: If the slices of a page of samples cannot be read.
        """
        if self.json is not None:
            write_output(self.json, (json.dumps(as_json(outcome), indent=2, allow_nan=False) + "\n").encode())
        if self.csv is not None:
            write_output(self.csv, as_csv(outcome).encode())
        if self.per_slice_csv is not None:
            write_output(self.per_slice_csv, per_slice_csv(outcome).encode())
        drawn: list[Path] = []
        if self.plots is not None:
            from trainer.evaluation.curves import draw_curves
            from trainer.evaluation.pages import draw_pages

            drawn = [*draw_curves(outcome, self.plots), *draw_pages(outcome, self.plots, self.page_slices)]
        if self.markdown is not None:
            write_output(self.markdown, as_markdown(outcome, drawn, beside=self.markdown).encode())
