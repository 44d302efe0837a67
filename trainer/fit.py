"""``python -m trainer fit``: a recipe and data to a run folder (``trainer.run_folder`` says what is in it).

After each step come, where they are due and in this order: the judgement, the line of the log, the checkpoint. A state
on disk hence knows what was said of its step, and a run that goes on from it repeats nothing and leaves nothing out.
Several processes decide alike (``trainer.group``); the first of them writes.
"""

import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import torch

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import DataSource, FitConfig, RunDescription
from trainer.data.batches import BatchSource, Shard, split_by_patient
from trainer.data.holdout import Holdout
from trainer.data.sources import collection_digest
from trainer.fine_tuning import Start, begin_with
from trainer.group import ALONE, Group
from trainer.loop import Best, Run, StepRecord, start_run, train, validation_loss
from trainer.report import Reporter
from trainer.run_folder import BEST_FILE, RunFolder, nobody_else
from trainer.state import SavedState, has_state, keep_fallback, read_state, restore
from trainer.stopping import stop_requests
from trainer.validation import Validator

VALIDATION_BATCHES = 8


def fit(
    config: FitConfig,
    data: SliceCollection,
    out: Path,
    *,
    device: torch.device,
    source: DataSource,
    start: Start | None = None,
    group: Group = ALONE,
    stop: threading.Event | None = None,
) -> Run:
    """Train a model into ``out``, from scratch or from the weights of another.

    Args:
        config: The run.
        data: What it learns from, and is judged on.
        out: Its folder.
        device: Where it computes.
        source: Where ``data`` come from.
        start: The model to begin with; None begins with random weights.
        group: The processes that train together; each calls this with the same arguments.
        stop: Ends the run soon and well once it is set; SIGINT and SIGTERM set it while the run trains.

    Raises:
        SettingsError: If ``out`` holds a run that has begun, or cannot be written, or ``start`` does not fit, or is
            missing where the loss needs it.
        CheckpointError: If a checkpoint cannot be written; the one before it is whole.
        ComputeError: If the loss becomes infinite or NaN.
    """
    if has_state(out) and read_state(out).step > 0:
        raise SettingsError(f"{out} holds a run already; go on with `fit --resume {out}`, or give another folder")
    _require_start(config, start)
    digest = collection_digest(data)
    described = RunDescription(
        fit=config, data=source, data_sha256=digest, started_from=start.described if start else None
    )
    run = start_run(config, device)
    if start:
        begin_with(start, run, data_sha256=digest)
    return _drive(run, data, out, described, group, stop)


def resume(
    config: FitConfig,
    data: SliceCollection,
    out: Path,
    *,
    device: torch.device,
    source: DataSource,
    group: Group = ALONE,
    stop: threading.Event | None = None,
) -> Run:
    """Go on with the run in ``out``; on the CPU the result is bit for bit that of an uninterrupted run.

    A damaged state is not used: the run goes on from the one before it, and says so. Arguments as for ``fit``.

    Raises:
        SettingsError: If the run is further than ``config`` wants it, or ``data`` are not those it was started with.
        CheckpointError: If there is no run, its states are damaged, or they do not fit ``config``; or as ``fit``.
        ComputeError: If the loss becomes infinite or NaN.
    """
    saved = read_state(out)
    if saved.step > config.steps:
        raise SettingsError(
            f"{out} has done {saved.step} steps already, more than the {config.steps} asked for; give more"
        )
    described = RunDescription(
        fit=config,
        data=source,
        data_sha256=collection_digest(data),
        started_from=saved.config.get("started_from"),
    )
    if saved.config["data_sha256"] != described.data_sha256:
        raise SettingsError(f"these are not the slices that {out} was started with; give the same files with --data")
    run = start_run(config, device)
    restore(saved, run)
    everybody_has_read = group.agree(True)
    if saved.fallback and everybody_has_read and group.index == 0:
        keep_fallback(out)
    return _drive(run, data, out, described, group, stop, warning=_fell_back(saved))


def check_settings(
    config: FitConfig, data: SliceCollection, *, device: torch.device, start: Start | None = None
) -> None:
    """Refuse what a run would stumble over before its first step: all that it builds is built, and nothing is kept.

    Raises:
        AmbisegError: If a setting names what does not exist, or settings contradict each other or the data.
    """
    _require_start(config, start)
    run = start_run(config, device)
    if start:
        begin_with(start, run, data_sha256=collection_digest(data))
    _validator(split_by_patient(data, Holdout.of(config))[1], config)


