"""The report: one page that needs nothing from outside, says the right numbers, and believes no name."""

import base64
import io
import re
from dataclasses import replace
from datetime import datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_ambiseg.errors import DataFileError, InputImageError
from napari_ambiseg.io import report_figures as figures
from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.io.report import report_html, save_report
from napari_ambiseg.io.session_record import Drawing, GridPlacement, ModelUsed, Session, Source
from napari_ambiseg.readings.agreement import compare
from napari_ambiseg.readings.distribution import sizes
from napari_ambiseg.readings.modes import modes
from napari_ambiseg.readings.relative_area import relative_area

MADE = datetime(2026, 2, 3, 4, 5)
SVG = "{http://www.w3.org/2000/svg}"


def discs(*radii: float, side: int = 60, at: tuple[int, int] = (25, 35)) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:side, :side]
    return np.array([(rows - at[0]) ** 2 + (columns - at[1]) ** 2 < radius**2 for radius in radii])


SESSION = Session(
    source=Source("chest", "/data/chest.nii", "ab" * 32, (12,)),
    pixels=np.random.default_rng(0).integers(-1000, 400, (60, 60)).astype(np.int16),
    spacing_mm=(0.5, 0.8),
    grey="hu",
    experts=discs(7, 9, 0),
    expert_names=("Dr. A", "Dr. B", "Dr. C"),
    samples=discs(7, 7.5, 8, 2, 0),
    seeds=(1, 2, 3, 4, 5),
    model=ModelUsed("lidc-small-64", "cd" * 32),
    settings={"sampler": "ddim", "steps": 10, "seed": 42},
    threshold=0.1,
    drawings=(Drawing("mine", discs(7)[0]),),
    versions={"napari-ambiseg": "9.8.7"},
)


def page(**changes: object) -> str:
    return report_html(replace(SESSION, **changes), made=MADE)  # type: ignore[arg-type]


def text_of(html: str) -> str:
    """What is read, with single blanks."""
    tags = re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.S))
    return " ".join(unescape(tags).split())


def drawings_of(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, flags=re.S)]


def test_how_small_a_reading_may_be_is_told_in_square_millimetres() -> None:
    placed = {"placement": GridPlacement((0.0, 0.0), (2.0, 1.25), (20, 20))}  # 1 mm² to a pixel of the grid
    told = "Smallest reading 24 mm²; smaller ones count as no lesion"
    assert told in text_of(page(settings={"used_smallest_px": 24}, **placed))
    for unsaid in ({}, {"used_smallest_px": 0}, {"used_smallest_px": None}):
        assert "Smallest" not in text_of(page(settings=unsaid, **placed))


def test_it_says_what_was_found_with_the_threshold_that_is_set() -> None:
    samples = relative_area(SESSION.samples, 0.1)
    assert not samples[3].any()  # else the threshold would not matter
    expected, said = compare(samples=samples, experts=SESSION.experts), text_of(page())
    assert f"{expected.ged:.3f} ({expected.ged_unbiased:.3f})" in said
    assert f"{expected.mean_dice:.3f} · {expected.mean_iou:.3f}" in said
    assert f"{expected.hm_iou:.3f}" in said
    area = sizes(samples=samples, experts=SESSION.experts, spacing_mm=(0.5, 0.8)).area
    assert f"{area.median:.1f} ({area.low:.1f} to {area.high:.1f}) mm²" in said
    assert "2 of 5 readings, 1 of 3 experts" in said
    assert "2 ways to read this lesion: 60 % and 40 % see nothing." in said
    assert f"Drawn: mine {SESSION.drawings[0].mask.sum() * 0.4:.1f} mm²" in said


def test_it_says_what_it_was_made_with_and_that_it_is_no_diagnosis() -> None:
    said = text_of(page())
    for piece in (NOTICE, "lidc-small-64", "cd" * 32, "ab" * 32, "/data/chest.nii", "sampler ddim, steps 10, seed 42"):
        assert piece in said
    for piece in ("napari-ambiseg 9.8.7", "0.5 x 0.8 mm", "2026-02-03 04:05", "95 % interval 23 to 88 %"):
        assert piece in said


