"""The command line: ``python -m napari_ambiseg``.

With files, or with nothing, it opens the viewer; ``sample`` and ``compare`` need no screen. The user's errors end in
one line and exit code 2; anything else that is raised is a bug and keeps its traceback.

Here are only the words; ``commands`` does the work. It is imported where it is needed, because it brings torch, which
takes seconds, and ``--help`` should not.
"""

import gc
import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_ambiseg import exit_codes
from napari_ambiseg.errors import DataFileError, SettingsError

if TYPE_CHECKING:
    from napari_ambiseg.commands import Report

COMMANDS = ("view", "sample", "compare")

app = typer.Typer(
    help="Sampled readings of a lesion beside the experts' own. Without a command, or with FILES in its place, "
    "the viewer opens. For research, not for diagnosis.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Threshold = Annotated[float, typer.Option(help="Relative area below which a reading is emptied, 0 to 1.")]
Spacing = Annotated[str | None, typer.Option(help="Pixel size in mm, SIZE or HEIGHT,WIDTH, if the file has none.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("view")
def view_command(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILES]", help="What to open; without, the bundled sample.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Sample once, save what is shown to this folder, quit.")] = None,
) -> int:
    """Open the viewer on FILES; the word `view` may be left out."""
    for path in files or []:
        if not os.path.exists(path):  # unlike the method, it does not raise on a name that is too long
            raise DataFileError(f"there is no file {path} (nor a command; commands are {', '.join(COMMANDS)})")
    if save is not None:
        from napari_ambiseg.io.output import check_folder

        check_folder(save)
    if find_spec("napari") is None:
        raise SettingsError('the viewer needs napari, which is not installed; run `pip install "napari-ambiseg[all]"`')
    gc.disable()  # what is imported and opened stays; the viewer collects garbage once it is there
    try:
        from napari_ambiseg.viewer.app import main as open_viewer

        return open_viewer(files or [], save_to=save)
    finally:
        gc.enable()


@app.command("sample")
def sample_command(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="LIDC slices (HDF5), a picture (NPY, NPZ, PNG, TIFF), or `phantom`.")
    ],
    index: Annotated[int, typer.Option(help="Slice in an HDF5 file, or of the phantom.")] = 0,
    split: Annotated[
        str | None, typer.Option(help="Group in the HDF5 file; else its only one, val, test, train.")
    ] = None,
    readings: Annotated[int, typer.Option(help="Readings to draw; 4 are the first 4 of 16.")] = 16,
    steps: Annotated[int, typer.Option(help="Denoising steps of each reading.")] = 6,
    sampler: Annotated[str, typer.Option(help="ddim, ddpm, ddpm-large, dpm++2m or sde-dpm++2m.")] = "dpm++2m",
    eta: Annotated[float, typer.Option(help="Randomness of ddim and dpm++2m, 0 to 1.")] = 0.0,
    guidance: Annotated[float, typer.Option(help="Classifier-free guidance, if the model was trained for it.")] = 0.0,
    last_time: Annotated[
        float | None,
        typer.Option(help="Time of the last estimate; default: at most 0.05 with dpm++2m, else 1 / steps."),
    ] = None,
    smallest_px: Annotated[
        int | None,
        typer.Option(
            help="Readings with fewer pixels of the model's grid are empty; 0 keeps all. Default: the model's."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed draws the same readings.")] = 0,
    antithetic: Annotated[
        bool, typer.Option("--antithetic", help="Draw readings in pairs of opposite noise, not independently.")
    ] = False,
    threshold: Threshold = 0.1,
    model: Annotated[str | None, typer.Option(help="Name of a bundled model, or a .safetensors file.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    engine: Annotated[str, typer.Option(help="What computes: auto, torch, onnx, onnx-int8 or cuda-graphs.")] = "auto",
    chunk: Annotated[int | None, typer.Option(help="Readings drawn together at most; changes no reading.")] = None,
    spacing: Spacing = None,
    grey: Annotated[
        str | None, typer.Option(help="Grey scale of a picture: auto (as without), hu, unit, normalised, percentiles.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Save `readings` and `experts` as NPZ.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw readings of one slice and compare them with its experts', if it has any."""
    from napari_ambiseg import commands
    from napari_ambiseg.engine import DEFAULT_MODEL, SamplingOptions

    how = commands.SampleChoice(
        model=DEFAULT_MODEL if model is None else model,
        readings=readings,
        options=SamplingOptions(
            steps=steps, sampler=sampler, eta=eta, guidance=guidance, last_time=last_time, smallest_px=smallest_px
        ),
        seed=seed,
        antithetic=antithetic,
        threshold=threshold,
        device=device,
        engine=engine,
        chunk=chunk,
    )
    which = commands.SliceChoice(file, index=index, split=split, spacing=spacing, grey=grey)
    _print(commands.sample(which, how, out=out), as_json=as_json)


@app.command("compare")
def compare_command(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="NPZ file with `readings` and `experts`, as `sample --out` saves it.")
    ],
    threshold: Threshold = 0.0,
    spacing: Spacing = None,
    csv: Annotated[Path | None, typer.Option(help="Save every reading against every expert as CSV.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare saved readings with the experts'."""
    from napari_ambiseg import commands

    _print(commands.compare_saved(file, threshold=threshold, spacing=spacing, csv=csv), as_json=as_json)


def routed(words: Sequence[str]) -> list[str]:
    """The words with the command that they leave out: files, options of the viewer or nothing mean `view`."""
    if words and (words[0] in COMMANDS or words[0] == "--help"):
        return list(words)
    return ["view", *words]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return exit_codes.run(app, routed(sys.argv[1:] if argv is None else argv), prog_name="python -m napari_ambiseg")


def _print(report: "Report", *, as_json: bool) -> None:
    from napari_ambiseg.commands import as_text

    typer.echo(json.dumps(report, allow_nan=False) if as_json else as_text(report))


if __name__ == "__main__":
    sys.exit(main())
