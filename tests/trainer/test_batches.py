"""Examples are what the slices say, and depend on (seed, step, example) alone."""

import math

import numpy as np
import pytest
import torch

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import AugmentConfig, FitConfig
from trainer.data.augment import Transform, apply_geometry, apply_grey, draw_transform
from trainer.data.batches import BatchSource, split_by_patient

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
    assert sorted(source._slice_at(i) for i in range(24)) == list(range(24))
    assert sorted(source._slice_at(i) for i in range(24, 48)) == list(range(24))


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


def test_uniform_crops_reach_the_corners_and_stay_inside(discs: SliceCollection) -> None:
    config = CONFIG.model_copy(update={"crop": "uniform", "batch_size": 8})
    source = BatchSource(discs, config, augment=False)
    centres = np.array([source._draw_transform(step, i).centre for step in range(200) for i in range(8)])
    assert set(np.unique(centres)) == {float(c) for c in range(-8, 9)}


def test_experts_are_drawn_equally_often(discs: SliceCollection) -> None:
    source = BatchSource(discs, CONFIG)
    drawn = [source._draw_expert(step, i, 0) for step in range(250) for i in range(8)]
    counts = np.bincount(drawn, minlength=4)
    assert counts.sum() == 2000
    assert np.abs(counts - 500).max() < 5 * math.sqrt(2000 * 0.25 * 0.75)


def test_no_patient_trains_and_validates(discs: SliceCollection) -> None:
    training, held_out = split_by_patient(discs, 0.25, seed=3)
    assert len(training) + len(held_out) == len(discs)
    assert set(training.subjects).isdisjoint(held_out.subjects)
    assert len(set(held_out.subjects)) == 2


def test_a_single_patient_trains(discs: SliceCollection) -> None:
    training, held_out = split_by_patient(discs.subset([0, 1, 2]), 0.9, seed=0)
    assert (len(training), len(held_out)) == (3, 0)


def test_slices_smaller_than_the_grid_are_refused(discs: SliceCollection) -> None:
    with pytest.raises(DataFileError, match="smaller than the model's grid of 64"):
        BatchSource(discs, CONFIG.model_copy(update={"grid_px": 64}))


def test_an_empty_collection_is_refused(discs: SliceCollection) -> None:
    with pytest.raises(DataFileError, match="no slices"):
        BatchSource(discs.subset([]), CONFIG)
