"""Training examples: which slice, which expert, which crop, how augmented; all a function of (seed, step, example)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_ambiseg.diffusion.sampling import SeededNoise
from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig
from trainer.data.augment import Transform, apply_geometry, apply_grey, draw_transform
from trainer.data.random import Purpose, generator


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step learns from.

    Attributes:
        image: Normalised images (B, 1, h, w).
        x: One expert's mask each (B, 1, h, w), in {-1, +1}.
        t: Diffusion times (B,), stratified over [0, 1].
        eps: Gaussian noise (B, 1, h, w).
        seeds: One an example, for whatever else an objective draws.
    """

    image: Tensor
    x: Tensor
    t: Tensor
    eps: Tensor
    seeds: tuple[int, ...]

    def to(self, device: torch.device) -> "Batch":
        """The same on another device."""
        tensors = {name: getattr(self, name).to(device) for name in ("image", "x", "t", "eps")}
        return Batch(**tensors, seeds=self.seeds)

    def noise(self, like: Tensor) -> Tensor:
        """Gaussian noise of the shape of ``like`` (B, ...): each example's from its seed; the same at every call."""
        return SeededNoise(self.seeds)(like)


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of every batch that one of several processes computes.

    Attributes:
        index: Which part, from 0.
        count: Number of parts; each is as large as the others.
    """

    index: int = 0
    count: int = 1

    def examples(self, batch_size: int) -> range:
        """Numbers of the examples of a batch that belong to this part."""
        if batch_size % self.count:
            raise SettingsError(
                f"a batch of {batch_size} does not split evenly over {self.count} processes; "
                "give a batch size that is a multiple of their number"
            )
        share = batch_size // self.count
        return range(self.index * share, (self.index + 1) * share)


WHOLE = Shard()


class BatchSource:
    """Draws batches from a collection; ``batch(step)`` is a pure function of the step.

    Args:
        collection: The slices.
        config: Sizes, crop, augmentation and seed.
        augment: Whether examples are changed at random.
        shard: The part of each batch that is drawn here.
    """

    def __init__(
        self, collection: SliceCollection, config: FitConfig, *, augment: bool = True, shard: Shard = WHOLE
    ) -> None:
        if len(collection) == 0:
            raise DataFileError("there are no slices to train on; give a data file with at least one")
        if min(collection.images.shape[1:]) < config.grid_px:
            raise DataFileError(
                f"slices of {collection.images.shape[1:]} pixels are smaller than the model's grid of "
                f"{config.grid_px}; choose a recipe with a smaller grid or prepare larger slices"
            )
        self._data = collection
        self._config = config
        self._augment = augment
        self._examples = shard.examples(config.batch_size)
        self._epoch = -1
        self._order: NDArray[np.int64] = np.arange(len(collection))

    def batch(self, step: int) -> Batch:
        """This shard's part of the batch of a step, counted from 0."""
        config, mine = self._config, self._examples
        slices = [self._slice_at(step * config.batch_size + i) for i in mine]
        experts = [self._draw_expert(step, i, s) for i, s in zip(mine, slices, strict=True)]
        transforms = [self._draw_transform(step, i) for i in mine]
        unit, masks = self._stack(slices, experts)
        unit, masks = apply_geometry(torch.cat([unit, masks], 1), transforms, config.grid_px).split(1, dim=1)
        scale = self._data.intensity
        image = scale.low + apply_grey(unit, transforms) * (scale.high - scale.low)
        return Batch(
            image=image,
            x=torch.where(masks > 0.5, 1.0, -1.0),
            t=self._times(step),
            eps=self._noise(step),
            seeds=self._seeds(step),
        )

    def _slice_at(self, position: int) -> int:
        """Slice at a position of the endless sequence of shuffled epochs."""
        epoch, place = divmod(position, len(self._data))
        if epoch != self._epoch:
            rng = generator(self._config.seed, step=epoch, example=0, purpose=Purpose.ORDER)
            self._order, self._epoch = rng.permutation(len(self._data)), epoch
        return int(self._order[place])

    def _draw_expert(self, step: int, example: int, index: int) -> int:
        rng = generator(self._config.seed, step=step, example=example, purpose=Purpose.EXPERT)
        readers = np.flatnonzero(self._data.filled[index])
        return int(readers[rng.integers(len(readers))])

    def _draw_transform(self, step: int, example: int) -> Transform:
        seed = self._config.seed
        centre = (0.0, 0.0)
        if self._config.crop == "uniform":
            rng = generator(seed, step=step, example=example, purpose=Purpose.CROP)
            free = [n - self._config.grid_px for n in self._data.images.shape[1:]]
            centre = (float(rng.integers(free[0] + 1)) - free[0] / 2, float(rng.integers(free[1] + 1)) - free[1] / 2)
        if not self._augment:
            return Transform(centre=centre)
        rng = generator(seed, step=step, example=example, purpose=Purpose.AUGMENT)
        return draw_transform(self._config.augment, rng, centre=centre)

    def _stack(self, slices: list[int], experts: list[int]) -> tuple[Tensor, Tensor]:
        images = self._data.images[slices]
        unit = torch.from_numpy(images.astype(np.float32) / (255.0 if images.dtype == np.uint8 else 1.0))
        masks = torch.from_numpy(self._data.readings[slices, experts].astype(np.float32))
        return unit[:, None], masks[:, None]

    def _times(self, step: int) -> Tensor:
        """Stratified times: one in each of B equal parts of [0, 1], in random order."""
        size = self._config.batch_size
        rng = generator(self._config.seed, step=step, example=0, purpose=Purpose.TIME)
        times = (rng.permutation(size) + rng.random(size)) / size
        return torch.from_numpy(times[self._examples.start : self._examples.stop])

    def _noise(self, step: int) -> Tensor:
        side = self._config.grid_px
        draws = [
            generator(self._config.seed, step=step, example=i, purpose=Purpose.NOISE).standard_normal(
                (1, side, side), dtype=np.float32
            )
            for i in self._examples
        ]
        return torch.from_numpy(np.stack(draws))

    def _seeds(self, step: int) -> tuple[int, ...]:
        draws = (generator(self._config.seed, step=step, example=i, purpose=Purpose.LATENT) for i in self._examples)
        return tuple(int(rng.integers(2**63)) for rng in draws)


def split_by_patient(
    collection: SliceCollection, fraction: float, seed: int
) -> tuple[SliceCollection, SliceCollection]:
    """Training slices and held-out slices; no patient is in both, and at least one patient trains."""
    patients = sorted(set(collection.subjects))
    rng = generator(seed, step=0, example=0, purpose=Purpose.HOLDOUT)
    held = {
        patients[i] for i in rng.permutation(len(patients))[: min(round(fraction * len(patients)), len(patients) - 1)]
    }
    is_held = np.array([subject in held for subject in collection.subjects])
    return collection.subset(np.flatnonzero(~is_held)), collection.subset(np.flatnonzero(is_held))
