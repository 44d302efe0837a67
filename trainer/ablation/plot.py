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


def axis_of(cells: Sequence[Cell]) -> dict[str, float] | None:
    """Name of a cell -> its place, if the cells differ in a single number and in nothing else; otherwise None."""
    field = _only_difference(cells)
    if field is None:
        return None
    places = {cell.name: _number(cell.config.model_dump()[field]) for cell in cells}
    found = {name: place for name, place in places.items() if place is not None}
    return found if len(set(found.values())) == len(cells) else None


def draw_study(results: Sequence[Result], folder: Path) -> list[Path]:
    """Draw the finished lines of a study that has an axis (``axis_of``).

    Returns:
        The files written; none if there is no axis, or a single line.

    Raises:
        DataFileError: If one cannot be written.
        SettingsError: If matplotlib is not installed.
    """
    cells = [result.cell for result in results]
    places = axis_of(cells)
    if places is None or len(results) < 2:
        return []
    in_order = sorted(results, key=lambda result: places[result.cell.name])
    at = [places[result.cell.name] for result in in_order]
    protocol = results[0].found.protocol

    def curves(figure: str) -> list[Curve]:
        endings = {"": "as drawn", "_pp": f"pp, r = {protocol.threshold:g}"}
        return [
            Curve(label, at, [result.found.summary[f"{figure}{ending}"] for result in in_order], COLOURS[i], i)
            for i, (ending, label) in enumerate(endings.items())
        ]

    return draw_panels(protocol.readings, curves, _axis(str(_only_difference(cells)), at), folder, "plot")


def _axis(field: str, at: Sequence[float]) -> Axis:
    """Numbers that span more than a factor of ten are shown by their ratios."""
    wide = min(at) > 0 and max(at) > 10 * min(at)
    return Axis(_LABELS.get(field, field), at, "log" if wide else "linear")


def _only_difference(cells: Sequence[Cell]) -> str | None:
    """The field of the configuration in which cells differ, if it is one, and they are read alike."""
    configs: list[dict[str, Any]] = [cell.config.model_dump(exclude={"recipe"}) for cell in cells]
    fields = [field for field in configs[0] if any(config[field] != configs[0][field] for config in configs)]
    return fields[0] if len(fields) == 1 and len({cell.guidance for cell in cells}) == 1 else None


def _number(value: object) -> float | None:
    """A number, also that in the name of a sigmoid weighting."""
    if isinstance(value, str) and value.startswith(_SIGMOID):
        return float(value.removeprefix(_SIGMOID))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
