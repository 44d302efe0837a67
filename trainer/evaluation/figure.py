"""What all plots share: matplotlib when it is needed, without a window, and files that are the same for the same data.

matplotlib is part of the extra ``train`` and is imported only here and below, so that an evaluation without plots
does without it.
"""

import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.output import write_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours, which people with any colour vision tell apart; yellow, too pale for lines, is left out."""

_DPI = 150


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def require_matplotlib() -> None:
    """Refuse plots where they cannot be drawn.

    Raises:
        SettingsError: If matplotlib is not installed.
    """
    if not can_draw():
        raise SettingsError(
            'plots need matplotlib, which is not installed; run `pip install "napari-ambiseg[train]"`, or leave --plots'
        )


def new_figure(width: float, height: float, *, gap: float = 0.04) -> "Figure":
    """An empty figure of so many inches, panels ``gap`` inches apart, that no window ever shows."""
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=gap, h_pad=gap, wspace=0.01, hspace=0.01)
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", folder: Path, name: str) -> list[Path]:
    """Write PNG and SVG, with the notice below.

    Raises:
        DataFileError: If a file cannot be written.
    """
    from matplotlib import rc_context

    figure.supxlabel(NOTICE, fontsize=7, color="0.4", x=0.995, ha="right")
    written: list[Path] = []
    for ending in ("png", "svg"):
        buffer = io.BytesIO()
        with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
            figure.savefig(buffer, format=ending, dpi=_DPI, metadata={"Date": None} if ending == "svg" else None)
        written.append(folder / f"{name}.{ending}")
        write_output(written[-1], buffer.getvalue())
    return written
