"""A study along one number, as the paper's Figs. 7 and 8: GED and Dice against what its lines differ in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.ablation.result import Result
from trainer.ablation.study import Cell
from trainer.evaluation.figure import COLOURS
from trainer.evaluation.panels import Axis, Curve, draw_panels

_LABELS = {"input_scale": "input scale b", "weighting": "bias of the sigmoid weighting"}
_SIGMOID = "sigmoid:"


def axis_of(cells: Sequence[Cell]) -> tuple[str, dict[str, float]] | None:
    """What a study runs along: a field, and each cell's name and place; None if the cells differ in more than a number.

    Fields inside fields are named as ``--grid`` names them, e.g. ``augment.flip``.
    """
    configs = [_flat(cell.config.model_dump(exclude={"recipe"})) for cell in cells]
    fields = [field for field in configs[0] if len({repr(config[field]) for config in configs}) > 1]
    if len(fields) != 1 or len({cell.guidance for cell in cells}) > 1:
        return None
    places = {cell.name: _number(config[fields[0]]) for cell, config in zip(cells, configs, strict=True)}
    found = {name: place for name, place in places.items() if place is not None}
    return (fields[0], found) if len(set(found.values())) == len(cells) else None


def draw_study(cells: Sequence[Cell], results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw the finished lines of a study that has an axis (``axis_of``).

    Args:
        cells: All that the study consists of, finished or not.
        results: The finished ones.
        folder: Where the files go.

    Returns:
        The files written; none if there is no axis, or a single line.

    Raises:
        DataFileError: If one cannot be written.
        SettingsError: If matplotlib is not installed.
    """
    found = axis_of(cells)
    if found is None or len(results) < 2:
        return []
    field, places = found
    in_order = sorted(results, key=lambda result: places[result.cell.name])
    at = [places[result.cell.name] for result in in_order]
    protocol = results[0].found.protocol

    def curves(figure: str) -> list[Curve]:
        endings = {"": "as drawn", "_pp": f"pp, r = {protocol.threshold:g}"}
        return [
            Curve(label, at, [result.found.summary[f"{figure}{ending}"] for result in in_order], COLOURS[i], i)
            for i, (ending, label) in enumerate(endings.items())
        ]

    return draw_panels(protocol.readings, curves, _axis(field, at), folder, "plot")


def _axis(field: str, at: Sequence[float]) -> Axis:
    """Numbers that span more than a factor of ten are shown by their ratios."""
    wide = min(at) > 0 and max(at) > 10 * min(at)
    return Axis(_LABELS.get(field, field), at, "log" if wide else "linear")


def _flat(config: dict[str, Any], inside: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in config.items():
        flat |= _flat(value, f"{inside}{name}.") if isinstance(value, dict) else {f"{inside}{name}": value}
    return flat


def _number(value: object) -> float | None:
    """A number, also that in the name of a sigmoid weighting."""
    if isinstance(value, str) and value.startswith(_SIGMOID):
        return float(value.removeprefix(_SIGMOID))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
