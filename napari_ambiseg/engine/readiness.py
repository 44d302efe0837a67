"""Makes ready what a run needs before its first step: the model's weights, and the engine that computes them.

Both stay in memory, so that the next run of the same model begins half a second sooner.
"""

from napari_ambiseg.devices import resolve_device
from napari_ambiseg.engine.catalogue import load_model
from napari_ambiseg.engine.choice import candidates


def make_ready(model: str, *, device: str = "auto", engine: str = "auto") -> None:
    """Load a model and open what would compute it.

    Args:
        model: Name or path, as ``load_model`` takes it.
        device: As ``run`` takes it.
        engine: As ``run`` takes it.

    Raises:
        AmbisegError: If there is no such model, device or engine, or the best engine cannot be opened. A run would say
            so, too, or take the next engine.
    """
    loaded = load_model(model)
    candidates(loaded, resolve_device(device), engine)[0].open().segmenter(1)
