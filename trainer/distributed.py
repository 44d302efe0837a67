"""Processes that train one model together: torch's DistributedDataParallel under torchrun, as a ``Group``.

With N processes each computes B / N examples of every batch of B. Its loss is a mean over those, so the mean of the
N gradients, which DistributedDataParallel leaves everywhere, is the gradient of the whole batch's mean loss:

    1/N sum_r grad [N/B sum_{i in r} l_i] = grad [1/B sum_i l_i]

What is drawn for an example depends on the step and the example's number alone (``trainer.data``), so that a run is the
same run, but for rounding, with any N, and may go on with another N.

There are two sets of connections. Gradients go between cards by NCCL and between CPUs by gloo; whoever does not answer
for a minute is given up. All else (losses, rows, whether to stop) is little, goes by gloo, and is patient: the others
wait there while one reads data from a cold disk, validates a slow slice or writes files.
"""

import json
import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
import typer
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from napari_ambiseg.devices import resolve_device
from napari_ambiseg.errors import AmbisegError, SettingsError
from napari_ambiseg.exit_codes import REFUSED, told
from trainer.batch_norm import synchronise
from trainer.group import ALONE, Group

T = TypeVar("T")

STEP_TIMEOUT = timedelta(seconds=60)
"""After which a process that sends no gradients is given up."""
PATIENCE = timedelta(minutes=30)
"""After which a process that does anything else is given up."""
GO_ON = "what was saved before is good: go on with `fit --resume`, or with the same `evaluate`"
LINGER = timedelta(seconds=5)
"""How long a process that must stop waits for process 0 to say why."""


def is_worker() -> bool:
    """Whether torchrun, or ``--devices``, started this process as one of several."""
    return dist.is_torchelastic_launched()


def is_restarted() -> bool:
    """Whether torchrun (``--max-restarts``) started the processes again after one of them was lost."""
    return is_worker() and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def must_launch(devices: int | None) -> bool:
    """Whether this process has to start ``devices`` others, rather than to work itself."""
    return not is_worker() and (devices or 1) > 1


def check_devices(count: int, name: str) -> None:
    """Whether a machine can run ``count`` processes on the device called ``name``.

    Raises:
        SettingsError: If there are fewer cards than processes, or the device can only be one.
    """
    cards = torch.cuda.device_count()
    if name == "cpu" or (name == "auto" and cards == 0) or count == 1:
        return
    if name not in {"auto", "cuda"}:
        raise SettingsError(f"{count} processes cannot share the device {name!r}; give --device cuda, cpu or auto")
    if count > cards:
        fewer = f"--devices {cards}" if cards else "--device cpu"
        raise SettingsError(f"{count} processes need a card each and this machine has {cards}; give {fewer}")


class Processes:
    """The group that torchrun's environment describes; see ``Group``.

    Args:
        store: Where the processes meet.
        index: Which of them this one is.
        count: How many they are.
        device: What this one computes on.
    """

    def __init__(self, store: Store, index: int, count: int, device: torch.device) -> None:
        self.index, self.count, self._device = index, count, device
        self._parent = os.getppid()
        on_card = device.type == "cuda"
        dist.init_process_group(
            "nccl" if on_card else "gloo",
            store=store,
            rank=index,
            world_size=count,
            timeout=STEP_TIMEOUT,
            device_id=device if on_card else None,
        )
        self._talk = dist.new_group(backend="gloo", timeout=PATIENCE)

    def wrap(self, objective: nn.Module) -> nn.Module:
        """The objective with process 0's weights, batch norm over the group, and gradients that are means over it."""
        synchronise(objective)
        cards = [self._device] if self._device.type == "cuda" else None
        return DistributedDataParallel(objective, device_ids=cards)

    def mean(self, value: Tensor) -> Tensor:
        """Mean of everybody's ``value``, summed in 64 bits."""
        total = value.detach().to("cpu", torch.float64, copy=True)
        dist.all_reduce(total, group=self._talk)
        return (total / self.count).to(value)

    def gather(self, value: T) -> list[T]:
        """Everybody's ``value`` in the order of ``index``."""
        values: list[T | None] = [None] * self.count
        dist.all_gather_object(values, value, group=self._talk)
        return values  # pyright: ignore[reportReturnType] - every place is filled

    def agree(self, flag: bool) -> bool:
        """Whether anybody's ``flag`` is true, or anybody's launcher is gone (then nobody could stop the run)."""
        orphaned = os.getppid() != self._parent
        answer = torch.tensor(flag or orphaned, dtype=torch.uint8)
        dist.all_reduce(answer, dist.ReduceOp.MAX, group=self._talk)
        return bool(answer)


