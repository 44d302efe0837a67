"""Examples are what the slices say, and depend on (seed, step, example) alone."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from scipy import stats

from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import AugmentConfig, FitConfig
from trainer.data.augment import Transform, apply_geometry, apply_grey, draw_transform
from trainer.data.batches import BatchSource, Shard, split_by_patient
from trainer.data.holdout import Holdout

CONFIG = FitConfig(recipe="test", size="tiny", grid_px=16, batch_size=8)


def _square(side: int = 12) -> torch.Tensor:
    return torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0))


def test_a_plain_crop_moves_pixels_without_blur() -> None:
    image = _square(32)
    cropped = apply_geometry(image, [Transform(centre=(3.0, -2.0))], 16)
    torch.testing.assert_close(cropped, image[:, :, 11:27, 6:22], rtol=0, atol=2e-6)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_of_the_sampling_grid_turns_the_image_back(turns: int) -> None:
    image = _square()
    cos, sin = math.cos(turns * math.pi / 2), math.sin(turns * math.pi / 2)
    turned = apply_geometry(image, [Transform(linear=((cos, -sin), (sin, cos)))], 12)
    torch.testing.assert_close(turned, torch.rot90(image, -turns, (2, 3)), rtol=0, atol=2e-6)


def test_a_flip_equals_flip() -> None:
    image = _square()
    flipped = apply_geometry(image, [Transform(linear=((1.0, 0.0), (0.0, -1.0)))], 12)
    torch.testing.assert_close(flipped, image.flip(3), rtol=0, atol=2e-6)


def test_image_and_mask_turn_together() -> None:
    pair = _square().repeat(1, 2, 1, 1)
    transform = draw_transform(AugmentConfig(flip=1, affine=1, grey=0), np.random.default_rng(1), centre=(0.0, 0.0))
    out = apply_geometry(pair, [transform], 12)
    assert torch.equal(out[:, 0], out[:, 1])


def test_neutral_grey_changes_nothing_and_others_stay_in_range() -> None:
    unit = _square()
    torch.testing.assert_close(apply_grey(unit, [Transform()]), unit)
    bright = apply_grey(unit, [Transform(gamma=0.8, contrast=1.1, brightness=0.05)])
    assert bright.min() >= 0
    assert bright.max() <= 1


def test_without_augmentation_an_example_is_the_slice_and_one_of_its_readings(discs: SliceCollection) -> None:
    batch = BatchSource(discs, CONFIG, augment=False).batch(0)
    crops = {i: discs.normalised(i)[:, 8:24, 8:24] for i in range(len(discs))}
    for image, x in zip(batch.image.numpy(), batch.x.numpy(), strict=True):
        index = next(i for i, crop in crops.items() if np.abs(crop - image).max() < 1e-5)
        assert any(np.array_equal(x[0] > 0, mask[8:24, 8:24]) for mask in discs.readings[index])


def test_an_epoch_shows_every_slice_once(discs: SliceCollection) -> None:
    source = BatchSource(discs, CONFIG)
    names = [name for step in range(6) for name in source.names(step)]
    assert sorted(names[:24]) == sorted(names[24:]) == sorted(discs.names)
    assert names[:24] != names[24:]


def test_a_batch_depends_on_its_step_and_not_on_what_was_drawn_before(discs: SliceCollection) -> None:
    walked = BatchSource(discs, CONFIG)
    for step in range(5):
        walked.batch(step)
    again, fresh = walked.batch(2), BatchSource(discs, CONFIG).batch(2)
    for name in ("image", "x", "t", "eps"):
        assert torch.equal(getattr(again, name), getattr(fresh, name))
    assert not torch.equal(fresh.eps, BatchSource(discs, CONFIG).batch(3).eps)


def test_times_are_stratified(discs: SliceCollection) -> None:
    times = BatchSource(discs, CONFIG).batch(0).t
    assert sorted(int(t * 8) for t in times) == list(range(8))


def test_times_stay_in_64_bits_on_the_cpu_whatever_the_device(discs: SliceCollection) -> None:
    # Apple's GPUs refuse 64 bits; the schedule is computed in them and handed over in the network's own.
    moved = BatchSource(discs, CONFIG).batch(0).to(torch.device("meta"))
    assert {tensor.device.type for tensor in (moved.image, moved.x, moved.eps)} == {"meta"}
    assert (moved.t.device.type, moved.t.dtype) == ("cpu", torch.float64)


def test_uniform_crops_are_uniform_reach_the_corners_and_stay_inside(discs: SliceCollection) -> None:
    places = np.arange(32 * 32, dtype=np.float32).reshape(1, 32, 32) / 1023  # each pixel says where it is
    config = CONFIG.model_copy(update={"crop": "uniform"})
    source = BatchSource(replace(discs, images=np.repeat(places, len(discs), axis=0)), config, augment=False)
    corners = np.concatenate([source.batch(step).image[:, 0, 0, 0].numpy() for step in range(400)])
    first = np.rint((corners + 0.5) / 2.5 * 1023).astype(int)
    for origins in (first // 32, first % 32):
        counts = np.bincount(origins)
        assert len(counts) == 17
        assert stats.chisquare(counts).pvalue > 0.01


def test_a_central_crop_of_an_odd_difference_moves_whole_pixels(discs: SliceCollection) -> None:
    config = CONFIG.model_copy(update={"grid_px": 17})
    source = BatchSource(discs, config, augment=False)
    for image, name in zip(source.batch(0).image.numpy(), source.names(0), strict=True):
        whole = discs.normalised(discs.names.index(name))
        np.testing.assert_allclose(image, whole[:, 7:24, 7:24], rtol=0, atol=1e-5)


def test_threads_that_ask_in_any_order_get_the_same_batches(discs: SliceCollection) -> None:
    steps = np.random.default_rng(0).permutation(60).tolist()
    alone = [BatchSource(discs, CONFIG).batch(step) for step in steps]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(BatchSource(discs, CONFIG).batch, steps))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.eps, other.eps)
        assert one.seeds == other.seeds


@pytest.mark.parametrize("experts", ["random", "all"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_shards_together_are_the_whole_batch(
    patchy: SliceCollection, experts: Literal["random", "all"], count: int
) -> None:
    config = CONFIG.model_copy(update={"experts": experts, "crop": "uniform"})
    shards = [BatchSource(patchy, config, shard=Shard(i, count)) for i in range(count)]
    whole = BatchSource(patchy, config)
    for step in (0, 2, 7):
        parts, one = [shard.batch(step) for shard in shards], whole.batch(step)
        for name in ("image", "x", "t", "eps"):
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(one, name))
        assert sum((part.seeds for part in parts), ()) == one.seeds
        assert sum((shard.names(step) for shard in shards), ()) == whole.names(step)


def test_neighbours_share_a_slice_its_crop_and_its_augmentation(discs: SliceCollection) -> None:
    config = CONFIG.model_copy(update={"experts": "all", "crop": "uniform"})
    source = BatchSource(discs, config)
    batch, names = source.batch(3), source.names(3)
    for first in (0, 4):
        assert len(set(names[first : first + 4])) == 1
        assert all(torch.equal(batch.image[first], batch.image[first + i]) for i in range(4))
    assert names[0] != names[4]
    assert len({batch.eps[i].sum().item() for i in range(8)}) == len(set(batch.seeds)) == 8


def test_a_batch_of_all_experts_shows_each_of_them(discs: SliceCollection) -> None:
    source = BatchSource(discs, CONFIG.model_copy(update={"experts": "all"}), augment=False)
    for step in range(12):
        shown = source.batch(step).x.numpy().reshape(2, 4, 16, 16) > 0
        for masks, name in zip(shown, source.names(step)[::4], strict=True):
            np.testing.assert_array_equal(masks, discs.readings[discs.names.index(name), :, 8:24, 8:24])


def test_no_patient_trains_and_validates(discs: SliceCollection) -> None:
    training, held_out = split_by_patient(discs, Holdout(0.25, seed=3))
    assert len(training) + len(held_out) == len(discs)
    assert set(training.subjects).isdisjoint(held_out.subjects)
    assert len(set(held_out.subjects)) == 2


def test_a_single_patient_trains(discs: SliceCollection) -> None:
    training, held_out = split_by_patient(discs.subset([0, 1, 2]), Holdout(0.9, seed=0))
    assert (len(training), len(held_out)) == (3, 0)


def test_slices_smaller_than_the_grid_are_refused(discs: SliceCollection) -> None:
    with pytest.raises(DataFileError, match="smaller than the model's grid of 64"):
        BatchSource(discs, CONFIG.model_copy(update={"grid_px": 64}))


def test_an_empty_collection_is_refused(discs: SliceCollection) -> None:
    with pytest.raises(DataFileError, match="no slices"):
        BatchSource(discs.subset([]), CONFIG)


def test_a_batch_that_does_not_hold_whole_slices_is_refused(discs: SliceCollection) -> None:
    config = CONFIG.model_copy(update={"experts": "all", "batch_size": 6})
    with pytest.raises(SettingsError, match=r"a batch of 6 .* all of 4 readers; .* --set batch_size=8"):
        BatchSource(discs, config)


def test_the_run_s_seed_says_who_is_held_out_unless_the_run_names_another() -> None:
    assert Holdout.of(CONFIG.model_copy(update={"seed": 3, "holdout": 0.25})) == Holdout(0.25, 3)
    named = CONFIG.model_copy(update={"seed": 3, "holdout": 0.25, "holdout_seed": 0})
    assert Holdout.of(named) == Holdout(0.25, 0)


def test_who_is_held_out_depends_on_the_patients_and_not_on_the_order_of_their_slices(discs: SliceCollection) -> None:
    held = Holdout(0.25, 3).patients(discs.subjects)
    assert held == Holdout(0.25, 3).patients(sorted(discs.subjects, reverse=True))
    assert held == set(split_by_patient(discs, Holdout(0.25, seed=3))[1].subjects)
    assert Holdout(0.999, 3).patients(discs.subjects) < set(discs.subjects)
    assert Holdout(0.0, 3).patients(discs.subjects) == frozenset()
