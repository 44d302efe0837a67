"""Rows of runs: figures are those of the masks that the threshold leaves; what is copied is what is there."""

from collections.abc import Callable
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from napari.layers import Image

from napari_ambiseg.models.segmenter import SamplingOptions
from napari_ambiseg.readings.agreement import compare, compare_pairs
from napari_ambiseg.readings.relative_area import relative_area
from napari_ambiseg.viewer.asking.worker import draw
from napari_ambiseg.viewer.comparing import over_slices
from napari_ambiseg.viewer.comparing.run_list import (
    FiguresOf,
    as_text,
    cells,
    row_told,
    sampler_name,
    slice_name,
    way_name,
)
from napari_ambiseg.viewer.comparing.run_table import rows_of
from napari_ambiseg.viewer.image.experts import Experts
from napari_ambiseg.viewer.session import variants
from napari_ambiseg.viewer.session.result import Result
from tests.viewer.comparing.conftest import independent


def without_experts(result: Result) -> Result:
    experts = Experts(masks=np.zeros((0, 64, 64), np.bool_), names=())
    return Result(replace(result.request, experts=experts), result.sampled)


def volume() -> Image:
    return Image(np.random.default_rng(0).random((4, 64, 64), dtype=np.float32), scale=(1, 0.5, 0.5))


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
def test_figures_are_those_of_the_masks_that_are_left(result: Result, threshold: float) -> None:
    found = FiguresOf()(result, threshold)
    left = relative_area(result.sampled.readings, threshold)
    expected = compare(samples=left, experts=result.request.experts.masks, seeds=result.sampled.seeds)
    assert found.ged == pytest.approx(expected.ged)
    assert found.ged_unbiased == pytest.approx(expected.ged_unbiased)
    assert found.mean_dice == pytest.approx(expected.mean_dice)
    assert found.empty == int((~left.any(axis=(1, 2))).sum())
    np.testing.assert_allclose(found.area.samples, left.sum(axis=(1, 2)) * 0.25)  # pixels of half a millimetre


