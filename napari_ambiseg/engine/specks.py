"""The smallest lesion that a model draws: a reading with fewer pixels is the empty mask.

A diffusion model that cannot decide between a small lesion and none sometimes ends between the two, on a speck of a few
pixels that no expert would draw. If specks count as what they are nearest to, no lesion, then the model can leave as
many readings empty as the experts do. How small is too small is a property of the model, chosen on patients whom its
training held out. It counts pixels of the model's grid, before anything is resampled.
"""

import numpy as np
from numpy.typing import NDArray


def without_specks(x_hat: NDArray[np.float32], smallest_px: int) -> NDArray[np.float32]:
    """Finished estimates of which no mask is smaller than ``smallest_px``.

    Args:
        x_hat: The readings on the model's grid (S, h, w); foreground is > 0.
        smallest_px: Foreground pixels that a reading has at least; 0 and 1 leave all as they are.

    Returns:
        (S, h, w): ``x_hat``, but of readings with fewer pixels its negative magnitude, whose mask is empty.
    """
    specks = np.count_nonzero(x_hat > 0, axis=(1, 2)) < smallest_px
    return np.where(specks[:, None, None], -np.abs(x_hat), x_hat)
