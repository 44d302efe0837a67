"""``python -m trainer ablate``: a study, a sweep or a grid of recipes to one table; see ``trainer.ablation``.

Only typer is imported here, so that the command line answers ``--help`` at once; the rest comes when the command runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ambiseg.exit_codes import INTERRUPTED

if TYPE_CHECKING:
    from trainer.ablation.folder import StudyRecord
    from trainer.ablation.work import Machine


def ablate_command(
    names: Annotated[list[str] | None, typer.Argument(help="Studies (`--list`), or recipes.")] = None,
    data: Annotated[list[str] | None, typer.Option(help="HDF5 files to train on, or `phantom`.")] = None,
    split: Annotated[str, typer.Option(help="Group of these files.")] = "train",
    judge_on: Annotated[list[str] | None, typer.Option(help="HDF5 files to judge on; default --data.")] = None,
    judge_split: Annotated[str, typer.Option(help="Group of the files to judge on.")] = "val",
    out: Annotated[Path | None, typer.Option(help="Folder of the study; default studies/NAME.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Folder of a study to go on with.")] = None,
    scale: Annotated[str | None, typer.Option(help="A smaller scale for every run: small-64, mini-64, toy.")] = None,
    grid: Annotated[list[str] | None, typer.Option(help="FIELD=VALUE,VALUE,...: a line for each combination.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="FIELD=VALUE in every run.")] = None,
    readings: Annotated[list[int], typer.Option(help="Numbers of readings to judge.")] = [4, 16],  # noqa: B006
    steps: Annotated[int, typer.Option(help="Denoiser calls per reading.")] = 10,
    sampler: Annotated[str | None, typer.Option(help="Default: ddim, for uniform crops ddpm, as in the paper.")] = None,
    threshold: Annotated[float, typer.Option(help="Relative area of the post-processing (pp), 0 to 1.")] = 0.5,
    limit: Annotated[int | None, typer.Option(help="Judge on this many slices, evenly spaced.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of readings and subset.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    devices: Annotated[int | None, typer.Option(min=1, help="Processes that share each batch, one a card.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of one process.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Lines that are worked on at once.")] = 1,
    list_: Annotated[bool, typer.Option("--list", help="List the studies and stop.")] = False,
) -> None:
    """Fit and judge every line of a table. Stop it at any time; `--resume FOLDER` goes on, also from several shells."""
    from trainer.ablation.child import Stopped
    from trainer.ablation.folder import StudyRecord, begin, read_record
    from trainer.ablation.judging import Judging
    from trainer.ablation.study import STUDIES, cells_of, usual_sampler
    from trainer.ablation.work import Machine
    from trainer.config import DataSource, parse_overrides

    if list_:
        typer.echo("\n".join(f"{name:16} {study.about}" for name, study in STUDIES.items()))
        return
    machine = Machine(device, devices, threads)
    if resume is not None:
        folder, record = resume, read_record(resume)
    else:
        cells = cells_of(names or [], grid=grid or [], scale=scale, overrides=parse_overrides(set_ or []))
        judging = Judging(
            data=tuple(judge_on or data or ()),
            split=judge_split,
            readings=tuple(readings),
            steps=steps,
            sampler=sampler or usual_sampler(cells),
            threshold=threshold,
            limit=limit,
            seed=seed,
        )
        record = StudyRecord(cells=cells, training=DataSource(names=tuple(data or ()), split=split), judging=judging)
        folder = out or Path("studies") / "+".join([*(names or []), *([scale] if scale else [])])
        _check(record)
        begin(folder, record)
    try:
        outcomes = _work(folder, record, machine, workers)
    except Stopped:
        typer.echo(f"\nstopped; go on with `python -m trainer ablate --resume {folder}`", err=True)
        raise typer.Exit(INTERRUPTED) from None
    _report(folder, record, outcomes)


def _check(record: "StudyRecord") -> None:
    """Refuse now what every line would stumble over: data that cannot be read, or judging on training slices."""
    from napari_ambiseg.errors import SettingsError
    from trainer.evaluation.data import read_data

    training, judging = record.training, record.judging
    if not training.names:
        raise SettingsError("no data was given; name HDF5 files with --data, or `--data phantom` for rendered slices")
    shared = _files(training.names) & _files(judging.data)
    if training.split == judging.split and shared:
        raise SettingsError(f"{min(shared)}, split {judging.split}, would be trained and judged on; name other slices")
    read_data(judging.data, judging.split, limit=judging.limit, seed=judging.seed)


def _files(names: tuple[str, ...]) -> set[Path]:
    from trainer.data.sources import is_phantom

    return {Path(name).resolve() for name in names if not is_phantom(name)}


def _work(folder: Path, record: "StudyRecord", machine: "Machine", workers: int) -> dict[str, str]:
    from trainer.ablation.work import work, work_together

    return work(folder, record, machine) if workers == 1 else work_together(folder, record, machine, workers)


def _report(folder: Path, record: "StudyRecord", outcomes: dict[str, str]) -> None:
    from trainer.ablation.table import write_tables
    from trainer.ablation.work import BUSY, DONE

    table, done = write_tables(folder, record)
    if done:
        typer.echo(table)
        typer.echo(f"{done} of {len(record.cells)} lines; the table is {folder / 'table.md'}")
    for name, outcome in outcomes.items():
        if outcome != DONE:
            typer.echo(f"{name}: {outcome}", err=True)
    if any(outcome not in (DONE, BUSY) for outcome in outcomes.values()):
        raise typer.Exit(1)
