"""Weightings agree with the errors that they stand for."""

import math

import pytest
import torch

from napari_ambiseg.diffusion.prediction import Prediction
from napari_ambiseg.errors import SettingsError
from trainer.weighting import named_weighting, sigmoid, snr, snr_plus_one, truncated_snr

LAM = torch.linspace(-15, 15, 61, dtype=torch.float64)


def _squared_error(prediction: Prediction) -> torch.Tensor:
    """Error on a prediction's target that an error of 1 on x makes, x_t being the same."""
    x, x_hat = torch.zeros_like(LAM), torch.ones_like(LAM)
    x_t = torch.full_like(LAM, 0.3)
    alpha, sigma = torch.sigmoid(LAM).sqrt(), torch.sigmoid(-LAM).sqrt()
    targets = [prediction.target(m, (x_t - alpha * m) / sigma, LAM) for m in (x, x_hat)]
    return (targets[0] - targets[1]).square()


def test_snr_weights_the_error_on_x_into_the_error_on_eps() -> None:
    torch.testing.assert_close(snr(LAM), _squared_error(Prediction.EPS))


def test_snr_plus_one_weights_the_error_on_x_into_the_error_on_v() -> None:
    torch.testing.assert_close(snr_plus_one(LAM), _squared_error(Prediction.V))


def test_truncated_snr_is_one_where_noise_dominates() -> None:
    torch.testing.assert_close(truncated_snr(LAM), torch.where(LAM < 0, torch.ones_like(LAM), LAM.exp()))


def test_a_sigmoid_of_large_bias_is_proportional_to_snr() -> None:
    bias = 40.0
    torch.testing.assert_close(sigmoid(bias)(LAM) * math.exp(bias), snr(LAM), rtol=1e-9, atol=0)


def test_sigmoid_is_named_with_its_bias() -> None:
    torch.testing.assert_close(named_weighting("sigmoid:-4")(LAM), torch.sigmoid(LAM + 4))


@pytest.mark.parametrize("name", ["sigmoid", "sigmoid:", "sigmoid:x", "SNR", ""])
def test_an_unknown_weighting_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(SettingsError, match="sigmoid"):
        named_weighting(name)
