"""Runs beside each other: reading against reading of the same seed, at every threshold."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ambiseg.readings.agreement import overlap
from napari_ambiseg.readings.relative_area import relative_area
from napari_ambiseg.viewer.comparing.run_list import FiguresOf
from napari_ambiseg.viewer.comparing.side_by_side import SideBySide, cautions, head, run_lines, side_by_side
from napari_ambiseg.viewer.session.result import Result
from tests.viewer.comparing.conftest import independent


def other(result: Result, readings: np.ndarray | None = None, seeds: tuple[int, ...] | None = None) -> Result:
    """The same run with other readings, or other seeds."""
    sampled = result.sampled
    readings = sampled.readings if readings is None else readings
    return Result(result.request, replace(sampled, readings=readings, seeds=seeds or sampled.seeds))


def figures(beside: SideBySide, threshold: float) -> list:
    return [FiguresOf()(one, threshold) for one in beside.results]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.8])
def test_iou_of_one_seed_is_that_of_the_masks_that_are_left(result: Result, threshold: float) -> None:
    moved = np.roll(result.sampled.readings, 3, axis=1)
    moved[4] = False
    order = np.random.default_rng(1).permutation(16)  # the seeds of the other run come in another order
    shuffled = other(result, moved[order], tuple(result.sampled.seeds[i] for i in order))
    beside = side_by_side([result, shuffled])
    assert beside.seeds == result.sampled.seeds
    left = relative_area(result.sampled.readings, threshold), relative_area(moved, threshold)
    expected = [overlap(samples=a[None], experts=b[None]).iou[0, 0] for a, b in zip(*left, strict=True)]
    found = beside.iou(figures(beside, threshold))
    np.testing.assert_allclose(found[1], expected)
    np.testing.assert_array_equal(found[0], 1.0)


def test_a_run_beside_itself_agrees(result: Result) -> None:
    beside = side_by_side([result, other(result)])
    lines = "\n".join(run_lines(beside, 1, figures(beside, 0.0)))
    assert "same seed as A: mean IoU 1.00, least 1.00" in lines
    empty = int((~result.sampled.readings.any(axis=(1, 2))).sum())
    assert f"sees nothing: one alone 0, both {empty} of 16" in lines


def test_seeds_of_which_neither_marks_anything_do_not_flatter(result: Result) -> None:
    drawn = np.flatnonzero(result.sampled.readings.any(axis=(1, 2)))
    theirs = result.sampled.readings.copy()
    theirs[drawn[0]] = False
    theirs[drawn[1:]] ^= result.sampled.readings.any(axis=0)  # the rest of all that is marked by any
    beside = side_by_side([result, other(result, theirs)])
    lines = "\n".join(run_lines(beside, 1, figures(beside, 0.0)))
    others = [overlap(samples=result.sampled.readings[[i]], experts=theirs[[i]]).iou[0, 0] for i in drawn]
    assert f"mean IoU {np.mean(others):.2f}, least 0.00" in lines
    one = int((theirs.any(axis=(1, 2)) != result.sampled.readings.any(axis=(1, 2))).sum())
    assert f"sees nothing: one alone {one}, both {16 - len(drawn)} of 16" in lines
    assert "same seed" not in "\n".join(run_lines(beside, 0, figures(beside, 0.0)))


def test_only_shared_seeds_are_columns(result: Result) -> None:
    few = other(result, result.sampled.readings[2:6], result.sampled.seeds[2:6])
    beside = side_by_side([result, few])
    assert beside.seeds == result.sampled.seeds[2:6]
    np.testing.assert_array_equal(beside.numbers, [[2, 3, 4, 5], [0, 1, 2, 3]])
    assert "They share 4 seeds" in head(beside)
    assert any("number of readings" in caution for caution in cautions(beside))


def test_without_a_common_seed_there_are_figures_only(result: Result) -> None:
    beside = side_by_side([result, other(result, seeds=tuple(range(10**6, 10**6 + 16)))])
    assert beside.seeds == ()
    assert "no seed in common" in head(beside)
    assert beside.iou(figures(beside, 0.1)).shape == (2, 0)
    assert run_lines(beside, 1, figures(beside, 0.1))[1].startswith("GED ")


def test_pictures_of_another_size_are_not_laid_on_each_other(result: Result) -> None:
    beside = side_by_side([result, other(result, result.sampled.readings[:, :60])])
    assert beside.seeds == ()


def test_what_makes_figures_incomparable_is_said(result: Result) -> None:
    assert cautions(side_by_side([result, other(result)])) == ()
    request = result.request
    masks = replace(request.experts, masks=request.experts.masks[::-1])
    placed = replace(result.sampled.placement, origin_px=(1.0, 2.0))
    pixels = replace(request.slice_input, pixels=request.slice_input.pixels + 1)
    for changed, words in (
        (Result(replace(request, experts=masks), result.sampled), "different experts"),
        (Result(request, replace(result.sampled, placement=placed)), "same box"),
        (Result(replace(request, slice_input=pixels), result.sampled), "image was changed"),
        (Result(replace(request, settings=replace(request.settings, model="b")), result.sampled), "models differ"),
        (independent(result), "pairs lower GED, so compare the unbiased one"),
    ):
        (caution,) = cautions(side_by_side([result, changed]))
        assert words in caution


def test_runs_in_pairs_and_independent_ones_are_told_apart(result: Result) -> None:
    beside = side_by_side([result, independent(result)])
    heads = [run_lines(beside, run, figures(beside, 0.0))[0] for run in (0, 1)]
    assert [line.endswith(", independent") for line in heads] == [False, True]
    assert cautions(side_by_side([independent(result)] * 2)) == ()
    nobody = replace(result.request.experts, masks=result.request.experts.masks[:0], names=())
    alone = [Result(replace(one.request, experts=nobody), one.sampled) for one in beside.results]
    assert cautions(side_by_side(alone)) == ()  # there is no GED