def _require_start(config: FitConfig, start: Start | None) -> None:
    if config.energy is not None and start is None:
        raise SettingsError(
            "the energy loss teaches a model by what it draws, and a fresh one draws nothing; begin with a trained "
            "one, e.g. --start-from lidc-small-64"
        )


def _fell_back(saved: SavedState) -> str | None:
    if saved.fallback is None:
        return None
    return f"the latest state cannot be used ({saved.fallback}); going on from the one before it, step {saved.step}"


def _drive(
    run: Run,
    data: SliceCollection,
    out: Path,
    described: RunDescription,
    group: Group,
    stop: threading.Event | None,
    warning: str | None = None,
) -> Run:
    config = run.config
    seen = group.gather((run.step, described))
    if any(other != seen[0] for other in seen):
        raise SettingsError(
            f"the machines of this run find different slices, or different states in {out}; keep both on a disk that "
            "all of them see"
        )
    training, held_out = split_by_patient(data, Holdout.of(config))
    shard = Shard(group.index, group.count)
    source = BatchSource(training, config, shard=shard)
    validation = BatchSource(held_out, config, augment=False, shard=shard) if len(held_out) else None
    validator = _validator(held_out, config)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_requests(stop))
        folder = RunFolder(out, described, training)
        reporter = None
        if group.index == 0:
            stack.enter_context(nobody_else(out))
            folder.prepare(run.step)
            reporter = stack.enter_context(closing(Reporter(folder, run)))
            if warning:
                reporter.warn(warning)
        session = _Session(run, folder, group, stop, validation, validator, reporter)
        if session.begin():
            records = stack.enter_context(closing(train(run, source, group=group)))
            for record in records:
                if not session.after(record):
                    break
    return run


def _validator(held_out: SliceCollection, config: FitConfig) -> Validator | None:
    """What judges a run on the patients that it holds out, if it wants to be judged."""
    validator = Validator(held_out, config) if config.validation.every else None
    if config.result == "best" and validator is None:
        raise SettingsError("result is 'best', but the run is not judged; give validation.every, e.g. 1000")
    return validator


@dataclass(frozen=True, slots=True)
class _Session:
    """What is done around the steps.

    Attributes:
        validation: Batches of held-out slices; None if there are none.
        validator: Judges the run; None if it is not wanted.
        reporter: Tells what happens; None in all but the first process of the group.
    """

    run: Run
    folder: RunFolder
    group: Group
    stop: threading.Event
    validation: BatchSource | None
    validator: Validator | None
    reporter: Reporter | None

    def begin(self) -> bool:
        """Make sure that there is a state to go on from, and that its step was judged; whether to go on."""
        if self.run.step == 0:
            self._save()
        elif self._due() and self.run.judged != self.run.step:  # it was stopped during the judgement
            if (figures := self._judge()) is None:
                return self._stopped()
            if self.reporter:
                self.reporter.figures(self.run.step, figures)
            self._save()
        return not self.group.agree(self.stop.is_set()) or self._stopped()

    def after(self, record: StepRecord) -> bool:
        """What follows a step; whether to go on."""
        config, figures = self.run.config, dict[str, float]()
        stopping = self.group.agree(self.stop.is_set())
        if not stopping and self._due():
            judged = self._judge()
            stopping, figures = judged is None, judged or {}
        saving = stopping or record.step == config.steps or record.step % config.checkpoint_steps == 0
        if saving and self.validation:
            loss = validation_loss(self.run, self.validation, VALIDATION_BATCHES, group=self.group)
            figures["validation_loss"] = loss
        if self.reporter:
            self.reporter.step(record, figures, log=bool(figures) or saving or record.step % config.log_steps == 0)
        if saving:
            self._save()
        if figures or saving:
            # The others wait here, patiently, until the first has written: with gradients they wait for a minute only.
            self.group.agree(False)
        return not stopping or self._stopped()

    def _due(self) -> bool:
        return self.validator is not None and self.validator.due(self.run.step)

    def _judge(self) -> dict[str, float] | None:
        """Figures of the judgement, which may be the best so far; None if it was cut short."""
        assert self.validator is not None
        judgement = self.validator.judge(self.run, self.group, self.stop)
        if judgement is None:
            return None
        run = self.run
        run.judged = run.step
        if run.best is None or judgement.ged < run.best.ged:
            run.best = Best(run.step, judgement.ged)
            if self.reporter:
                self.folder.save_model(run, BEST_FILE)
        if self.reporter:
            self.reporter.picture(run.step, judgement)
        return judgement.figures()

    def _save(self) -> None:
        if self.reporter:
            self.folder.save(self.run)

    def _stopped(self) -> bool:
        if self.reporter:
            self.reporter.stopped(self.run)
        return False
