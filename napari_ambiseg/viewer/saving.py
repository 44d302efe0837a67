"""What leaves the viewer: figures, the comparison, and the masks of a result."""

from pathlib import Path

from napari_ambiseg.engine.grey import normalise
from napari_ambiseg.io.animation import save_film
from napari_ambiseg.io.export import save_comparison_csv, save_readings_npz
from napari_ambiseg.io.film_frames import Film
from napari_ambiseg.readings.intensity import Intensity
from napari_ambiseg.viewer.result import Result, View


def save_figures(result: Result, view: View, folder: Path) -> list[Path]:
    """The reverse diffusion as an animation and, if there are experts, the comparison with them."""
    sampled, request = result.sampled, result.request
    animation, table = folder / "trajectory.gif", folder / "comparison.csv"
    pixels = normalise(request.slice_input.pixels, sampled.grey, Intensity())
    image = sampled.placement.to_grid(pixels)
    save_film(animation, Film(sampled.x_t, sampled.x_hat, image, sampled.steps, sampled.log_snr))
    if view.comparison is None:
        table.unlink(missing_ok=True)  # of an earlier run: it would be taken for this one's
        return [animation]
    about = {
        "image": request.image_name,
        "model": sampled.model_name,
        "sampler": sampled.options.sampler,
        "steps": sampled.options.steps,
        "seed": request.settings.seed,
        "relative_area_threshold": view.threshold,
    }
    save_comparison_csv(
        table,
        comparison=view.comparison,
        sample_areas_mm2=view.areas_mm2,
        expert_areas_mm2=view.expert_areas_mm2,
        about=about,
    )
    return [animation, table]


def save_masks(result: Result, view: View, folder: Path) -> Path:
    """The readings at the threshold that is set, and the experts' masks, for numpy."""
    path = folder / "readings.npz"
    request = result.request
    save_readings_npz(path, readings=view.readings, experts=request.experts.masks, spacing_mm=request.plane.spacing_mm)
    return path
