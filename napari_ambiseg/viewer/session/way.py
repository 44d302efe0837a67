"""What the player shows of each step of the reverse diffusion: noise, predicted mask, or both; of one reading or all.

Of all readings, the noise is the mean of their x_t, and the mask the share of them that the model would draw at a
pixel, from -1 (none) to 1 (all). Of an antithetic pair the mean takes the first reading only: noise and its opposite
would leave nothing, where the log SNR says that nearly all is noise.

Legend: S samples, h x w pixels of the model's grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_ambiseg.engine import Frame
from napari_ambiseg.io.film_frames import Shown
from napari_ambiseg.seeds import noise_origins

_OUTSIDE = -1.0


@dataclass(frozen=True, slots=True)
class Way:
    """A choice.

    Attributes:
        shown: x_t, the predicted mask, or both.
        of_all: Whether of all readings; otherwise of the selected one.
    """

    shown: Shown = Shown.BOTH
    of_all: bool = False

    def seen(self, frame: Frame, *, selected: int, seeds: Sequence[int]) -> Frame:
        """A step with what is to be seen of it alone.

        Args:
            frame: The step.
            selected: Number of the reading that stands out.
            seeds: Of all readings (S,): they tell which are pairs.

        Returns:
            The step, with the picture that is chosen as x_t of the selected reading, and masks where outlines are
            chosen; the other readings' masks are empty.
        """
        masks = frame.x_hat > 0
        chosen = slice(None) if self.of_all else slice(selected, selected + 1)
        noisy = _first_of_pairs(seeds) if self.of_all else chosen
        picture = 2 * masks[chosen].mean(axis=0) - 1 if self.shown is Shown.MASK else frame.x_t[noisy].mean(axis=0)
        x_t, x_hat = frame.x_t.copy(), np.full_like(frame.x_hat, _OUTSIDE)
        x_t[selected] = picture
        if self.shown is not Shown.X_T:
            x_hat[chosen] = frame.x_hat[chosen]
        return replace(frame, x_t=x_t, x_hat=x_hat)


def _first_of_pairs(seeds: Sequence[int]) -> NDArray[np.intp]:
    """Numbers of the readings without those whose noise is that of an earlier one, turned around."""
    return np.unique(noise_origins(seeds), return_index=True)[1]
