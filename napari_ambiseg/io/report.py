"""A report of one page: figures, numbers, and all that is needed to make them again. HTML, which any browser prints.

The page is one file that refers to nothing outside itself: drawings are SVG, pictures are PNG inside it. It is written
by hand rather than plotted, so that it needs no plotting library; printed, it fills one sheet of A4. Names of files and
experts come from outside and are escaped wherever they stand.

Legend: S samples, R readers (experts), H x W pixels.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError
from napari_ambiseg.io import report_figures as figures
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.output import write_output
from napari_ambiseg.io.session_record import Session
from napari_ambiseg.readings.agreement import Comparison, compare
from napari_ambiseg.readings.distribution import Distribution, Sizes, sizes
from napari_ambiseg.readings.modes import SIMILAR_IOU, Mode, modes, told
from napari_ambiseg.readings.place import Among, Place, among, place
from napari_ambiseg.readings.relative_area import relative_area
from napari_ambiseg.readings.staple import staple

_TYPICAL = 5  # ways that are shown as pictures
_LISTED = 6  # experts who are named in the legend
_IN_PAIRS = "in pairs of opposite noise: GED is usually lower than that of as many independent ones"

_STYLE = """
@page { size: A4; margin: 9mm }
* { box-sizing: border-box; -webkit-print-color-adjust: exact; print-color-adjust: exact }
body { font: 10.5px/1.35 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; color: #222; background: #fff;
  max-width: 780px; margin: 10px auto; padding: 0 8px }
