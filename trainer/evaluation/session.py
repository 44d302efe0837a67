"""One evaluation from end to end: several models and references on the same slices and seeds, and sweeps of each model.

A sweep judges a model once for every sampler and number of steps. Each of these, as each model, has a protocol of its
own and keeps rows of its own, so that whatever was stopped goes on where it was.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import napari_ambiseg
from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.segmenter import STEPPED, SamplingOptions
from trainer.data.holdout import Holdout
from trainer.evaluation.bootstrap import Difference
from trainer.evaluation.candidates import Candidate, agreed_holdout, choose_crop, describe
from trainer.evaluation.data import EvaluationData, read_data
from trainer.evaluation.metrics import Judged
from trainer.evaluation.protocol import Crop, Protocol
from trainer.evaluation.rows import Row
from trainer.evaluation.run import evaluate, evaluate_references
from trainer.evaluation.summary import Slices, Summary, compare, slices_of, summarise
from trainer.group import ALONE, Group


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        weights: Paths of model files, or names of bundled models; the others are compared with the first.
        data: Data files, or ``phantom``.
        split: Group of the files.
        readings: Numbers N of readings.
        options: How to sample.
        threshold: The relative area r of the post-processing.
        limit: Number of slices; None takes all.
        seed: Of readings, subset, crops and intervals.
        antithetic: See ``Protocol``.
        held_out: Whether to take only the patients that the models' training kept out of these data.
        crop: See ``candidates.choose_crop``.
        crop_px: See there.
        references: Whether to judge simple readers too.
        sweep_steps: Numbers of steps to sweep over; empty sweeps over nothing.
        sweep_samplers: Samplers to sweep over.
        keep: File of rows, or a folder with a file for every model, sampler and number of steps; None keeps none.
        device: "auto", or a name of torch's.
        workers: Number of processes.
    """

    weights: tuple[str, ...]
    data: tuple[str, ...]
    split: str = "val"
    readings: tuple[int, ...] = (4, 16)
    options: SamplingOptions = SamplingOptions(steps=10, sampler="ddim")  # noqa: RUF009 (frozen)
    threshold: float = 0.5
    limit: int | None = None
    seed: int = 0
    antithetic: bool = False
    held_out: bool = False
    crop: str | None = None
    crop_px: int | None = None
    references: bool = False
    sweep_steps: tuple[int, ...] = ()
    sweep_samplers: tuple[str, ...] = ("ddim", "ddpm")
    keep: Path | None = None
    device: str = "auto"
    workers: int = 1

    @property
    def keeps_folder(self) -> bool:
        """Whether rows are kept in a folder, because there are several files of them."""
        several = len(self.weights) > 1 or bool(self.sweep_steps)
        return self.keep is not None and (several or self.keep.is_dir())


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One model under one protocol.

    Attributes:
        candidate: The model.
        protocol: How it was judged.
        rows: Of every slice, in the order of the data.
        summary: Its figures.
    """

    candidate: Candidate
    protocol: Protocol
    rows: tuple[Row, ...]
    summary: Summary


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation found.

    Attributes:
        request: What was asked for.
        data: The slices.
        slices: Their patients, and the resamples of them.
        models: Every model, in the order in which they were given.
        differences: Label of every model but the first -> its figures less those of the first.
        references: Simple readers; empty if not asked for.
        sweep: Every model at every sampler and number of steps.
    """

    request: Request
    data: EvaluationData
    slices: Slices
    models: tuple[Evaluated, ...]
    differences: dict[str, dict[str, Difference]]
    references: dict[str, Summary]
    sweep: tuple[Evaluated, ...]


def carry_out(request: Request, group: Group = ALONE) -> Outcome:
    """Do what is asked for.

    Args:
        request: What that is.
        group: Processes that share the slices; each calls this with the same request but for the device.

    Raises:
        AmbisegError: If a model, a file or a setting is not valid, or rows cannot be kept.
        Interrupted: After Ctrl-C.
    """
    options = _swept_options(request)
    candidates = describe(request.weights)
    crop = choose_crop(candidates, request.crop, request.crop_px)
    holdout = agreed_holdout(candidates) if request.held_out else None
    data = read_data(request.data, request.split, limit=request.limit, seed=request.seed, holdout=holdout)
    protocols = [protocol_of(request, one, data, crop, holdout) for one in candidates]
    models = tuple(evaluated(request, *pair, data, group) for pair in zip(candidates, protocols, strict=True))
    slices = slices_of([row.patient for row in models[0].rows], protocols[0])
    first, *others = models
    found = evaluate_references(data, protocols[0], quiet=group.index > 0) if request.references else {}
    return Outcome(
        request=request,
        data=data,
        slices=slices,
        models=models,
        differences={one.candidate.label: compare(judged_of(first), judged_of(one), slices) for one in others},
        references={name: summarise(judged, slices) for name, judged in found.items()},
        sweep=tuple(
            evaluated(request, one.candidate, _stepped(one.protocol, at), data, group, known=one)
            for one in models
            if one.candidate.kind in STEPPED
            for at in options
        ),
    )


def _swept_options(request: Request) -> list[SamplingOptions]:
    """Every sampler at every number of steps; refused now if one is not valid."""
    if request.sweep_steps and not request.sweep_samplers:
        raise SettingsError("a sweep of steps needs at least one sampler; name some with --sweep-samplers")
    return [
        replace(request.options, steps=steps, sampler=sampler)
        for sampler in dict.fromkeys(request.sweep_samplers)
        for steps in sorted(set(request.sweep_steps))
    ]


def protocol_of(
    request: Request,
    one: Candidate,
    data: EvaluationData,
    crop: tuple[Crop, int | None],
    holdout: Holdout | None = None,
) -> Protocol:
    """How one of the models is judged."""
    return Protocol(
        model=one.label,
        model_sha256=one.sha256,
        data=tuple(source.description for source in data.sources),
        limit=request.limit,
        readings=tuple(sorted(set(request.readings))),
        steps=request.options.steps,
        sampler=request.options.sampler,
        eta=request.options.eta,
        threshold=request.threshold,
        seed=request.seed,
        version=napari_ambiseg.__version__,
        guidance=request.options.guidance,
        last_time=request.options.last_time,
        crop=crop[0],
        crop_px=crop[1],
        holdout=holdout,
        antithetic=request.antithetic,
        smallest_px=request.options.smallest_of(one.smallest_px),
    )


def _stepped(protocol: Protocol, options: SamplingOptions) -> Protocol:
    return replace(protocol, steps=options.steps, sampler=options.sampler)


def evaluated(
    request: Request,
    one: Candidate,
    protocol: Protocol,
    data: EvaluationData,
    group: Group = ALONE,
    *,
    known: Evaluated | None = None,
) -> Evaluated:
    """A model under a protocol, unless it is ``known`` already."""
    if known is not None and known.protocol == protocol:
        return known
    keep = request.keep
    if keep is not None and request.keeps_folder:
        keep = keep / f"{one.slug}.{protocol.sampler}-{protocol.steps}.jsonl"
    rows = evaluate(one.weights, data, protocol, keep=keep, device=request.device, workers=request.workers, group=group)
    slices = slices_of([row.patient for row in rows], protocol)
    return Evaluated(one, protocol, tuple(rows), summarise([row.judged for row in rows], slices))


def judged_of(one: Evaluated) -> list[Judged]:
    """The figures of every slice."""
    return [row.judged for row in one.rows]
