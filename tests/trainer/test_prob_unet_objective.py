"""The evidence bound of the Probabilistic UNet: its value by hand, what it trains, and what is shipped."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional

from napari_ambiseg.models.checkpoint import load_checkpoint
from napari_ambiseg.models.latent import NAMED_LATENTS, LatentNoise, kl_divergence
from napari_ambiseg.models.prob_unet import ProbUNetSegmenter
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import DataSource, FitConfig, with_overrides
from trainer.data.batches import Batch, BatchSource
from trainer.data.sources import load_data
from trainer.fit import fit
from trainer.kinds import make_objective
from trainer.loop import start_run, train
from trainer.objectives.prob_unet import DRAWS, ProbUNetObjective
from trainer.paper_sizes import PAPER_MODELS, parameter_counts

CPU = torch.device("cpu")
CONFIG = FitConfig(
    recipe="test", kind="prob-unet", size="tiny", grid_px=16, steps=4, batch_size=4, learning_rate=2e-3,
    warmup_steps=2, decay_steps=2, holdout=0.2, checkpoint_steps=4, log_steps=2,
)  # fmt: skip


def made(**overrides: object) -> tuple[ProbUNetObjective, FitConfig]:
    torch.manual_seed(0)
    config = with_overrides(CONFIG, overrides)
    objective = make_objective(config)
    assert isinstance(objective, ProbUNetObjective)
    return objective, config


def batch_of(discs: SliceCollection, config: FitConfig) -> Batch:
    return BatchSource(discs, config).batch(0)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("prob-unet-aa", 6_847_129),
        ("prob-unet-aa-mix", 6_864_027),
        ("prob-unet-fc", 6_844_945),
        ("prob-unet-fc-mix", 6_882_467),
    ],
)
def test_in_training_the_published_model_has_the_published_number_of_parameters(name: str, count: int) -> None:
    objective, _ = made(**{**PAPER_MODELS[name], "size": "paper"})
    assert parameters(objective) == count
    posterior = parameters(objective.posterior)
    assert parameters(objective.model) == count - posterior
    assert posterior > 1_955_000


def test_the_table_of_models_counts_the_posterior() -> None:
    assert parameter_counts()["prob-unet-aa"] == 6_847_129


@pytest.mark.parametrize("latent", NAMED_LATENTS)
def test_the_loss_is_the_bound_written_out_for_each_example(latent: str, discs: SliceCollection) -> None:
    objective, config = made(latent=latent, beta=0.7, latent_l2=0.01)
    batch, model, shape = batch_of(discs, config), objective.model, NAMED_LATENTS[latent]
    total = 0.0
    for i in range(4):
        image, x = batch.image[i : i + 1], batch.x[i : i + 1]
        prior = model.prior(image)
        posterior = objective.posterior(torch.cat([image, x], dim=1))
        rng = torch.Generator().manual_seed(batch.seeds[i])
        normals = torch.randn(DRAWS, shape.dim + shape.components, generator=rng)
        draws = LatentNoise.from_normals(normals[:, None], shape.dim)
        z = posterior.rsample(LatentNoise(draws.normal[0], draws.uniform[0]))
        p = torch.sigmoid(model.decode(model.features(image), z))
        likelihood = torch.where(x > 0, p, 1 - p).log().sum()
        total += (0.7 * kl_divergence(posterior, prior, draws) - likelihood).item() / 4
    weights = [
        parameter.square().sum()
        for encoder in (model.prior_encoder, objective.posterior)
        for name, parameter in encoder.named_parameters()
        if name.endswith("weight") and "norm" not in name
    ]
    assert objective(batch).item() == pytest.approx(total + 0.01 * torch.stack(weights).sum().item(), rel=1e-4)


@pytest.mark.parametrize("latent", NAMED_LATENTS)
@pytest.mark.parametrize("backbone", ["own", "unet"])
def test_every_parameter_of_model_and_posterior_learns(latent: str, backbone: str, discs: SliceCollection) -> None:
    objective, config = made(latent=latent, backbone=backbone, latent_l2=0.0)
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    objective(batch_of(discs, config)).backward()
    silent = [name for name, p in objective.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_halves_of_a_batch_average_to_the_whole(discs: SliceCollection) -> None:
    """What two processes compute on equal shards is the loss of the global batch."""
    objective, config = made(latent="fc-mix")
    whole = batch_of(discs, config)
    halves = [
        Batch(*(getattr(whole, name)[part] for name in ("image", "x", "t", "eps")), seeds=whole.seeds[part])
        for part in (slice(0, 2), slice(2, 4))
    ]
    mean = sum(objective(half).item() for half in halves) / 2
    assert objective(whole).item() == pytest.approx(mean, rel=1e-5)


def test_the_loss_is_the_same_whenever_it_is_asked(discs: SliceCollection) -> None:
    objective, config = made(latent="aa-mix")
    batch = batch_of(discs, config)
    first = objective(batch).item()
    torch.manual_seed(99)
    assert objective(batch).item() == first


@pytest.mark.parametrize("latent", NAMED_LATENTS)
def test_images_far_outside_the_usual_range_leave_the_loss_finite(latent: str, discs: SliceCollection) -> None:
    objective, config = made(latent=latent)
    batch = batch_of(discs, config)
    far = Batch(batch.image * 1e3, batch.x, batch.t, batch.eps, batch.seeds)
    loss = objective(far)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in objective.parameters())


@pytest.mark.parametrize("backbone", ["own", "unet"])
def test_the_model_file_holds_no_posterior_and_can_be_sampled(
    backbone: str, discs: SliceCollection, tmp_path: Path
) -> None:
    config = with_overrides(CONFIG, {"latent": "fc-mix", "backbone": backbone})
    fit(config, discs, tmp_path, device=CPU, source=DataSource(names=("discs",)))
    with safe_open(str(tmp_path / "model.safetensors"), framework="pt") as file:
        owners = {name.split(".")[0] for name in file.keys()}  # noqa: SIM118 (not a dict)
    assert owners == {"unet", "prior_encoder", "combiner"}
    with safe_open(str(tmp_path / "state.safetensors"), framework="pt") as file:
        assert any(name.startswith("objective/posterior.") for name in file.keys())  # noqa: SIM118
    model = load_checkpoint(tmp_path / "model.safetensors").segmenter
    assert isinstance(model, ProbUNetSegmenter)


def test_the_other_family_s_network_is_used_where_asked() -> None:
    """Table 4: a network without time for the Probabilistic UNet, and one with time for the diffusion model."""
    crossed, _ = made(backbone="unet")
    assert crossed.model.config.unet.architecture == "unet"
    assert not [name for name, _ in crossed.model.unet.named_parameters() if "embed" in name or "time" in name]
    diffusion = make_objective(with_overrides(CONFIG, {"kind": "diffusion", "backbone": "prob-unet"})).model
    assert [name for name, _ in diffusion.named_parameters() if "unet.embed" in name]
    plain = make_objective(with_overrides(CONFIG, {"kind": "deterministic", "backbone": "prob-unet"})).model
    assert not [name for name, _ in plain.named_parameters() if "unet.embed" in name]


@pytest.mark.parametrize("latent", NAMED_LATENTS)
def test_at_first_the_posterior_tells_masks_apart_about_as_loudly_as_its_noise(
    latent: str, discs: SliceCollection
) -> None:
    """Of one image, a disc and an empty mask: some component of z differs by half its deviation or more."""
    objective, config = made(latent=latent)
    image = batch_of(discs, config).image[:1].expand(2, -1, -1, -1)
    disc = torch.hypot(*torch.meshgrid(torch.arange(16.0) - 8, torch.arange(16.0) - 8, indexing="ij")) < 5
    x = torch.stack([disc, torch.zeros_like(disc)])[:, None].float() * 2 - 1
    shape = NAMED_LATENTS[latent]
    normals = torch.randn(400, 1, shape.dim + shape.components, generator=torch.Generator().manual_seed(0))
    noise = LatentNoise.from_normals(normals, shape.dim)
    posterior = objective.posterior(torch.cat([image, x], dim=1))
    z = posterior.rsample(LatentNoise(noise.normal, torch.full_like(noise.uniform, 0.5)))
    apart, spread = (z[:, 0] - z[:, 1]).mean(dim=0).abs(), z.std(dim=0).amax(dim=0)
    assert (apart / spread).max() > 0.5


def test_a_prior_that_knows_the_mask_costs_nothing() -> None:
    """With beta 0 and no L2 the loss is the cross-entropy alone, log 2 a pixel for a decoder that says 0."""
    objective, _ = made(beta=0.0, latent_l2=0.0)
    last = objective.model.combiner.convs[-1]
    assert isinstance(last, nn.Conv2d)
    nn.init.zeros_(last.weight)
    assert last.bias is not None
    nn.init.zeros_(last.bias)
    x = torch.ones(2, 1, 8, 8)
    batch = Batch(torch.zeros(2, 1, 8, 8), x, torch.rand(2), torch.zeros_like(x), (1, 2))
    entropy = functional.softplus(torch.zeros(())).item() * 64
    assert objective(batch).item() == pytest.approx(entropy, rel=1e-6)


def test_x_prediction_keeps_its_gradient_on_the_probabilistic_unet_s_network() -> None:
    """Rare foreground pulls the tanh towards -1; with a head that does not normalise, the gradient was gone by now."""
    data = load_data(("phantom:12",), "train", seed=0)
    crossed: dict[str, object] = {"kind": "diffusion", "backbone": "prob-unet", "grid_px": 64, "steps": 60}
    config = with_overrides(CONFIG, crossed)
    *_, last = train(start_run(config, CPU), BatchSource(data, config))
    assert last.grad_norm > 1e-3