svg { display: block; width: 100%; font-family: inherit }
h1 { font-size: 17px; margin: 0; overflow-wrap: anywhere } h2 { font-size: 11.5px; margin: 9px 0 3px }
.notice { background: #8a1f11; color: #fff; font-weight: 600; padding: 3px 8px; border-radius: 3px; margin: 5px 0 }
.lead { font-size: 12.5px; margin: 5px 0 } .faint { color: #667 }
.row { display: flex; gap: 10px; align-items: flex-start } .row > * { flex: 1 1 0; min-width: 0 }
figure { margin: 0 } figure svg { max-height: 292px; background: #000 }
figcaption { padding-top: 3px } .typical figure svg { max-height: 120px }
.key { display: inline-block; margin-right: 9px; white-space: nowrap }
.key i { display: inline-block; width: 14px; height: 0; border-top: 3px solid; margin-right: 4px;
  vertical-align: middle }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: 1px 6px 1px 0; vertical-align: top }
th { font-weight: 400; color: #556; white-space: nowrap } td { overflow-wrap: anywhere } .n td { text-align: right }
.n th:first-child { width: 40% } tr { border-bottom: 1px solid #eee }
@media print { body { max-width: none; margin: 0; padding: 0; font-size: 9.5px } h2 { margin-top: 6px }
  figure svg { max-height: 272px } .typical figure svg { max-height: 96px } table { font-size: 9px } }
"""


@dataclass(frozen=True, slots=True)
class _Findings:
    """All that a report says of the masks; ``comparison`` is None without experts."""

    samples: NDArray[np.bool_]
    experts: NDArray[np.bool_]
    comparison: Comparison | None
    sizes: Sizes
    modes: tuple[Mode, ...]
    places: tuple[tuple[str, Place], ...]


def save_report(path: Path, session: Session, *, made: datetime, similar_iou: float = SIMILAR_IOU) -> None:
    """Write the report of a session as one HTML file.

    Args:
        path: Target; replaced if it exists.
        session: What it is about, with one sample at least; the session's threshold is applied.
        made: Date and time that stand in it.
        similar_iou: Mean IoU below which readings are different ways to read the lesion.

    Raises:
        InputImageError: If the session has no samples.
        DataFileError: If the file cannot be written.
    """
    write_output(path, report_html(session, made=made, similar_iou=similar_iou).encode())


def report_html(session: Session, *, made: datetime, similar_iou: float = SIMILAR_IOU) -> str:
    """The page; arguments and errors as ``save_report``."""
    if not len(session.samples):
        raise InputImageError("there are no readings to report on; run a model first")
    found = _findings(session, similar_iou)
    scene = figures.scene(
        _grey(session.pixels),
        session.spacing_mm,
        samples=found.samples,
        experts=found.experts,
        drawings=_drawn(session),
    )
    title = escape(session.source.name or "unnamed image")
    parts = [
        f"<h1>{title}</h1>",
        f'<div class="notice">{escape(NOTICE)}</div>',
        f'<p class="lead">{escape(told(found.modes))}. {escape(_agreement(found))}</p>',
        _pictures(session, scene),
        _typical(scene, found.modes, in_pairs=_in_pairs(session)),
        f"<h2>Sizes of {len(found.samples)} readings (pink: 5 to 95 % and median; below the line: experts)</h2>",
        _row(figures.distribution(measure) for measure in found.sizes),
        _pairs(session, found),
        _row([_numbers(found, in_pairs=_in_pairs(session)), _made_with(session, made)]),
    ]
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _findings(session: Session, similar_iou: float) -> _Findings:
    samples, experts = relative_area(session.samples, session.threshold), session.experts
    prepared: Among = among(samples=samples, experts=experts, spacing_mm=session.spacing_mm, similar_iou=similar_iou)
    return _Findings(
        samples=samples,
        experts=experts,
        comparison=compare(samples=samples, experts=experts, seeds=session.seeds) if len(experts) else None,
        sizes=sizes(samples=samples, experts=experts, spacing_mm=session.spacing_mm),
        modes=modes(samples, similar_iou=similar_iou),
        places=tuple((drawing.name, place(drawing.mask, prepared)) for drawing in session.drawings),
    )


def _agreement(found: _Findings) -> str:
    if found.comparison is None:
        return "There are no experts to compare with."
    c = found.comparison
    return f"Mean Dice with {len(found.experts)} experts {c.mean_dice:.2f}, GED {c.ged:.2f}."


def _pictures(session: Session, scene: figures.Scene) -> str:
    keys = [_key(figures.SAMPLE_COLOUR, f"{len(scene.samples)} readings of the model")]
    names = session.expert_names
    keys += [_key(figures.expert_colour(i), name) for i, name in enumerate(names[:_LISTED])]
    keys += [f"and {len(names) - _LISTED} more experts"] if len(names) > _LISTED else []
    keys += [_key("#BBBBBB", "drawn by the user")] if len(scene.drawings) else []
    shares = "".join(_key(colour, text) for colour, text in figures.legend_of_shares())
    share = f"Share of the readings that mark a pixel; outlines at {shares}"
    return _row([_figure(figures.overview(scene), "".join(keys)), _figure(figures.probability_map(scene), share)])


def _in_pairs(session: Session) -> bool:
    """Whether readings are antithetic pairs; a single one has no other."""
    return session.settings.get("antithetic") is True and len(session.samples) > 1


def _typical(scene: figures.Scene, found: Sequence[Mode], *, in_pairs: bool) -> str:
    typical = [mode for mode in found if mode.is_way] or found
    shown = [_figure(figures.typical_reading(scene, mode), escape(_frequency(mode))) for mode in typical[:_TYPICAL]]
    shown += ["<span></span>"] * (_TYPICAL - len(shown))
    pairs = "; intervals are approximate, as readings come in pairs" if in_pairs else ""
    return f'<h2>Typical readings (each one that was drawn{pairs})</h2><div class="typical">{_row(shown)}</div>'


def _frequency(mode: Mode) -> str:
    share = mode.share
    what = "see nothing" if mode.empty else f"like no. {mode.medoid + 1}"
    interval = f"95 % interval {100 * share.low:.0f} to {100 * share.high:.0f} %"
    return f"{100 * share.fraction:.0f} % {what} ({share.count} of {share.total}; {interval})"


def _pairs(session: Session, found: _Findings) -> str:
    if found.comparison is None:
        return ""
    matrix = figures.pair_matrix(found.comparison.dice, session.expert_names)
    return f"<h2>Dice of every reading with every expert (1: both empty, or the same)</h2>{matrix}"


def _numbers(found: _Findings, *, in_pairs: bool) -> str:
    rows: list[tuple[str, str]] = []
    if (c := found.comparison) is not None:
        rows += [("GED, as published (unbiased)", f"{c.ged:.3f} ({_number(c.ged_unbiased)})")]
        rows += [("Readings", _IN_PAIRS)] if in_pairs else []
        rows += [("Mean Dice · mean IoU", f"{c.mean_dice:.3f} · {c.mean_iou:.3f}"), ("HM-IoU", f"{c.hm_iou:.3f}")]
        pair = compare(samples=staple(found.samples).mask[None], experts=staple(found.experts).mask[None])
        rows += [("Dice of both STAPLE consensuses", f"{pair.mean_dice:.3f}")]
    rows += [_size(measure) for measure in found.sizes]
    area = found.sizes.area
    empty = f"{area.empty_samples} of {len(area.samples)} readings"
    empty += f", {area.empty_experts} of {len(area.experts)} experts" if len(area.experts) else ""
    rows += [("See nothing", empty)]
    rows += [(f"Drawn: {name}", _told_place(where)) for name, where in found.places]
    return f'<div><h2>Numbers</h2><table class="n">{_rows(rows)}</table></div>'


def _size(measure: Distribution) -> tuple[str, str]:
    spread = f"{_short(measure.median)} ({_short(measure.low)} to {_short(measure.high)}) {measure.unit}"
    drawn = measure.experts[measure.experts > 0]
    experts = f"; experts {_short(drawn.min())} to {_short(drawn.max())}" if len(drawn) else ""
    return f"{measure.name[0].upper()}{measure.name[1:]}: median (5 to 95 %)", spread + experts


def _told_place(where: Place) -> str:
    usual = "" if where.usual_way else ", like none of the readings"
    return f"{_short(where.area_mm2)} mm², Dice with the readings {where.mean_dice_samples:.2f}{usual}"


def _made_with(session: Session, made: datetime) -> str:
    source, model = session.source, session.model
    said: dict[str, object] = {
        "Image": source.path or source.name,
        "Slice": ", ".join(map(str, source.index)),
        "Pixel": f"{session.spacing_mm[0]:g} x {session.spacing_mm[1]:g} mm",
        "SHA-256 of the image": source.sha256,
        "Model": model.name,
        "SHA-256 of the model": model.sha256,
        "Settings": ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in session.settings.items()),
        "Relative-area threshold": f"{session.threshold:g}",
        "Smallest reading": _smallest(session),
        "Versions": ", ".join(f"{name} {number}" for name, number in session.versions.items()),
        "Made": made.strftime("%Y-%m-%d %H:%M"),
    }
    return f"<div><h2>Made with</h2><table>{_rows(_plain(said))}</table></div>"


def _smallest(session: Session) -> str:
    """Below which area a reading counts as empty; "" if the record does not say."""
    pixels, placement = session.settings.get("used_smallest_px"), session.placement
    if not isinstance(pixels, int) or not pixels or placement is None:
        return ""
    area = pixels * math.prod(placement.step_px) * math.prod(session.spacing_mm)
    return f"{area:.3g} mm²; smaller ones count as no lesion"


def _plain(said: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(key, str(value)) for key, value in said.items() if value not in ("", None)]


def _grey(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """The slice in 8 bits, its darkest and brightest two hundredths clipped."""
    values = pixels.astype(np.float64)
    low, high = np.percentile(values, (0.5, 99.5))
    return np.rint(255 * np.clip((values - low) / max(high - low, 1e-9), 0, 1)).astype(np.uint8)


def _drawn(session: Session) -> NDArray[np.bool_]:
    return np.array([drawing.mask for drawing in session.drawings], np.bool_).reshape(-1, *session.pixels.shape)


def _row(cells: Iterable[str]) -> str:
    return f'<div class="row">{"".join(cells)}</div>'


def _figure(drawing: str, caption: str) -> str:
    """``caption`` is HTML."""
    return f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def _key(colour: str, text: str) -> str:
    return f'<span class="key"><i style="border-color:{colour}"></i>{escape(text)}</span>'


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in rows)


def _short(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"
