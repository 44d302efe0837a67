import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_ambiseg.phantom.fields import blurred


@pytest.mark.parametrize("sigma_px", [0.4, 1.0, 1.25, 6.0])
def test_a_blur_is_that_of_scipy_up_to_the_edges(sigma_px: float) -> None:
    values = np.random.default_rng(0).random((128, 128), np.float32)
    np.testing.assert_allclose(blurred(values, sigma_px), gaussian_filter(values, sigma_px), atol=1e-6)
