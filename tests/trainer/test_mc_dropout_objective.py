"""MC dropout is trained with masks that come from the batch alone."""

import pytest
import torch
from torch.nn import functional

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.readings.collection import SliceCollection
from trainer.config import FitConfig, with_overrides
from trainer.data.batches import Batch, BatchSource, Shard
from trainer.kinds import make_objective
from trainer.objectives.mc_dropout import MCDropoutObjective, mc_dropout_config

CONFIG = FitConfig(recipe="test", kind="mc-dropout", size="tiny", grid_px=16, batch_size=4, dropout=0.4)


def objective(config: FitConfig = CONFIG) -> MCDropoutObjective:
    """With random weights also where training starts from zero, and dropout would be silent."""
    torch.manual_seed(0)
    made = make_objective(config)
    assert isinstance(made, MCDropoutObjective)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return made.train()


def test_masks_come_from_the_batchs_seeds_alone(discs: SliceCollection) -> None:
    trained, batch = objective(), BatchSource(discs, CONFIG).batch(0)
    loss = trained(batch)
    torch.manual_seed(99)
    assert torch.equal(trained(batch), loss)
    others = Batch(batch.image, batch.x, batch.t, batch.eps, tuple(seed + 1 for seed in batch.seeds))
    assert not torch.equal(trained(others), loss)


def test_two_halves_of_a_batch_have_its_loss_on_average(discs: SliceCollection) -> None:
    """As two processes compute it."""
    trained = objective()
    halves = [trained(BatchSource(discs, CONFIG, shard=Shard(i, 2)).batch(3)) for i in range(2)]
    torch.testing.assert_close(sum(halves) / 2, trained(BatchSource(discs, CONFIG).batch(3)))


def test_without_dropout_the_loss_is_the_pixels_cross_entropy(discs: SliceCollection) -> None:
    trained, batch = objective(with_overrides(CONFIG, {"dropout": 0.0})), BatchSource(discs, CONFIG).batch(0)
    probability = torch.sigmoid(trained.model.unet(batch.image))
    torch.testing.assert_close(trained(batch), functional.binary_cross_entropy(probability, (batch.x > 0).float()))


def test_the_probability_is_the_configured_one() -> None:
    assert mc_dropout_config(CONFIG)["dropout"] == 0.4
    assert objective().model.config.dropout == 0.4


def test_a_network_without_places_for_dropout_is_refused() -> None:
    with pytest.raises(SettingsError, match="backbone is 'prob-unet', but MC dropout"):
        mc_dropout_config(with_overrides(CONFIG, {"backbone": "prob-unet"}))
