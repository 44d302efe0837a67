"""What defines a training run: one complete, typed record, written with the run and into every checkpoint."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_ambiseg.errors import SettingsError


class AugmentConfig(BaseModel):
    """Random changes of a training example; probabilities are per example.

    Attributes:
        flip: Probability of each flip, and of a random multiple of 90 degrees.
        affine: Probability of a small rotation, scaling and shift.
        rotate_degrees: Largest rotation.
        scale: Largest relative change of size.
        shift_px: Largest shift in pixels.
        grey: Probability of each change of gamma, contrast and brightness.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    flip: float = Field(default=0.5, ge=0, le=1)
    affine: float = Field(default=0.3, ge=0, le=1)
    rotate_degrees: float = Field(default=20.0, ge=0, le=180)
    scale: float = Field(default=0.1, ge=0, lt=1)
    shift_px: float = Field(default=8.0, ge=0)
    grey: float = Field(default=0.3, ge=0, le=1)


class ValidationConfig(BaseModel):
    """How a run judges itself on the patients it holds out.

    Attributes:
        every: Steps between judgements; 0 judges at checkpoints by the loss alone.
        slices: Held-out slices that are read, evenly spaced.
        readings: Readings of each.
        steps: Denoiser calls per reading.
        sampler: Name of the sampler.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    every: int = Field(default=0, ge=0)
    slices: int = Field(default=64, ge=1)
    readings: int = Field(default=4, ge=1)
    steps: int = Field(default=10, ge=1, le=1000)
    sampler: str = "ddim"


class EnergyConfig(BaseModel):
    """How the readings are drawn that the energy loss compares with the experts' (``trainer.objectives.energy``).

    Attributes:
        steps: Numbers of denoiser calls per reading, of which each batch draws one; gradients pass through all calls.
        sampler: Name of the sampler.
        published: Number N of readings whose GED as published is to be smallest; 0 is the proper score.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(default=(4, 6), min_length=1)
    sampler: str = "dpm++2m"
    published: int = Field(default=0, ge=0)


class FitConfig(BaseModel):
    """One training run.

    Attributes:
        recipe: Name of the recipe that it started from.
        kind: Kind of model (``trainer.kinds``).
        size: Named size of its network: paper, small, mini or tiny.
        backbone: Whose UNet: the kind's own, the diffusion model's (unet), or the Generalized Probabilistic UNet's
            (Table 4). PHiSeg knows only its own.
        attention_window: Side of the windows that the diffusion model's UNet splits a larger map into for attention, in
            that map's pixels; 0 is none. For grids above 256: attention over the whole map takes a third of the time at
            512.
        grid_px: Side of the square that the model reads, in pixels of the data.
        crop: Where that square lies on the slice: in the middle, or anywhere.
        experts: Which experts a batch shows: one at random for each slice, or all of each slice.
        prediction: What a diffusion network predicts.
        energy: A trained diffusion model goes on with the energy of the readings that it draws; None minimises the
            squared error of the denoised mask.
        weighting: Weighting of that error by name.
        time_factor: Whether the weighting is multiplied by -dlam/dt.
        input_scale: Input scale b of the schedule.
        self_conditioning: Whether the denoiser also sees its previous estimate (Chen et al., 2023).
        image_dropout: Probability that training hides the image, for classifier-free guidance (Ho & Salimans, 2022).
        latent: Latent distribution of a Probabilistic UNet: axis-aligned or full covariance, one Gaussian or a mixture.
        beta: Weight of a latent model's divergence.
        latent_l2: Factor on the squared weights of a Probabilistic UNet's prior and posterior.
        dropout: Probability that MC dropout silences a channel.
        steps: Optimizer steps.
        batch_size: Examples per step.
        learning_rate: Peak of AdamW's learning rate.
        warmup_steps: Steps of linear warm-up.
        decay_steps: Last steps, over which the rate falls to 0 along a cosine.
        optimizer: AdamW (decoupled weight decay), or Adam.
        weight_decay: The optimizer's.
        clip_norm: Largest norm of the gradient; 0 leaves it as it is.
        precision: Numbers that the network computes with; weights, loss and optimizer keep 32 bits.
        ema_decay: Decay of the moving average of the weights per step; 0 keeps none.
        holdout: Fraction of patients kept out of training and used for the validation loss.
        holdout_seed: Says which patients these are; None is the run's seed. Runs of several seeds that shall be judged
            on the same held-out patients give the same one.
        seed: Of initial weights, order, crops, augmentation, experts and noise.
        checkpoint_steps: Steps between checkpoints.
        log_steps: Steps between lines of the log.
        augment: Random changes of the examples.
        validation: How the run judges itself.
        result: Which weights are the run's result: the last, or those of the best validation GED.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: str
    kind: Literal["diffusion", "deterministic", "mc-dropout", "prob-unet", "phiseg"] = "diffusion"
    size: str = "paper"
    backbone: Literal["own", "unet", "prob-unet"] = "own"
    attention_window: int = Field(default=0, ge=0)
    grid_px: int = Field(default=128, ge=8)
    crop: Literal["central", "uniform"] = "central"
    experts: Literal["random", "all"] = "random"
    prediction: Literal["x", "eps", "v"] = "x"
    energy: EnergyConfig | None = None
    weighting: str = "truncated-snr"
    time_factor: bool = False
    input_scale: float = Field(default=0.1, gt=0)
    self_conditioning: bool = False
    image_dropout: float = Field(default=0.0, ge=0, lt=1)
    latent: Literal["aa", "aa-mix", "fc", "fc-mix"] = "aa"
    beta: float = Field(default=1.0, ge=0)
    latent_l2: float = Field(default=1e-5, ge=0)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    steps: int = Field(default=400_000, ge=1)
    batch_size: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    warmup_steps: int = Field(default=1_000, ge=0)
    decay_steps: int = Field(default=100_000, ge=0)
    optimizer: Literal["adamw", "adam"] = "adamw"
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float = Field(default=1.0, ge=0)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    holdout: float = Field(default=0.05, ge=0, lt=1)
    holdout_seed: int | None = Field(default=None, ge=0, lt=2**63)
    seed: int = Field(default=0, ge=0, lt=2**63)
    checkpoint_steps: int = Field(default=1_000, ge=1)
    log_steps: int = Field(default=50, ge=1)
    augment: AugmentConfig = AugmentConfig()
    validation: ValidationConfig = ValidationConfig()
    result: Literal["last", "best"] = "last"


class DataSource(BaseModel):
    """Where a run's slices come from.

    Attributes:
        names: HDF5 files, or ``phantom``.
        split: Group of the HDF5 files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: tuple[str, ...]
    split: str = "train"


