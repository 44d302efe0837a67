"""``python -m trainer evaluate``: judge models against the experts, slice by slice; see ``trainer.evaluation``.

Only typer is imported here, so that the command line answers ``--help`` at once; the rest comes when the command runs.
"""

from pathlib import Path
from typing import Annotated

import typer

from napari_ambiseg.exit_codes import INTERRUPTED


def evaluate_command(
    context: typer.Context,
    weights: Annotated[
        list[str],
        typer.Argument(help="Model files, folders of runs, or names of bundled models; the first is compared with."),
    ],
    data: Annotated[list[str], typer.Option(help="HDF5 files, or `phantom` (`phantom:N`) for rendered slices.")],
    split: Annotated[str, typer.Option(help="Group of the HDF5 files.")] = "val",
    readings: Annotated[list[int], typer.Option(help="Numbers of readings to judge.")] = [4, 16],  # noqa: B006
    steps: Annotated[int, typer.Option(help="Denoiser calls per reading.")] = 10,
    sampler: Annotated[str, typer.Option(help="ddim, ddpm, ddpm-large, dpm++2m or sde-dpm++2m.")] = "ddim",
    eta: Annotated[float, typer.Option(help="Stochasticity of ddim and dpm++2m, 0 to 1.")] = 0.0,
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
    threshold: Annotated[float, typer.Option(help="Relative area of the post-processing (pp), 0 to 1.")] = 0.5,
    crop: Annotated[
        str | None,
        typer.Option(help="whole, central, or uniform: a seeded place, the default for models trained so."),
    ] = None,
    crop_px: Annotated[int | None, typer.Option(help="Side of the crop; default: what the model reads.")] = None,
    limit: Annotated[int | None, typer.Option(help="Take this many slices, evenly spaced from a seeded start.")] = None,
    held_out: Annotated[
        bool,
        typer.Option("--held-out", help="Only patients that the models' training kept out of --data and --split."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of readings, subset, crops and intervals.")] = 0,
    antithetic: Annotated[
        bool, typer.Option("--antithetic", help="Draw readings in pairs of opposite noise, not independently.")
    ] = False,
    sweep_steps: Annotated[
        list[int], typer.Option(help="Judge diffusion models at these numbers of steps too, e.g. 2 3 4 5 10 20 50.")
    ] = [],  # noqa: B006
    sweep_samplers: Annotated[list[str], typer.Option(help="Samplers of that sweep.")] = ["ddim", "ddpm"],  # noqa: B006
    json_: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the figures as CSV, a line for each.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write a report in Markdown.")] = None,
    per_slice: Annotated[
        Path | None, typer.Option(help="Keep rows as JSON lines and go on from them: a file; of several runs a folder.")
    ] = None,
    per_slice_csv: Annotated[Path | None, typer.Option(help="Write the figures of every slice as CSV.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for curves and pages of samples, PNG and SVG.")] = None,
    page_slices: Annotated[int, typer.Option(min=1, help="Slices on a page of samples.")] = 6,
    references: Annotated[
        bool, typer.Option("--references", help="Judge simple readers on the same slices too.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    devices: Annotated[int | None, typer.Option(min=1, help="Processes that share the slices, one a card.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of one process.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of one thread each that share the slices.")] = 1,
) -> None:
    """Judge models: GED, Dice, calibration, ... against the experts, with 95 % intervals from resampling patients."""
    import torch

    from napari_ambiseg.models.segmenter import SamplingOptions
    from trainer.distributed import joined, must_launch
    from trainer.evaluation.output import Outputs
    from trainer.evaluation.report import table
    from trainer.evaluation.run import Interrupted
    from trainer.evaluation.session import Request, carry_out

    outputs = Outputs(json_, csv, markdown, per_slice_csv, plots, page_slices)
    outputs.check()  # now, not after hours of work
    if must_launch(devices):
        from trainer.launch import launch

        raise typer.Exit(launch(context.obj, devices or 1, device=device))
    if threads:
        torch.set_num_threads(threads)
    with joined(device, devices) as (group, own):
        request = Request(
            weights=tuple(weights),
            data=tuple(data),
            split=split,
            readings=tuple(readings),
            options=SamplingOptions(
                steps=steps,
                sampler=sampler,
                eta=eta,
                guidance=guidance,
                last_time=last_time,
                smallest_px=smallest_px,
            ),
            threshold=threshold,
            limit=limit,
            seed=seed,
            antithetic=antithetic,
            held_out=held_out,
            crop=crop,
            crop_px=crop_px,
            references=references,
            sweep_steps=tuple(sweep_steps),
            sweep_samplers=tuple(sweep_samplers),
            keep=per_slice,
            device=str(own),
            workers=workers,
        )
        first = group.index == 0
        try:
            outcome = carry_out(request, group)
        except Interrupted as stop:
            if first:
                typer.echo(f"\n{stop}", err=True)
            raise typer.Exit(INTERRUPTED) from None
        if first:
            outputs.write(outcome)
            typer.echo(table(outcome))
