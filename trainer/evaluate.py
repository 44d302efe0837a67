"""``python -m trainer evaluate``: judge a model against the experts, slice by slice; see ``trainer.evaluation``.

Only typer is imported here, so that the command line answers ``--help`` at once; the rest comes when the command runs.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it."""


def evaluate_command(
    weights: Annotated[str, typer.Argument(help="Path of a model file, or name of a bundled model.")],
    data: Annotated[list[str], typer.Option(help="HDF5 files, or `phantom` (`phantom:N`) for rendered slices.")],
    split: Annotated[str, typer.Option(help="Group of the HDF5 files.")] = "val",
    readings: Annotated[list[int], typer.Option(help="Numbers of readings to judge.")] = [4, 16],  # noqa: B006
    steps: Annotated[int, typer.Option(help="Denoiser calls per reading.")] = 10,
    sampler: Annotated[str, typer.Option(help="ddim, ddpm or ddpm-large.")] = "ddim",
    eta: Annotated[float, typer.Option(help="Stochasticity of DDIM, 0 to 1.")] = 0.0,
    guidance: Annotated[float, typer.Option(help="Classifier-free guidance, if the model was trained for it.")] = 0.0,
    threshold: Annotated[float, typer.Option(help="Relative area of the post-processing (pp), 0 to 1.")] = 0.5,
    limit: Annotated[int | None, typer.Option(help="Take this many slices, evenly spaced from a seeded start.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of readings, subset and intervals.")] = 0,
    json_: Annotated[Path | None, typer.Option("--json", help="Write the figures as JSON.")] = None,
    per_slice: Annotated[Path | None, typer.Option(help="Keep rows here as JSON lines, and go on from them.")] = None,
    references: Annotated[
        bool, typer.Option("--references", help="Judge simple readers on the same slices too.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads of one process.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes of one thread each that share the slices.")] = 1,
) -> None:
    """Judge a model: GED, Dice and HM-IoU against the experts, with 95 % intervals from resampling patients."""
    import torch

    import napari_ambiseg
    from napari_ambiseg.io.output import check_target, write_output
    from napari_ambiseg.models.segmenter import SamplingOptions
    from trainer.evaluation.data import read_data
    from trainer.evaluation.protocol import Protocol
    from trainer.evaluation.report import as_json, summarise, table
    from trainer.evaluation.run import Interrupted, describe_model, evaluate, judge_references

    if threads:
        torch.set_num_threads(threads)
    if json_ is not None:
        check_target(json_)  # now, not after hours of work
    options = SamplingOptions(steps=steps, sampler=sampler, eta=eta, guidance=guidance)
    name, digest = describe_model(weights)
    chosen = read_data(data, split, limit=limit, seed=seed)
    protocol = Protocol(
        model=name,
        model_sha256=digest,
        data=tuple(source.description for source in chosen.sources),
        limit=limit,
        readings=tuple(sorted(set(readings))),
        steps=options.steps,
        sampler=options.sampler,
        eta=options.eta,
        threshold=threshold,
        seed=seed,
        version=napari_ambiseg.__version__,
        guidance=options.guidance,
    )
    try:
        rows = evaluate(weights, chosen, protocol, keep=per_slice, device=device, workers=workers)
    except Interrupted as stop:
        typer.echo(f"\n{stop}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    model = summarise([row.figures for row in rows], [row.patient for row in rows], protocol)
    others = judge_references(chosen, protocol) if references else {}
    if json_ is not None:
        result = as_json(model, rows, protocol, others)
        write_output(json_, (json.dumps(result, indent=2, allow_nan=False) + "\n").encode())
    typer.echo(table(model, rows, protocol, others))
