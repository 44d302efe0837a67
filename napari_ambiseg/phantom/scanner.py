"""The scanner's part: blur, noise, and 8 bits.

CT noise is not white: filtered back-projection weighs frequencies with a ramp, the kernel cuts the high ones, and
whoever resamples the slice to another grid smooths it once more. So the noise is made on the scan's own pixels, with
the power f^2p exp(-(f / cut)^2), 0 <= p <= 0.2, and interpolated linearly to the grid.
"""

from dataclasses import dataclass

import numpy as np
from numpy import fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_ambiseg.phantom.fields import Image, interpolated
from napari_ambiseg.phantom.outlines import SIZE, SPACING_MM
from napari_ambiseg.readings.intensity import Intensity


@dataclass(frozen=True, slots=True)
class Scanner:
    """Settings of one scan.

    Attributes:
        pixel_mm: Size of the scan's pixels.
        blur_px: Standard deviation of the blur in pixels of the grid.
        noise: Standard deviation of the noise in soft tissue, in grey.
        ramp: Exponent p of the noise's amplitude.
        cut: Cut-off of the noise in cycles per mm.
        gain: Slope of the grey scale; 1 but for badly windowed slices.
    """

    pixel_mm: float
    blur_px: float
    noise: float
    ramp: float
    cut: float
    gain: float


def draw_scanner(rng: np.random.Generator) -> Scanner:
    """Draw a scan: sharp ones are noisy."""
    sharp = rng.random()
    return Scanner(
        pixel_mm=rng.uniform(0.55, 0.84),
        blur_px=1.25 - 0.55 * sharp,
        noise=rng.lognormal(np.log(0.022 + 0.038 * sharp), 0.3),
        ramp=rng.uniform(0.0, 0.2),
        cut=(0.2 + 0.32 * sharp) * rng.uniform(0.85, 1.15),
        gain=rng.uniform(1.6, 2.8) if rng.random() < 0.015 else 1.0,
    )


def correlated_noise(rng: np.random.Generator, scanner: Scanner) -> Image:
    """Noise (H, W) of variance 1 on the scan's pixels, interpolated to the grid."""
    count = int(np.ceil(SIZE * SPACING_MM / scanner.pixel_mm)) + 2
    frequency = np.hypot(fft.fftfreq(count, scanner.pixel_mm)[:, None], fft.rfftfreq(count, scanner.pixel_mm)[None])
    amplitude = np.maximum(frequency, 1 / (count * scanner.pixel_mm)) ** scanner.ramp
    amplitude *= np.exp(-0.5 * (frequency / scanner.cut) ** 2)
    white = rng.standard_normal((count, count), dtype=np.float32)
    noise = fft.irfft2(fft.rfft2(white) * amplitude.astype(np.float32), white.shape)
    weights = _linear(count, scanner.pixel_mm)
    return interpolated(noise / noise.std(), weights)


def _linear(count: int, pixel_mm: float) -> Image:
    """Weights (H, count) of linear interpolation from the scan's pixels to the grid."""
    place = np.arange(SIZE) * SPACING_MM / pixel_mm
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(count))).astype(np.float32)


def scan(rng: np.random.Generator, grey: Image, scanner: Scanner) -> NDArray[np.uint8]:
    """The slice as the files hold it: blurred, noisy, clipped, in 8 bits.

    Args:
        rng: Source of chance.
        grey: The ideal slice (H, W) on the scale of ``readings.intensity``.
        scanner: Settings of the scan.
    """
    blurred = gaussian_filter(grey, scanner.blur_px)
    noisy = scanner.gain * (blurred + scanner.noise * correlated_noise(rng, scanner))
    intensity = Intensity()
    unit = intensity.to_unit(noisy.clip(intensity.low, intensity.high).astype(np.float32))
    return np.rint(255 * unit).astype(np.uint8)
