"""Which slices are taken, which seeds they get, and which protocols are refused."""

from dataclasses import replace

import numpy as np
import pytest

from napari_ambiseg import engine
from napari_ambiseg.errors import SettingsError
from trainer.evaluation.protocol import Protocol, evenly_spaced, slice_seed


@pytest.mark.parametrize(("total", "limit"), [(2792, 300), (10, 9), (7, 3), (100, 1), (5, 5)])
@pytest.mark.parametrize("seed", range(5))
def test_subset_is_sorted_unique_within_range_and_evenly_spaced(total: int, limit: int, seed: int) -> None:
    subset = evenly_spaced(total, limit, seed=seed)
    assert len(subset) == limit
    assert subset[0] >= 0
    assert subset[-1] < total
    gaps = np.diff([*subset, subset[0] + total])  # around the end too: no stretch is left out
    assert set(gaps) <= {total // limit, -(-total // limit)}


def test_subset_depends_on_its_seed_alone() -> None:
    assert evenly_spaced(2792, 300, seed=3) == evenly_spaced(2792, 300, seed=3)
    assert len({tuple(evenly_spaced(2792, 300, seed=seed)) for seed in range(9)}) > 4


def test_every_slice_is_as_likely_as_any_other() -> None:
    taken = np.bincount([i for seed in range(4000) for i in evenly_spaced(10, 3, seed=seed)], minlength=10)
    assert taken / 4000 == pytest.approx(np.full(10, 0.3), abs=0.04)


@pytest.mark.parametrize("limit", [None, 10, 11])
def test_no_limit_takes_every_slice(limit: int | None) -> None:
    assert evenly_spaced(10, limit, seed=1) == list(range(10))


def test_slices_have_seeds_of_their_own_that_the_command_line_takes() -> None:
    seeds = {slice_seed(f"a.h5/val/{i}", seed=seed) for i in range(500) for seed in (0, 1)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert slice_seed("a.h5/val/7", seed=0) == slice_seed("a.h5/val/7", seed=0)


def test_four_readings_are_the_first_four_of_sixteen() -> None:
    seed = slice_seed("a.h5/val/7", seed=0)
    assert engine.reading_seeds(seed, 16)[:4] == engine.reading_seeds(seed, 4)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"readings": ()}, "give positive numbers"),
        ({"readings": (0, 4)}, "give positive numbers"),
        ({"readings": (16, 4)}, "ascending"),
        ({"threshold": 1.5}, "1.5"),
        ({"limit": 0}, "limit is 0"),
        ({"crop": "uniform"}, "its side None"),
        ({"crop_px": 64}, "its side 64"),
    ],
)
def test_impossible_protocols_are_refused_by_name(protocol: Protocol, changes: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        replace(protocol, **changes)  # type: ignore[arg-type]


def test_the_area_that_is_judged_is_recorded_in_words(protocol: Protocol) -> None:
    assert protocol.as_json()["area"] == "whole slice"
    cropped = replace(protocol, crop="uniform", crop_px=64).as_json()
    assert (cropped["crop"], cropped["crop_px"]) == ("uniform", 64)
    assert cropped["area"] == "uniform crop, 64 x 64 pixels"
