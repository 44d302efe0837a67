"""The command line: ``python -m trainer COMMAND``. Errors of the user end in one line and exit code 2."""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from napari_ambiseg import exit_codes
from napari_ambiseg.errors import SettingsError
from trainer import ablate, compare, evaluate
from trainer.argv import spread
from trainer.prepare import prepare_command
from trainer.stopping import stop_requests, stop_with_starter, works_alone

if TYPE_CHECKING:
    from trainer.config import DataSource, FitConfig

SEVERAL_VALUES = {
    *("--data", "--apart", "--set", "--grid", "--judge-on"),
    *("--readings", "--sweep-steps", "--sweep-samplers", "--only"),
}

app = typer.Typer(
    help="Fit and judge the models that napari-ambiseg samples.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("evaluate")(evaluate.evaluate_command)
app.command("ablate")(ablate.ablate_command)
app.command("compare")(compare.compare_command)
app.command("prepare")(prepare_command)


@app.command("fit")
def fit_command(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Argument(help="Name of a recipe (`fit --list`), or a config.json.")] = None,
    data: Annotated[list[str] | None, typer.Option(help="HDF5 files, or `phantom` for rendered slices.")] = None,
    split: Annotated[str | None, typer.Option(help="Group of the HDF5 files to train on; default train.")] = None,
    apart: Annotated[
        list[str] | None, typer.Option(help="HDF5 files of which no patient, of any split, may be trained on.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Check the data and the settings, then stop.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/RECIPE.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Folder of a run to go on with.")] = None,
    start_from: Annotated[
        str | None, typer.Option(help="Model file, folder of a run, or bundled model, whose weights to begin with.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Optimizer steps, replacing the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, replacing the recipe's.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE, replacing a field of the recipe, e.g. batch_size=4.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    devices: Annotated[int | None, typer.Option(min=1, help="Processes that share each batch, one a card.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of one process.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the recipes and stop.")] = False,
) -> None:
    """Train a model: a new run of RECIPE, or `--resume FOLDER`. Ctrl-C saves and stops."""
    if list_:
        _list_recipes()
        return
    # Torch and the data take their seconds; Ctrl-C may still cut these short.
    stop = context.with_resource(stop_requests(signals=[signal.SIGTERM])) if works_alone(devices) else None
    import torch

    from trainer.config import parse_overrides
    from trainer.data.checks import read_checked, rehearse
    from trainer.distributed import is_restarted, joined, must_launch, together
    from trainer.fine_tuning import read_start
    from trainer.fit import check_settings, fit
    from trainer.fit import resume as resume_run
    from trainer.run_folder import result_file
    from trainer.state import has_state

    if resume is not None and start_from is not None:
        raise SettingsError("a run that goes on has its weights; leave out --start-from, or begin a new run with it")

    def plan() -> "tuple[FitConfig, DataSource, Path, bool]":
        """What to do, with which slices, in which folder, and whether it has begun."""
        overrides = parse_overrides(set_ or [], steps=steps, seed=seed)
        if resume is not None:
            return *_resumed(resume, recipe, overrides, data=data, split=split), resume, True
        config, source = _fresh(recipe, overrides, data=data, split=split)
        folder = out or Path("runs") / config.recipe
        if is_restarted() and has_state(folder):
            return *_resumed(folder, None, {}, data=data, split=None), folder, True
        return config, source, folder, False

    if must_launch(devices):
        from trainer.launch import launch

        raise typer.Exit(launch(context.obj, devices or 1, device=device, batch_size=plan()[0].batch_size))
    if threads:
        torch.set_num_threads(threads)
    with joined(device, devices) as (group, own):
        with together(group):
            config, source, folder, begun = plan()
            collection = read_checked(
                source.names, source.split, seed=config.seed, grid_px=config.grid_px, apart=apart or ()
            )
            start = read_start(start_from) if start_from and not begun else None
            if check:
                check_settings(config, collection, device=own, start=start)
            seen = rehearse(config, collection) if check else None
        if seen:
            if group.index == 0:
                typer.echo(seen)
            return
        action = resume_run if begun else partial(fit, start=start)
        run = action(config, collection, folder, device=own, source=source, group=group, stop=stop)
        if group.index == 0:
            model = folder / result_file(config, folder)
            typer.echo(f"{config.recipe}: {run.step} of {config.steps} steps; the model is {model}")


@app.command("models")
def models_command(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """List the models that can be fitted, with their number of parameters at the paper's size."""
    from trainer.paper_sizes import parameter_counts

    counts = parameter_counts()
    typer.echo(json.dumps(counts) if as_json else "\n".join(f"{count:>12,}  {name}" for name, count in counts.items()))


@app.command("export")
def export_command(
    source: Annotated[Path, typer.Argument(help="Folder of a run, or a model file.")],
    out: Annotated[Path, typer.Option(help="File to write, e.g. lidc-small-64.safetensors; its card lies beside it.")],
    name: Annotated[str | None, typer.Option(help="What to call the model.")] = None,
    description: Annotated[str | None, typer.Option(help="One sentence for whoever chooses a model.")] = None,
    smallest_px: Annotated[
        int | None, typer.Option(min=0, help="Readings with fewer pixels of the grid are empty; 0 keeps all.")
    ] = None,
    mean_with: Annotated[
        list[Path] | None, typer.Option(help="More runs from the same beginning; the mean of all weights is written.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Keep 32 bits a weight, also where 16 lose nothing.")] = False,
    best: Annotated[
        bool | None,
        typer.Option("--best/--last", help="Weights of the best validation GED, or the last; default as configured."),
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="HDF5 files on which 16 bits are tried; default rendered slices.")
    ] = None,
    split: Annotated[str, typer.Option(help="Group of these files.")] = "val",
    figures: Annotated[Path | None, typer.Option(help="JSON of `evaluate` on this model, for the card.")] = None,
    about_data: Annotated[str | None, typer.Option(help="Whose data, licence and citation, for the card.")] = None,
    hub: Annotated[str | None, typer.Option(help="OWNER/NAME: upload both to the Hugging Face hub.")] = None,
) -> None:
    """Write the model of a run as the file that ships, with a card that says what it is."""
    from trainer.exporting.export import Request, export

    request = Request(
        source=source,
        target=out,
        name=name,
        description=description,
        smallest_px=smallest_px,
        mean_with=tuple(mean_with or ()),
        half=not full,
        best=best,
        data=tuple(data or ()),
        split=split,
        figures=figures,
        about_data=about_data,
        hub=hub,
    )
    typer.echo("\n".join(export(request)))


def _list_recipes() -> None:
    from trainer.recipes import RECIPES, SCALES

    for name, recipe in RECIPES.items():
        typer.echo(f"{name:36} {recipe.about}")
    typer.echo(f"\nNAME@SCALE is a recipe at a smaller scale: {', '.join(SCALES)}")


def _fresh(
    recipe: str | None, overrides: dict[str, object], *, data: list[str] | None, split: str | None
) -> "tuple[FitConfig, DataSource]":
    from trainer.config import DataSource, read_config, with_overrides
    from trainer.recipes import named_recipe

    if recipe is None:
        raise SettingsError(
            "no recipe was given; name one before the options, e.g. `fit tiny --data phantom` (`fit --list` shows all)"
        )
    config = read_config(Path(recipe)) if recipe.endswith(".json") else named_recipe(recipe)
    return with_overrides(config, overrides), DataSource(names=tuple(data or ()), split=split or "train")


def _resumed(
    folder: Path, recipe: str | None, overrides: dict[str, object], *, data: list[str] | None, split: str | None
) -> "tuple[FitConfig, DataSource]":
    """What a run was started with. Its data may have moved, but not changed: the split must be the same."""
    from trainer.config import DataSource, FitConfig, changed_for_resume
    from trainer.state import read_state

    saved = read_state(folder).config
    config, source = FitConfig.model_validate(saved["fit"]), DataSource.model_validate(saved["data"])
    if recipe is not None and recipe != config.recipe:
        raise SettingsError(f"{folder} is a run of {config.recipe!r}, not of {recipe!r}; leave the recipe out")
    if split is not None and split != source.split:
        raise SettingsError(f"{folder} trains on the split {source.split!r}, not on {split!r}; leave --split out")
    moved = source if data is None else DataSource(names=tuple(data), split=source.split)
    return changed_for_resume(config, overrides), moved


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = spread(sys.argv[1:] if argv is None else argv, SEVERAL_VALUES)
    return exit_codes.run(app, words, prog_name="python -m trainer")


def _leave(code: int) -> NoReturn:
    """End the process with ``code``.

    Where several processes work together, the interpreter's own end is skipped: once in dozens of times a thread of
    torch's, which it cannot wait for, aborts the process there ("terminate called without an active exception"). All
    is written and said by then, but the exit code would be that of a failure.
    """
    if "trainer.launch" in sys.modules or "RANK" in os.environ:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    stop_with_starter()
    _leave(main())
