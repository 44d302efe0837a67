"""``python -m trainer export``: the model of a run as the file that ships.

What ships carries its weights in 16 bits (they are 32 again once loaded), the name and the sentence by which it is
chosen, and everything that the run wrote of its making. Figures on a card should be those of the exported file itself.
"""

from dataclasses import replace
from pathlib import Path

from torch import nn

from napari_ambiseg.models.checkpoint import load_checkpoint, save_checkpoint


def export(source: Path, target: Path, *, name: str | None, description: str | None, half: bool = True) -> None:
    """Write the model of ``source`` to ``target``.

    Args:
        source: Folder of a run, or a model file.
        target: File to write; replaced if it exists.
        name: What to call the model; default as in ``source``.
        description: One sentence for whoever chooses a model; default as in ``source``.
        half: Whether to store the weights in 16 bits.

    Raises:
        CheckpointError: If ``source`` holds no complete model, or ``target`` cannot be written.
    """
    model = load_checkpoint(source / "model.safetensors" if source.is_dir() else source)
    assert isinstance(model.segmenter, nn.Module)  # every registered kind is one
    header = replace(
        model.header,
        name=model.header.name if name is None else name,
        description=model.header.description if description is None else description,
    )
    save_checkpoint(target, model.segmenter, header, half=half)
