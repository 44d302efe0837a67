"""The figures of a model's card: read from the JSON that ``evaluate --json`` wrote, never typed in by hand.

They count only if they are figures of this very model: the protocol beside them names the SHA-256 of the file that was
judged, which must be that of the exported file or of the one it was made from.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from napari_ambiseg.errors import DataFileError

_LOWER = ("ged", "ece")
_SHOWN = (
    "ged", "ged_pp", "ged_unbiased", "dice", "dice_pp", "iou", "hm_iou", "collective_insight", "majority_dice", "ece",
)  # fmt: skip

Figures = Mapping[str, Any]
"""What ``evaluate`` says of one model: figure -> mean, low, high; and "protocol", "slices", "patients"."""


def read_figures(path: Path) -> dict[str, Figures]:
    """What ``evaluate --json`` wrote: SHA-256 of each model file that was judged -> its figures.

    Raises:
        DataFileError: If the file holds no figures.
    """
    try:
        found: Any = json.loads(path.read_text())
        judged = {str(one["protocol"]["model_sha256"]): one for one in found.get("models", [found])}
        for one in judged.values():
            figures_table(one)  # now, not when the model is written
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataFileError(f"{path} holds no figures of `evaluate --json` ({error}); give such a file") from error
    return judged


def figures_of(models: Collection[str], judged: Mapping[str, Figures], *, smallest_px: int = 0) -> Figures:
    """The figures of one model.

    Args:
        models: SHA-256 of the files that count as this model.
        judged: What ``read_figures`` found.
        smallest_px: Its smallest lesion; figures of another one are not its own.

    Raises:
        DataFileError: If there are none of this model.
    """
    for digest, figures in judged.items():
        if digest in models:
            if (found := figures["protocol"].get("smallest_px", 0)) != smallest_px:
                raise DataFileError(
                    f"these figures are of readings of at least {found} pixels, the model's have {smallest_px}; "
                    "export without --figures, evaluate the file, and export again"
                )
            return figures
    raise DataFileError(
        f"these figures are of another model (SHA-256 {', '.join(d[:12] + '...' for d in judged)}); "
        "export without --figures, evaluate the file, and export again"
    )


def figures_table(figures: Figures) -> str:
    """What was judged and how, and a table of the headline figures with their intervals."""
    protocol = figures["protocol"]
    counts: list[int] = protocol["readings"]
    lines = [f"| | {' | '.join(f'{n} readings' for n in counts)} |", f"|---|{'---|' * len(counts)}"]
    for name in _SHOWN:
        cells = [_interval(figures.get(_key(name, n))) for n in counts]
        if any(cells):
            arrow = "lower" if name.startswith(_LOWER) else "higher"
            lines.append(f"| {name} ({arrow} is better) | {' | '.join(cell or '-' for cell in cells)} |")
    return "\n".join([_protocol(figures), "", *lines])


def _key(name: str, count: int) -> str:
    """``ged_pp`` of 4 readings is called ``ged_4_pp``."""
    return f"{name.removesuffix('_pp')}_{count}{'_pp' if name.endswith('_pp') else ''}"


def _interval(value: Mapping[str, float | None] | None) -> str:
    if value is None or value["mean"] is None:
        return ""
    low, high = value["low"], value["high"]
    return f"{value['mean']:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else "")


def _protocol(figures: Figures) -> str:
    protocol = figures["protocol"]
    data = "; ".join(f"{d['name']}, split {d['split']}, SHA-256 {d['sha256'][:12]}..." for d in protocol["data"])
    patients = f" of {figures['patients']} patients" if "patients" in figures else ""
    last = "" if protocol.get("last_time") is None else f"the last estimate at t = {protocol['last_time']:g}, "
    pairs = ", antithetic pairs of readings" if protocol.get("antithetic") else ""
    specks = f"readings below {px} pixels empty, " if (px := protocol.get("smallest_px")) else ""
    return (
        f"On {figures['slices']} slices{patients} ({data}; {protocol.get('area', 'whole slice')}), {protocol['steps']} "
        f"steps of {protocol['sampler']}, {last}{specks}eta {protocol['eta']:g}, "
        f"guidance {protocol.get('guidance', 0.0):g}, seed "
        f"{protocol['seed']}{pairs}, napari-ambiseg {protocol['version']}. In brackets 95 % intervals from resampling "
        f'patients; "pp" empties readings below {protocol["threshold"]:g} of the largest area.'
    )