IN_PAIRS = "in pairs of opposite noise: GED is usually lower than that of as many independent ones"
APPROXIMATE = "intervals are approximate, as readings come in pairs"


def test_it_does_not_hide_that_readings_come_in_pairs() -> None:
    usual = SESSION.settings
    said = text_of(page(settings={**usual, "antithetic": True}))
    assert IN_PAIRS in said
    assert APPROXIMATE in said
    single = page(settings={**usual, "antithetic": True}, samples=SESSION.samples[:1], seeds=(1,))
    for html in (page(), page(settings={**usual, "antithetic": False}), single):
        assert IN_PAIRS not in text_of(html)
        assert APPROXIMATE not in text_of(html)


def test_without_experts_pairs_matter_to_intervals_alone() -> None:
    experts = SESSION.experts[:0]
    said = text_of(page(settings={"antithetic": True}, experts=experts, expert_names=()))
    assert APPROXIMATE in said
    assert "GED" not in said


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "data", "action", "srcset")]
        assert not any(name.startswith("on") for name, _ in attrs)


HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">\'"&\n</title></style>'


def test_no_name_can_put_anything_into_the_page() -> None:
    html = page(
        source=replace(SESSION.source, name=HOSTILE, path=HOSTILE),
        expert_names=(HOSTILE,) * 3,
        model=ModelUsed(HOSTILE, "cd" * 32),
        settings={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        drawings=(Drawing(HOSTILE, SESSION.experts[0]),),
    )
    found, plain = Tags(), Tags()
    found.feed(html)
    plain.feed(page())
    assert found.names == plain.names
    assert text_of(html).count("<script>alert(1)</script>") >= 6


def test_it_refers_to_nothing_outside_itself() -> None:
    found = Tags()
    found.feed(page())
    assert found.links
    assert all(link.startswith("data:image/png;base64,") for link in found.links)
    assert "url(" not in page()
    assert not {"script", "link", "iframe", "object"} & set(found.names)


def test_every_drawing_is_well_formed_and_every_outline_is_there() -> None:
    overview, share, typical, nothing, *distributions, matrix = drawings_of(page())
    colours = [path.get("stroke") for path in overview.iter(f"{SVG}path")]
    assert colours == [figures.SAMPLE_COLOUR] * 3 + list(figures.EXPERT_COLOURS[:2]) + ["#FFFFFF"]  # of those that mark
    assert [path.get("stroke") for path in share.iter(f"{SVG}path")] == list(figures.ISO_COLOURS[:2])  # 3 of 5 mark
    assert len(list(typical.iter(f"{SVG}path"))) == 1
    assert not list(nothing.iter(f"{SVG}path"))
    assert [len(list(drawing.iter(f"{SVG}circle"))) for drawing in distributions] == [5, 5, 5]
    cells = [title.text for title in matrix.iter(f"{SVG}title")]
    assert cells[0] == "sample 1, Dr. A: Dice 1.00"
    assert len(cells) == 15


def test_outlines_lie_on_the_pixels_that_they_enclose() -> None:
    mask = np.zeros((1, 60, 60), np.bool_)
    mask[0, 20:30, 40:44] = True
    none = mask[:0]
    image = np.where(mask[0], 255, 0).astype(np.uint8)
    shown = figures.scene(image, (0.5, 0.8), samples=mask, experts=none, drawings=none)
    root = ElementTree.fromstring(figures.overview(shown))
    (outline,) = root.iter(f"{SVG}path")
    points = np.array([pair.split(" ") for pair in (outline.get("d") or "")[1:-1].split("L")], float)
    pixels = np.argwhere(shown.image == 255) * [0.5, 0.8]
    np.testing.assert_allclose(
        points.min(axis=0), pixels.min(axis=0)[::-1] - np.array([0.4, 0.25])
    )  # half a pixel outside
    np.testing.assert_allclose(points.max(axis=0), pixels.max(axis=0)[::-1] + np.array([0.4, 0.25]))
    (picture,) = root.iter(f"{SVG}image")
    left, top, width, height = (float(picture.get(name) or 0) for name in ("x", "y", "width", "height"))
    assert (left, top) == (-0.4, -0.25)
    assert (height, width) == pytest.approx((shown.image.shape[0] * 0.5, shown.image.shape[1] * 0.8))
    held = Image.open(io.BytesIO(base64.b64decode((picture.get("href") or "").split(",")[1])))
    np.testing.assert_array_equal(np.asarray(held), shown.image)


def test_the_window_is_square_around_what_is_marked_and_stays_in_the_slice() -> None:
    image, none = np.zeros((200, 200), np.uint8), np.zeros((0, 200, 200), np.bool_)
    for at, expected in (((100, 100), (40, 40)), ((3, 100), (33, 40))):
        mask = np.zeros((1, 200, 200), np.bool_)
        mask[0, at[0] : at[0] + 20, at[1] : at[1] + 10] = True
        shown = figures.scene(image, (1, 1), samples=mask, experts=none, drawings=none)
        assert shown.image.shape == pytest.approx(expected, abs=2)
        assert shown.samples.sum() == 200


def test_marks_of_a_distribution_are_where_the_axis_says() -> None:
    area = sizes(samples=discs(5, 10), experts=discs(8), spacing_mm=(1, 1)).area
    root = ElementTree.fromstring(figures.distribution(area))
    ticks = {float(label.text or 0): float(label.get("x") or 0) for label in list(root.iter(f"{SVG}text"))[1:]}
    low, high = min(ticks), max(ticks)
    scale = (ticks[high] - ticks[low]) / (high - low)
    found = sorted(float(circle.get("cx") or 0) for circle in root.iter(f"{SVG}circle"))
    np.testing.assert_allclose(found, ticks[low] + scale * np.sort(area.samples), atol=1e-3)
    marks = [rect for rect in root.iter(f"{SVG}rect") if rect.get("fill") == figures.EXPERT_COLOURS[0]]
    (middle,) = [float(mark.get("x") or 0) + float(mark.get("width") or 0) / 2 for mark in marks]
    assert middle == pytest.approx(ticks[low] + scale * area.experts[0], abs=1e-3)


def test_without_experts_there_is_no_agreement_and_without_marks_there_is_a_page() -> None:
    none = SESSION.experts[:0]
    alone = page(experts=none, expert_names=())
    assert "no experts to compare with" in alone
    assert "GED" not in text_of(alone)
    empty = page(experts=none, expert_names=(), samples=np.zeros_like(SESSION.samples), drawings=())
    assert "All 5 readings see nothing" in empty
    assert len(drawings_of(empty)) == 2 + 1 + 3


def test_many_readings_and_experts_make_a_page() -> None:
    samples = np.concatenate([discs(*np.linspace(1, 20, 100))])
    experts = discs(*np.linspace(5, 8, 12))
    html = page(samples=samples, seeds=tuple(range(100)), experts=experts, expert_names=("Dr.",) * 12, threshold=0.0)
    assert len(list(drawings_of(html)[-1].iter(f"{SVG}title"))) == 1200
    assert len(html) < 2_000_000
    assert f"{len([m for m in modes(samples) if m.share.count > 1])} ways to read" in text_of(html)


def test_a_session_without_readings_and_a_place_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputImageError, match="run a model first"):
        page(samples=SESSION.samples[:0], seeds=())
    (tmp_path / "file").touch()
    with pytest.raises(DataFileError, match="cannot write"):
        save_report(tmp_path / "file" / "x.html", SESSION, made=MADE)


def test_the_file_is_the_page(tmp_path: Path) -> None:
    save_report(tmp_path / "x.html", SESSION, made=MADE)
    assert (tmp_path / "x.html").read_text(encoding="utf-8") == page()