class StartedFrom(BaseModel):
    """The model whose weights a run began with.

    Attributes:
        name: What it calls itself.
        sha256: Of its file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sha256: str


class RunDescription(BaseModel):
    """All that defines a run, as it is written beside its weights.

    Attributes:
        fit: Its configuration.
        data: Where its slices come from.
        data_sha256: Of their images and masks.
        started_from: The model that it began with; None if it began with random weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fit: FitConfig
    data: DataSource
    data_sha256: str
    started_from: StartedFrom | None = None


def read_config(path: Path) -> FitConfig:
    """A configuration from a file: one alone, or the ``config.json`` of a run.

    Raises:
        SettingsError: If it cannot be read, or is not valid.
    """
    try:
        fields = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SettingsError(f"cannot read the configuration {path} ({error}); give a recipe or another file") from error
    return _validated(fields["fit"] if isinstance(fields, dict) and "fit" in fields else fields)


SWITCHED_ON = {"energy"}
"""Records that are None until one of their fields is given."""

CHANGEABLE = {
    "steps",
    "decay_steps",
    "checkpoint_steps",
    "log_steps",
    "validation.every",
    "learning_rate",
    "clip_norm",
}
"""Fields that may change when a run is resumed; the others say what it is."""


def changed_for_resume(config: FitConfig, overrides: dict[str, object]) -> FitConfig:
    """The configuration of a run that goes on with other values of some fields.

    Raises:
        SettingsError: If a field cannot change on the way, or a value is not valid.
    """
    changed = with_overrides(config, overrides)
    if fixed := [key for key in overrides if key not in CHANGEABLE and getattr(config, key, None) != overrides[key]]:
        raise SettingsError(
            f"{', '.join(fixed)} cannot change while a run goes on; start a new run, or change "
            f"{', '.join(sorted(CHANGEABLE))} only"
        )
    return changed


def with_overrides(config: FitConfig, overrides: dict[str, object]) -> FitConfig:
    """A configuration with some fields replaced; ``augment.flip`` reaches into the nested record.

    A field of a record that is None (``energy.steps``) switches it on, with the defaults of its other fields.

    Raises:
        SettingsError: If a field does not exist or a value is not valid.
    """
    fields = config.model_dump()
    for key, value in overrides.items():
        owner = fields
        *parents, leaf = key.split(".")
        for parent in parents:
            nested = owner.get(parent)
            if nested is None and parent in SWITCHED_ON:
                nested = owner[parent] = {}
            if not isinstance(nested, dict):
                raise SettingsError(f"there is no setting {key!r}; see `python -m trainer fit --help`")
            owner = nested
        owner[leaf] = value
    return _validated(fields)


def parse_overrides(pairs: Sequence[str], **named: object) -> dict[str, object]:
    """Fields to replace from words like ``batch_size=4``; values are read as YAML, so that numbers are numbers.

    Args:
        pairs: The words.
        named: More fields; those that are None are left out.

    Raises:
        SettingsError: If a word is not FIELD=VALUE.
    """
    overrides = {key: value for key, value in named.items() if value is not None}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair!r} should be FIELD=VALUE, e.g. batch_size=4")
        try:
            overrides[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise SettingsError(f"--set {pair!r}: {value!r} is neither a number, a word nor a list") from None
    return overrides


def _validated(fields: object) -> FitConfig:
    try:
        return FitConfig.model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r})" for e in error.errors())
        raise SettingsError(f"these settings are not valid: {problems}") from error
