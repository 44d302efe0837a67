"""Readings of every chosen slice, judged: those of a model, with rows kept on the way, and those of the references."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from tqdm import tqdm

from trainer.evaluation.data import EvaluationData
from trainer.evaluation.metrics import Judged
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.reading import read_slices
from trainer.evaluation.references import REFERENCES, judge_references
from trainer.evaluation.rows import Row, RowFile, in_order
from trainer.group import ALONE, Group
from trainer.stopping import stop_requests


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a word about what is kept."""


def evaluate(
    weights: str,
    data: EvaluationData,
    protocol: Protocol,
    *,
    keep: Path | None,
    device: str,
    workers: int,
    positions: Sequence[int] | None = None,
    group: Group = ALONE,
) -> list[Row]:
    """Read and judge slices.

    Args:
        weights: Path of a model file, or name of a bundled model.
        data: The slices.
        protocol: How to read them.
        keep: File of rows; slices that it has are not read again.
        device: "auto", or a name of torch's.
        workers: Number of processes.
        positions: Which slices of ``data``, for one of several machines; None takes all. A row depends on its slice
            alone, so that the rows of all parts are those of the whole (``rows.in_order`` joins them).
        group: Processes that share these slices; each calls this with the same arguments. The first keeps the rows.

    Returns:
        One row per slice, in the order of ``positions``.

    Raises:
        AmbisegError: If a slice cannot be read or rows cannot be kept.
        Interrupted: After Ctrl-C.
    """
    mine = range(len(data)) if positions is None else positions
    ids = data.ids
    wanted = [ids[position] for position in mine]
    rows: dict[str, Row] = {}
    try:
        with RowFile(keep, protocol) if keep and group.index == 0 else nullcontext() as file:
            rows = group.gather(file.rows if file else {})[0]
            missing = [position for position, name in zip(mine, wanted, strict=True) if name not in rows]
            for row in _read(weights, data, protocol, missing, len(wanted), group, device=device, workers=workers):
                rows[row.id] = row
                if file:
                    file.append(row)
    except KeyboardInterrupt:
        done = sum(name in rows for name in wanted)
        where = f"they are in {keep}: the same command goes on" if keep else "none is kept without --per-slice"
        raise Interrupted(f"stopped after {done} of {len(wanted)} slices; {where}") from None
    return in_order(rows.values(), wanted)


def _read(
    weights: str,
    data: EvaluationData,
    protocol: Protocol,
    missing: Sequence[int],
    total: int,
    group: Group,
    *,
    device: str,
    workers: int,
) -> Iterator[Row]:
    """Rows of the ``missing`` slices, with a progress bar over all."""
    tasks = (data.task(position, protocol) for position in missing[group.index :: group.count])
    title, quiet = f"{protocol.model}, {protocol.sampler} {protocol.steps}", group.index > 0
    with tqdm(
        total=total, initial=total - len(missing), unit="slice", desc=title, dynamic_ncols=True, disable=quiet
    ) as progress:
        if missing:
            mine = read_slices(weights, tasks, protocol, device=device, workers=workers)
            for row in mine if group.count == 1 else _everybodys(mine, len(missing), group):
                yield row
                progress.update()


def _everybodys(mine: Iterator[Row], total: int, group: Group) -> Iterator[Row]:
    """The rows of all processes, in rounds of one each, so that the first can keep them as they are done.

    Raises:
        KeyboardInterrupt: In all of them, after a round in which one was asked to stop.
    """
    with stop_requests() as stop:
        for _ in range(0, total, group.count):
            yield from (row for row in group.gather(next(mine, None)) if row is not None)
            if group.agree(stop.is_set()):
                raise KeyboardInterrupt


def evaluate_references(data: EvaluationData, protocol: Protocol, *, quiet: bool = False) -> dict[str, list[Judged]]:
    """Every reference on the same slices, with a progress bar unless it shall be ``quiet``."""
    judged: dict[str, list[Judged]] = {name: [] for name in REFERENCES}
    for position in tqdm(range(len(data)), unit="slice", desc="references", dynamic_ncols=True, disable=quiet):
        task = data.task(position, protocol)
        found = judge_references(
            task.id, task.experts, counts=protocol.readings, threshold=protocol.threshold, seed=protocol.seed
        )
        for name, one in found.items():
            judged[name].append(one)
    return judged
