"""Does what is missing of a study: fits and judges its cells, each in a process of its own."""

from dataclasses import dataclass
from pathlib import Path

import torch

from napari_ambiseg.errors import CheckpointError
from napari_ambiseg.files import write_atomically
from napari_ambiseg.models.checkpoint import read_header
from trainer.ablation.child import trainer
from trainer.ablation.finished import finish, finished, weights_of
from trainer.ablation.folder import StudyRecord, held, rows_file, run_folder
from trainer.ablation.study import Cell
from trainer.config import FitConfig
from trainer.data.sources import is_phantom
from trainer.evaluation.tables import command_words
from trainer.run_folder import MODEL_FILE, is_training
from trainer.state import has_state, read_state

DONE, BUSY = "done", "another process is at it"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the runs compute.

    Attributes:
        device: As ``fit`` takes it.
        devices: Processes that share each batch; None is one.
        threads: CPU threads of a process; None leaves it to torch.
    """

    device: str = "auto"
    devices: int | None = None
    threads: int | None = None

    def words(self) -> list[str]:
        """What ``fit`` and ``evaluate`` both take."""
        return ["--device", self.device, *(["--threads", str(self.threads)] if self.threads else [])]


def work(folder: Path, record: StudyRecord, machine: Machine) -> dict[str, str]:
    """Fit and judge every cell that nobody else is at, those that wait for others' last.

    Returns:
        Name of a cell -> DONE, BUSY, or what went wrong.

    Raises:
        Stopped: After Ctrl-C or SIGTERM; what was under way is saved.
    """
    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    outcomes: dict[str, str] = {}
    for cell in (*record.cells, *record.cells):  # a second time, for those that others held
        if outcomes.get(cell.name, BUSY) == BUSY:
            run = run_folder(folder, cell)
            with held(run) as mine:
                outcomes[cell.name] = _do(folder, record, cell, machine) if mine else BUSY
    return outcomes


def _do(folder: Path, record: StudyRecord, cell: Cell, machine: Machine) -> str:
    if finished(folder, cell):
        return DONE
    run = run_folder(folder, cell)
    if not is_fitted(run, cell.config):
        if is_training(run):  # left behind by a study that was killed: it saves and ends
            return BUSY
        if code := trainer(_fit_words(run, record, cell, machine)):
            return f"fit ended with exit code {code}"
        if not is_fitted(run, cell.config):
            return "fit ended before its last step"
    if code := trainer(_evaluate_words(folder, record, cell, machine)):
        return f"evaluate ended with exit code {code}"
    finish(folder, record, cell)
    return DONE


def work_together(folder: Path, record: StudyRecord, machine: Machine, workers: int) -> dict[str, str]:
    """The same by several processes, then by this one for what they left.

    Raises:
        Stopped: As ``work``.
    """
    share = [] if machine.devices is None else ["--devices", str(machine.devices)]
    trainer(["ablate", "--resume", str(folder), *machine.words(), *share], processes=workers)
    return work(folder, record, machine)


def is_fitted(run: Path, config: FitConfig) -> bool:
    """Whether a run has done all its steps, and the judgement after the last of them if it judges itself."""
    try:
        if int(read_header(run / MODEL_FILE).training["step"]) < config.steps:
            return False
        return not (config.validation.every and has_state(run)) or read_state(run).judged >= config.steps
    except (CheckpointError, KeyError):
        return False


def _fit_words(run: Path, record: StudyRecord, cell: Cell, machine: Machine) -> list[str]:
    share = [] if machine.devices is None else ["--devices", str(machine.devices)]
    data = ["--data", *record.training.names]
    if apart := [name for name in record.judging.data if not is_phantom(name) and name not in record.training.names]:
        data += ["--apart", *apart]
    if has_state(run):
        return ["fit", "--resume", str(run), *data, *machine.words(), *share]
    config = run / "cell.json"
    write_atomically(config, (cell.config.model_dump_json(indent=2) + "\n").encode())
    start = ["fit", str(config), "--out", str(run), "--split", record.training.split]
    return [*start, *data, *machine.words(), *share]


def _evaluate_words(folder: Path, record: StudyRecord, cell: Cell, machine: Machine) -> list[str]:
    rows = rows_file(folder, cell)
    request = record.judging.request(cell, str(weights_of(folder, cell)), keep=rows)
    return [*command_words(request), "--per-slice", str(rows), *machine.words()]
