"""``--devices N``: the command that was typed, in N processes on this machine under torch's elastic agent.

The agent gives every process its environment, notices when one dies, and ends the others. It is the one that torchrun
runs, which starts the same command on several machines (see the guide). Here it is asked for no restarts: a run that
lost a process ends with a saved state, and whoever started it decides whether to go on.
"""

import logging
import os
import signal
import sys
import tempfile
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import cast

import typer
from torch.distributed.elastic.agent.server.api import RunResult, WorkerSpec
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
from torch.distributed.elastic.rendezvous import RendezvousParameters
from torch.distributed.elastic.rendezvous.registry import get_rendezvous_handler

from napari_ambiseg.errors import ComputeError
from napari_ambiseg.exit_codes import INTERRUPTED, REFUSED
from trainer.data.batches import Shard
from trainer.distributed import GO_ON, check_devices

GRACE_S = 90
"""How long the others may take to end after one has died; a lost card is noticed within a minute."""


def launch(words: Sequence[str], devices: int, *, device: str, batch_size: int | None = None) -> int:
    """Run ``python -m trainer WORDS`` in several processes.

    Args:
        words: The command line.
        devices: Number of processes.
        device: Name of the device, as it was given.
        batch_size: Of the batches that the processes share, if they do.

    Returns:
        The exit code: 0, or that of an error which is told already.

    Raises:
        SettingsError: If the machine or the batch cannot be shared by so many.
        ComputeError: If a process was killed.
    """
    check_devices(devices, device)
    if batch_size is not None:
        Shard(0, devices).examples(batch_size)
    cores = os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // devices)))  # or each would use them all
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    logging.disable(logging.ERROR)  # the agent's own words about ends that are told in one line
    try:
        with tempfile.TemporaryDirectory(prefix="ambiseg-") as folder:
            agent = _agent(words, devices, folder)
            with _passing_on_signals(agent) as received:
                result = cast(RunResult, agent.run())
    finally:
        logging.disable(logging.NOTSET)
    return _exit_code(result, interrupted=bool(received))


def _agent(words: Sequence[str], devices: int, folder: str) -> LocalElasticAgent:
    """An agent of its own rendezvous: no other machine can join."""
    meeting = RendezvousParameters(
        backend="c10d",
        endpoint="localhost:0",
        run_id=uuid.uuid4().hex,
        min_nodes=1,
        max_nodes=1,
        local_addr="localhost",
    )
    spec = WorkerSpec(
        role="trainer",
        local_world_size=devices,
        rdzv_handler=get_rendezvous_handler(meeting),
        entrypoint=sys.executable,
        args=("-m", "trainer", *words),
        max_restarts=0,
    )
    return LocalElasticAgent(spec, DefaultLogsSpecs(log_dir=folder), shutdown_timeout=GRACE_S)


@contextmanager
def _passing_on_signals(agent: LocalElasticAgent) -> Generator[list[int]]:
    """Ctrl-C and SIGTERM go to the processes as SIGTERM, on which they save and end, however long that takes.

    The agent's own way with signals would kill whoever is still saving after a while, and lose the exit codes. SIGINT
    would have a process that is only starting leave a traceback.
    """
    received: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        received.append(number)
        for worker in agent.get_worker_group().workers:
            if worker.id is not None:
                try:
                    os.kill(worker.id, signal.SIGTERM)
                except ProcessLookupError:
                    continue

    os.environ["TORCHELASTIC_SIGNALS_TO_HANDLE"] = "SIGQUIT"
    previous = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _exit_code(result: RunResult, *, interrupted: bool) -> int:
    failures: dict[int, ProcessFailure] = result.failures
    codes = [failure.exitcode for failure in failures.values()]
    if not failures:
        return 0
    if bugs := [code for code in codes if code > 0 and code != REFUSED]:
        return bugs[0]  # each with its traceback
    if 0 in failures and failures[0].exitcode == REFUSED:
        return REFUSED  # process 0 has said why
    if interrupted:
        typer.echo("stopped", err=True)  # before there was anything to save
        return INTERRUPTED
    typer.echo(err=True)  # a progress bar may be under way
    raise ComputeError(_death(failures))


def _death(failures: dict[int, ProcessFailure]) -> str:
    """What ended the processes, if process 0 could not say it."""
    for failure in failures.values():
        told: object = failure.message  # typed as text by torch, but a record where the process wrote one
        if isinstance(told, dict):
            return str(cast("dict[str, object]", told)["message"])
    rank, first = next(iter(failures.items()))  # in the order in which they were noticed
    return f"process {rank} was ended by {first.signal_name()}, perhaps for lack of memory; {GO_ON}"
