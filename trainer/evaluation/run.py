"""One evaluation from end to end: every chosen slice read and judged, rows kept on the way, references beside them."""

import hashlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from tqdm import tqdm

from napari_ambiseg import engine
from trainer.evaluation.data import EvaluationData
from trainer.evaluation.protocol import Protocol
from trainer.evaluation.reading import read_slices
from trainer.evaluation.references import REFERENCES, reference_metrics
from trainer.evaluation.report import Summary, summarise
from trainer.evaluation.rows import Row, RowFile


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a word about what is kept."""


def describe_model(weights: str) -> tuple[str, str]:
    """Name of a model, and SHA-256 of its file.

    Raises:
        CheckpointError: If it cannot be loaded.
    """
    model = engine.load_model(weights)
    path = engine.bundled_models().get(weights, Path(weights))
    return model.header.name or path.stem, hashlib.sha256(path.read_bytes()).hexdigest()


def evaluate(
    weights: str, data: EvaluationData, protocol: Protocol, *, keep: Path | None, device: str, workers: int
) -> list[Row]:
    """Read and judge every slice.

    Args:
        weights: Path of a model file, or name of a bundled model.
        data: The slices.
        protocol: How to read them.
        keep: File of rows; slices that it has are not read again.
        device: "auto", or a name of torch's.
        workers: Number of processes.

    Returns:
        One row per slice, in the order of ``data``.

    Raises:
        AmbisegError: If a slice cannot be read or rows cannot be kept.
        Interrupted: After Ctrl-C.
    """
    rows: dict[str, Row] = {}
    try:
        with RowFile(keep, protocol) if keep else nullcontext() as file:
            rows = file.rows if file else {}
            for row in _missing_rows(weights, data, protocol, rows, device=device, workers=workers):
                rows[row.id] = row
                if file:
                    file.append(row)
    except KeyboardInterrupt:
        where = f"they are in {keep}: the same command goes on" if keep else "none is kept without --per-slice"
        raise Interrupted(f"stopped after {len(rows)} of {len(data)} slices; {where}") from None
    return [rows[name] for name in data.ids]


def _missing_rows(
    weights: str, data: EvaluationData, protocol: Protocol, known: dict[str, Row], *, device: str, workers: int
) -> Iterator[Row]:
    """Rows of the slices that are not ``known`` yet, with a progress bar."""
    missing = [position for position, name in enumerate(data.ids) if name not in known]
    tasks = (data[position] for position in missing)
    done = len(data) - len(missing)
    with tqdm(total=len(data), initial=done, unit="slice", desc=protocol.model, dynamic_ncols=True) as progress:
        for row in read_slices(weights, tasks, protocol, device=device, workers=workers):
            yield row
            progress.update()


def judge_references(data: EvaluationData, protocol: Protocol) -> dict[str, Summary]:
    """Every reference on the same slices."""
    patients: list[str] = []
    figures: list[dict[str, dict[str, float]]] = []
    for position in tqdm(range(len(data)), unit="slice", desc="references", dynamic_ncols=True):
        task = data[position]
        patients.append(task.slice.subject)
        figures.append(
            reference_metrics(
                task.id,
                task.slice.readings,
                counts=protocol.readings,
                threshold=protocol.threshold,
                seed=protocol.seed,
            )
        )
    return {name: summarise([one[name] for one in figures], patients, protocol) for name in REFERENCES}
