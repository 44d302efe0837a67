"""Training examples: which slice, which expert, which crop, how augmented; all a function of (seed, step, example)."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from napari_ambiseg.diffusion.sampling import SeededNoise
from napari_ambiseg.errors import DataFileError, SettingsError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig
from trainer.data.augment import Transform, apply_geometry, apply_grey, draw_transform
from trainer.data.examples import Example, Examples, next_multiple
from trainer.data.holdout import Holdout
from trainer.data.random import Purpose, generator


@dataclass(frozen=True, slots=True)
class Batch:
    """What a step learns from.

    Attributes:
        image: Normalised images (B, 1, h, w).
        x: One expert's mask each (B, 1, h, w), in {-1, +1}.
        t: Diffusion times (B,), stratified over [0, 1]; in 64 bits, and always on the CPU.
        eps: Gaussian noise (B, 1, h, w).
        seeds: One an example, for whatever else an objective draws.
        per_slice: Examples in a row that show the same slice in the same way, each a reader of it; 1 if readers are
            drawn at random.
        seed: For what is drawn once for the whole batch; the same in all its parts.
    """

    image: Tensor
    x: Tensor
    t: Tensor
    eps: Tensor
    seeds: tuple[int, ...]
    per_slice: int = 1
    seed: int = 0

    def to(self, device: torch.device) -> "Batch":
        """The same on another device, but for the times: not every device has 64 bits."""
        image, x, eps = (tensor.to(device) for tensor in (self.image, self.x, self.eps))
        return replace(self, image=image, x=x, eps=eps)

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
    """Draws batches from a collection; ``batch(step)`` is a pure function of the step, for any number of threads.

    Args:
        collection: The slices.
        config: Sizes, experts, crop, augmentation and seed.
        augment: Whether examples are changed at random.
        shard: The part of each batch that is drawn here.

    Raises:
        DataFileError: If there is no slice, one without a reader, or they are smaller than the model's grid.
        SettingsError: If the batch splits evenly neither over the processes nor over the readers of a slice, or the
            energy loss would not see all readers of a slice together.
    """

    def __init__(
        self, collection: SliceCollection, config: FitConfig, *, augment: bool = True, shard: Shard = WHOLE
    ) -> None:
        if min(collection.images.shape[1:]) < config.grid_px:
            raise DataFileError(
                f"slices of {collection.images.shape[1:]} pixels are smaller than the model's grid of "
                f"{config.grid_px}; choose a recipe with a smaller grid or prepare larger slices"
            )
        self._data = collection
        self._config = config
        self._augment = augment
        self._mine = shard.examples(config.batch_size)
        self._examples = Examples(collection.filled, config)
        if config.energy is not None and config.experts == "all":
            _require_whole_slices(shard.count, config.batch_size, readers=collection.filled.shape[1])

    def batch(self, step: int) -> Batch:
        """This shard's part of the batch of a step, counted from 0."""
        config, scale = self._config, self._data.intensity
        examples = [self._examples.at(step, i) for i in self._mine]
        drawn = {leader: self._draw_transform(step, leader) for leader in {e.leader for e in examples}}
        transforms = [drawn[e.leader] for e in examples]
        unit, masks = apply_geometry(self._stack(examples), transforms, config.grid_px).split(1, dim=1)
        return Batch(
            image=apply_grey(unit, transforms).mul_(scale.high - scale.low).add_(scale.low),
            x=torch.where(masks > 0.5, 1.0, -1.0),
            t=self._times(step),
            eps=self._noise(step),
            seeds=self._seeds(step),
            per_slice=self._examples.per_slice,
            seed=_seed(self._config.seed, step, example=0, purpose=Purpose.BATCH),
        )

    def names(self, step: int) -> tuple[str, ...]:
        """The slices that this shard's part of a batch shows, an entry per example."""
        return tuple(self._data.names[self._examples.at(step, i).index] for i in self._mine)

    def _draw_transform(self, step: int, example: int) -> Transform:
        seed = self._config.seed
        free = [n - self._config.grid_px for n in self._data.images.shape[1:]]
        first = [n // 2 for n in free]
        if self._config.crop == "uniform":
            rng = generator(seed, step=step, example=example, purpose=Purpose.CROP)
            first = [int(rng.integers(n + 1)) for n in free]
        centre = (first[0] - free[0] / 2, first[1] - free[1] / 2)
        if not self._augment:
            return Transform(centre=centre)
        rng = generator(seed, step=step, example=example, purpose=Purpose.AUGMENT)
        return draw_transform(self._config.augment, rng, centre=centre)

    def _stack(self, examples: list[Example]) -> Tensor:
        """Grey values in [0, 1] and masks (B, 2, H, W)."""
        slices, readers = [e.index for e in examples], [e.reader for e in examples]
        stack = np.empty((len(examples), 2, *self._data.images.shape[1:]), np.float32)
        unit = np.float32(255.0 if self._data.images.dtype == np.uint8 else 1.0)
        np.divide(self._data.images[slices], unit, out=stack[:, 0])
        stack[:, 1] = self._data.readings[slices, readers]
        return torch.from_numpy(stack)

    def _times(self, step: int) -> Tensor:
        """Stratified times: one in each of B equal parts of [0, 1], in random order."""
        size = self._config.batch_size
        rng = generator(self._config.seed, step=step, example=0, purpose=Purpose.TIME)
        times = (rng.permutation(size) + rng.random(size)) / size
        return torch.from_numpy(times[self._mine.start : self._mine.stop])

    def _noise(self, step: int) -> Tensor:
        side = self._config.grid_px
        noise = np.empty((len(self._mine), 1, side, side), np.float32)
        for i, row in zip(self._mine, noise, strict=True):
            rng = generator(self._config.seed, step=step, example=i, purpose=Purpose.NOISE)
            rng.standard_normal(dtype=np.float32, out=row)
        return torch.from_numpy(noise)

    def _seeds(self, step: int) -> tuple[int, ...]:
        return tuple(_seed(self._config.seed, step, example=i, purpose=Purpose.LATENT) for i in self._mine)


def _seed(seed: int, step: int, *, example: int, purpose: Purpose) -> int:
    """A seed of 63 bits."""
    return int(generator(seed, step=step, example=example, purpose=purpose).integers(2**63))


def _require_whole_slices(processes: int, batch_size: int, *, readers: int) -> None:
    """The energy loss compares the readings of a slice with one another: a process must hold all of them."""
    if readers < 2:
        raise SettingsError(
            f"the energy loss draws as many readings of a slice as there are readers and compares them, but the data "
            f"have {readers}; give data with at least two"
        )
    if batch_size % (processes * readers):
        raise SettingsError(
            f"a batch of {batch_size} does not give {processes} processes whole slices with all of {readers} readers; "
            f"give a multiple of {processes * readers}, e.g. --set batch_size="
            f"{next_multiple(batch_size, processes * readers)}"
        )


def split_by_patient(collection: SliceCollection, holdout: Holdout) -> tuple[SliceCollection, SliceCollection]:
    """Training slices and held-out slices; no patient is in both, and at least one patient trains."""
    held = holdout.patients(collection.subjects)
    is_held = np.array([subject in held for subject in collection.subjects])
    return collection.subset(np.flatnonzero(~is_held)), collection.subset(np.flatnonzero(is_held))