@contextmanager
def joined(device: str, devices: int | None = None) -> Generator[tuple[Group, torch.device]]:
    """Be one of the processes of a run, if torchrun says so; alone otherwise.

    An error of the user, wherever it is met, is told by process 0 in one line, and every process ends with exit code 2.
    So does the rest of the group where one process was killed.

    Args:
        device: "auto", "cpu", "cuda", ...
        devices: Number of processes on this machine, if it was given.

    Yields:
        The group, and the device of this process.
    """
    if not is_worker():
        yield ALONE, resolve_device(device)
        return
    index, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    store = _meet(index, count)
    try:
        own = _own_device(device, devices)
        yield Processes(store, index, count, own), own
    except AmbisegError as error:
        _let_finish()
        _record(str(error))
        _refuse(store, index, str(error))
        raise typer.Exit(REFUSED) from None
    except typer.Exit:
        _let_finish()
        raise
    except RuntimeError as error:
        if not _lost_another(error):
            raise
        _let_finish()
        if index == 0:
            _say(_reason(store))
        raise typer.Exit(REFUSED) from None
    else:
        dist.destroy_process_group()


@contextmanager
def together(group: Group) -> Generator[None]:
    """Work after which all processes of a group go on, or none: the first error of the user is raised everywhere.

    Raises:
        AmbisegError: If it was raised in any process.
    """
    problem: AmbisegError | None = None
    try:
        yield
    except AmbisegError as error:
        problem = error
    for found in group.gather(problem):
        if found is not None:
            raise found


def _meet(index: int, count: int) -> Store:
    """The store of this attempt, when all have come; on a cold shared disk Python alone may take a minute to start."""
    base, *_ = next(rendezvous("env://", timeout=PATIENCE))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = PrefixStore(f"attempt {attempt}", base)  # what a lost attempt left there must not be found
    store.set(f"here {index}", "")
    store.wait([f"here {other}" for other in range(count)], PATIENCE)
    return store


def _own_device(name: str, devices: int | None) -> torch.device:
    """The card of this process on its machine, or the CPU."""
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    if devices not in {None, local}:
        raise SettingsError(f"torchrun has started {local} processes here, not {devices}; leave --devices out")
    check_devices(local, name)
    if name == "auto" and not torch.cuda.is_available():
        name = "cpu"
    if name not in {"auto", "cuda"}:
        return resolve_device(name)
    device = resolve_device(f"cuda:{os.environ['LOCAL_RANK']}")
    torch.cuda.set_device(device)
    return device


def _let_finish() -> None:
    """Ignore SIGTERM, which the launcher sends when another process ends first: it would cut a sentence short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _record(reason: str) -> None:
    """Leave an error of the user where torch's launcher looks for it, should process 0 be unable to tell it."""
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        details = {"py_callstack": reason, "timestamp": str(int(time.time()))}
        Path(path).write_text(json.dumps({"message": {"message": reason, "extraInfo": details}}))


def _refuse(store: Store, index: int, reason: str) -> None:
    """Let process 0 say why, and wait until it has: the launcher ends all when the first one ends."""
    try:
        if index == 0:
            _say(reason)
            store.set("told", "")
        else:
            store.set("reason", reason)
            store.wait(["told"], LINGER)
    except RuntimeError:  # the store's host, or process 0, is gone
        return


def _reason(store: Store) -> str:
    """Why another process is gone, for process 0 to say."""
    try:
        if store.check(["reason"]):
            reason = store.get("reason").decode()
            store.set("told", "")
            return reason
    except RuntimeError:
        pass
    return f"another process of this run has ended, perhaps for lack of memory; {GO_ON}"


def _say(reason: str) -> None:
    typer.echo(told(reason), err=True)


def _lost_another(error: RuntimeError) -> bool:
    """Whether a connection failed: gloo and NCCL raise plain errors from inside of ``backward``."""
    words = ("gloo", "NCCL", "Connection closed", "Connection reset", "Socket Timeout")
    return isinstance(error, dist.DistError) or any(word in str(error) for word in words)