def test_nothing_is_compared_anew_while_the_same_readings_are_left(
    result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    monkeypatch.setattr(
        "napari_ambiseg.viewer.comparing.run_list.compare_pairs",
        lambda pairs: compared.append(1) or compare_pairs(pairs),
    )
    figures = FiguresOf()
    assert figures(result, 0.0) is figures(result, 0.001)  # empties nothing
    assert len(compared) == 1
    figures(result, 1.0)
    assert len(compared) == 2
    figures.forget_all_but([])
    figures(result, 1.0)
    assert len(compared) == 3


def test_without_experts_there_is_nothing_to_compare_with(result: Result) -> None:
    alone = without_experts(result)
    found = FiguresOf()(alone, 0.0)
    assert (found.ged, found.mean_dice) == (None, None)
    assert cells(alone, found)[:2] == ("–", "–")
    assert found.empty == FiguresOf()(result, 0.0).empty
    assert "No experts to compare with" in row_told(alone, found)


def test_what_is_copied_has_a_line_for_each_run_with_all_figures(result: Result) -> None:
    results = (result, without_experts(result))
    figures = [FiguresOf()(one, 0.3) for one in results]
    head, first, second = (line.split("\t") for line in as_text(results, figures, 0.3).splitlines())
    row = dict(zip(head, first, strict=True))
    assert float(row["GED"]) == pytest.approx(figures[0].ged, abs=1e-6)
    assert float(row["mean Dice"]) == pytest.approx(figures[0].mean_dice, abs=1e-6)
    assert (row["readings"], row["empty"], row["seed"]) == ("16", str(figures[0].empty), "0")
    assert (row["model"], row["threshold"]) == ("toy", "0.3")
    assert dict(zip(head, second, strict=True))["GED"] == ""


def test_a_sampler_is_named_with_all_that_is_not_usual() -> None:
    assert sampler_name(SamplingOptions(sampler="ddim")) == "ddim"
    assert sampler_name(SamplingOptions(sampler="ddim", eta=0.5)) == "ddim, eta 0.5"
    assert sampler_name(SamplingOptions(sampler="ddpm", eta=0.5)) == "ddpm"  # which does not look at it
    assert sampler_name(SamplingOptions(sampler="ddpm", guidance=2.0)) == "ddpm, guidance 2"


def test_a_way_says_that_readings_are_independent_where_they_are(result: Result) -> None:
    options = result.sampled.options
    way = f"{options.steps} steps, {sampler_name(options)}"
    assert (way_name(result), way_name(independent(result))) == (way, f"{way}, independent")
    at_once = independent(Result(result.request, replace(result.sampled, log_snr=np.array([np.inf]))))
    assert way_name(at_once) == "one step, independent"
    for run, count in ((result, "16 readings, in pairs, seed 0"), (independent(result), "16 readings, seed 0")):
        assert row_told(run, FiguresOf()(run, 0.0)).splitlines()[1:3] == [f"toy: {way_name(run)}", count]


def test_runs_stand_under_their_slices_in_the_order_of_the_volume(make_result: Callable[..., Result]) -> None:
    image = volume()
    third, first, again = (make_result(layer=image, point=(z, 0, 0), readings=2) for z in (3.0, 1.0, 3.0))
    figures = [FiguresOf()(one, 0.0) for one in (third, first, again)]
    rows = rows_of([third, first, again], figures)
    assert [row.heading for row in rows] == ["slice, slice 1", "", "slice, slice 3", "", ""]
    assert next(row.result for row in rows if row.result is not None) is first
    assert [row.result is one for row, one in zip(rows[3:], (third, again), strict=True)] == [True, True]
    assert all(not row.heading for row in rows_of([third, again], figures[:2]))  # one slice needs none


def test_another_number_of_steps_keeps_slice_and_seeds(result: Result) -> None:
    request = variants.with_steps(result.request, 5)
    assert request.settings == replace(result.request.settings, options=SamplingOptions(steps=5))
    assert request.where == result.request.where
    (again,) = (news for news in draw([request], Event()) if isinstance(news, Result))
    assert again.sampled.seeds == result.sampled.seeds
    assert way_name(again).startswith("5 steps, ")


def test_what_is_drawn_already_is_known(result: Result) -> None:
    options = result.request.settings.options
    assert variants.is_drawn(variants.with_steps(result.request, options.steps), [result])
    assert not variants.is_drawn(variants.with_steps(result.request, options.steps + 1), [result])
    assert not variants.is_drawn(variants.with_steps(result.request, options.steps), [])
    ddpm = variants.with_sampler(result.request, "ddpm")
    noisy = replace(ddpm, settings=replace(ddpm.settings, options=replace(ddpm.settings.options, eta=0.7)))
    assert variants.is_drawn(noisy, [Result(ddpm, result.sampled)])  # ddpm does not look at eta
    assert not variants.is_drawn(replace(ddpm, settings=replace(ddpm.settings, seed=1)), [Result(ddpm, result.sampled)])
    for changes in ({"antithetic": False}, {"readings": 15}):
        other = replace(result.request, settings=replace(result.request.settings, **changes))
        assert not variants.is_drawn(other, [result])
        assert variants.is_drawn(other, [result, Result(other, result.sampled)])


def test_areas_over_slices_are_of_the_newest_run_of_each_slice_in_the_same_way(
    make_result: Callable[..., Result],
) -> None:
    image, other = volume(), volume()
    one, two, newer, else_ = (
        make_result(layer=layer, point=(z, 0, 0), readings=4)
        for layer, z in ((image, 2.0), (image, 0.0), (image, 2.0), (other, 1.0))
    )
    steps = Result(variants.with_steps(two.request, 500), two.sampled)
    unpaired = independent(newer)
    runs = [one, two, newer, else_, steps, unpaired]
    assert [id(r) for r in over_slices.of_one_lesion(runs, two)] == [id(two), id(newer)]
    assert [id(r) for r in over_slices.of_one_lesion(runs, one)] == [id(two), id(one)]  # what is shown is in it
    assert [id(r) for r in over_slices.of_one_lesion(runs, unpaired)] == [id(unpaired)]  # not beside those in pairs
    assert [id(r) for r in over_slices.of_one_lesion(runs, steps)] == [id(steps)]
    assert over_slices.of_one_lesion(runs, None) == ()
    flat = make_result(readings=2)
    assert over_slices.of_one_lesion([flat], flat) == ()
    assert slice_name(two) == "slice, slice 0"


def test_a_row_of_areas_has_median_and_band_of_those_that_mark_something(make_result: Callable[..., Result]) -> None:
    result = make_result(layer=volume(), point=(2.0, 0, 0))
    found = FiguresOf()(result, 0.0)
    areas = result.sampled.readings.sum(axis=(1, 2)) * 0.25
    drawn = areas[areas > 0]
    number, spread, nothing, experts = over_slices.cells(result, found)
    assert number == "2"
    numbers = [float(text) for text in spread.replace("(", "").replace(")", "").replace("–", " ").split()]
    np.testing.assert_allclose(numbers, [np.median(drawn), *np.percentile(drawn, (5, 95))], atol=0.5)
    assert nothing == f"{(areas == 0).sum()} of 16"
    assert 0 < (areas == 0).sum() < 16
    assert experts.endswith(" · –")  # expert C marked nothing
    text = over_slices.as_text([result], [found], 0.0).splitlines()
    assert dict(zip(text[0].split("\t"), text[1].split("\t"), strict=True))["E3 mm2"] == "0.00"
