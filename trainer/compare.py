"""``python -m trainer compare``: tables from kept figures of slices; see ``trainer.evaluation.kept_slices``.

Only typer is imported here, so that the command line answers ``--help`` at once; the rest comes when the command runs.
"""

from pathlib import Path
from typing import Annotated

import typer


def compare_command(
    files: Annotated[list[Path], typer.Argument(help="slices.csv or slices.csv.gz of `ablate`, or of `evaluate`.")],
    to: Annotated[str | None, typer.Option(help="Model to compare with; default the first.")] = None,
    only: Annotated[list[str], typer.Option(help="Figures to show, e.g. ged_4 ged_16; default all.")] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling; that of the judging gives its intervals.")] = 0,
) -> None:
    """Compare models again from the kept figures of their slices: needs neither data nor weights."""
    from trainer.evaluation.kept_slices import compare_kept, read_kept

    models = [one for path in files for one in read_kept(path)]
    typer.echo(compare_kept(models, to=to, figures=only, seed=seed), nl=False)
