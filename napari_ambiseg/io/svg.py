"""Drawings for a page: SVG as text, without a plotting library. What is not a number is escaped."""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_ambiseg.readings.contours import Lines


def drawing(parts: Sequence[str], *, box: tuple[float, float, float, float], label: str, style: str = "") -> str:
    """An SVG element with its own coordinates (left, top, width, height); ``label`` is read to the blind."""
    view = " ".join(f"{number:g}" for number in box)
    attributes = (
        f'viewBox="{view}" role="img" aria-label="{escape(label, quote=True)}" style="{escape(style, quote=True)}"'
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{"".join(parts)}</svg>'


def picture(pixels: NDArray[np.uint8], *, left: float, top: float, width: float, height: float) -> str:
    """Pixels (H, W), (H, W, 3) or (H, W, 4) stretched over a rectangle, each a sharp square."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    place = f'x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"'
    look = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
    return f'<image {place} {look} href="data:image/png;base64,{data}"/>'


def path(lines: Lines, *, spacing_mm: tuple[float, float], colour: str, width: float, opacity: float = 1.0) -> str:
    """Closed lines (row, column) as one path, in millimetres; empty for no lines."""
    if not lines:
        return ""
    rings = (
        "M" + "L".join(f"{x * spacing_mm[1]:.2f} {y * spacing_mm[0]:.2f}" for y, x in line[:-1]) + "Z" for line in lines
    )
    stroke = f'stroke="{colour}" stroke-width="{width:g}" stroke-opacity="{opacity:g}" stroke-linejoin="round"'
    return f'<path d="{"".join(rings)}" fill="none" {stroke}/>'


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str, width: float = 1.0) -> str:
    """A straight line."""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour}" stroke-width="{width:g}"/>'


def rectangle(x: float, y: float, width: float, height: float, *, colour: str, title: str = "") -> str:
    """A filled rectangle; ``title`` shows when it is pointed at."""
    inside = f"<title>{escape(title)}</title>" if title else ""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{colour}">{inside}</rect>'


def circle(x: float, y: float, radius: float, *, colour: str, opacity: float = 1.0) -> str:
    """A filled circle."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{colour}" fill-opacity="{opacity:g}"/>'


def words(
    x: float, y: float, content: str, *, size: float, colour: str = "#222", anchor: str = "start", bold: bool = False
) -> str:
    """A line of text whose baseline begins, ends ("end") or has its middle ("middle") at a point."""
    look = f'font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"' + (' font-weight="600"' if bold else "")
    return f'<text x="{x:g}" y="{y:g}" {look}>{escape(content)}</text>'
