"""``python -m trainer export`` from end to end."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from napari_ambiseg.errors import AmbisegError, CheckpointError, DataFileError, SettingsError
from napari_ambiseg.io.output import check_target, write_output
from napari_ambiseg.models.checkpoint import Model, load_checkpoint, save_checkpoint
from napari_ambiseg.phantom import bundled_slices
from napari_ambiseg.readings.slice import MultiReaderSlice
from trainer.data.sources import load_data
from trainer.exporting.averaging import averaged
from trainer.exporting.card import CardFacts, card, may_replace
from trainer.exporting.figures import figures_of, read_figures
from trainer.exporting.half import HalfLoss, measure_half
from trainer.exporting.hub import prepare_hub
from trainer.run_folder import BEST_FILE, MODEL_FILE, result_of

TRIED_SLICES = 8


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        source: Folder of a run, or a model file.
        target: File to write; replaced if it exists.
        name: What to call the model; None as in ``source``.
        description: One sentence for whoever chooses a model; None as in ``source``.
        smallest_px: Pixels that a reading has at least, smaller ones are empty; None as in ``source``.
        mean_with: More runs or model files; what is written has the mean of the weights of all.
        half: Whether 16 bits a weight are wanted, where they lose nothing.
        best: Of a run's folder, whether the model of the best validation GED is meant (True), the last one (False), or
            what the run's configuration calls its result (None).
        data: Slices on which the loss of 16 bits is measured; none are rendered ones.
        split: Group of these HDF5 files.
        figures: JSON of ``evaluate``, for the card.
        about_data: The card's words on data and licence.
        hub: OWNER/NAME on the Hugging Face hub, to upload to.
    """

    source: Path
    target: Path
    name: str | None = None
    description: str | None = None
    smallest_px: int | None = None
    mean_with: tuple[Path, ...] = ()
    half: bool = True
    best: bool | None = None
    data: tuple[str, ...] = ()
    split: str = "val"
    figures: Path | None = None
    about_data: str | None = None
    hub: str | None = None


def export(request: Request) -> list[str]:
    """Write the model file and its card, and upload them if that is asked for.

    Returns:
        What to tell the user, line by line.

    Raises:
        CheckpointError: If there is no complete model.
        DataFileError: If slices or figures cannot be read, or a target cannot be written.
        SettingsError: If an upload cannot be done, or models cannot be averaged.
        UploadError: If the hub refuses; the files are then written.
    """
    if request.target.suffix != ".safetensors":
        raise DataFileError(f"{request.target} should end in .safetensors, by which the plugin knows a model")
    check_target(request.target)
    hub = prepare_hub(request.hub) if request.hub else None
    judged = read_figures(request.figures) if request.figures else {}
    chosen = chosen_file(request.source, best=request.best)
    others = [chosen_file(one, best=request.best) for one in request.mean_with]
    model = load_checkpoint(chosen)
    model = _described(averaged(model, others) if others else model, request)
    loss = _tried(model, request) if request.half else None
    payload = _payload(model, half=loss is not None and loss.is_none)
    alike = {hashlib.sha256(content).hexdigest() for content in (payload, chosen.read_bytes())}
    figures = figures_of(alike, judged, smallest_px=model.header.smallest_px) if judged else None
    write_output(request.target, payload)
    stored = _on_weights(loss)
    origin = f"the mean of {', '.join(map(str, [chosen, *others]))}" if others else f"from {chosen}"
    said = [f"{request.target}: {len(payload) / 2**20:.1f} MiB, {origin}", f"weights: {stored}"]
    page = request.target.with_suffix(".md")
    said.append(_write_card(page, model, CardFacts(request.target.name, stored, figures, request.about_data)))
    if hub:
        said.append(f"uploaded to {hub.upload(request.target, page)}")
    return said


def chosen_file(source: Path, *, best: bool | None) -> Path:
    """The model file that is meant: ``source`` itself, or one in the folder of a run.

    Raises:
        CheckpointError: If there is none.
    """
    if not source.is_dir():
        if best is not None:
            raise SettingsError(
                f"--best and --last choose from the folder of a run; {source} is a file: leave them out"
            )
        return source
    if best is None:
        return result_of(source)
    if best and not (source / BEST_FILE).is_file():
        raise CheckpointError(
            f"{source} holds no {BEST_FILE}: the run did not judge itself (validation.every); export --last instead"
        )
    return source / (BEST_FILE if best else MODEL_FILE)


def _described(model: Model, request: Request) -> Model:
    changes = {"name": request.name, "description": request.description, "smallest_px": request.smallest_px}
    given = {key: value for key, value in changes.items() if value is not None}
    return replace(model, header=replace(model.header, **given))


def _tried(model: Model, request: Request) -> HalfLoss:
    """What 16 bits lose on some slices."""
    slices = _tried_slices(request)
    try:
        return measure_half(model, slices)
    except AmbisegError as error:
        raise type(error)(
            f"16 bits could not be tried ({error}); give --data with slices that this model reads, or --full"
        ) from error


def _tried_slices(request: Request) -> Sequence[MultiReaderSlice]:
    """The bundled rendered slices, or some of the user's, evenly spaced."""
    collection = load_data(request.data, request.split) if request.data else bundled_slices()
    count = min(TRIED_SLICES, len(collection))
    return [collection[i * len(collection) // count] for i in range(count)]


def _payload(model: Model, *, half: bool) -> bytes:
    """The model file's content; the same model gives the same bytes."""
    assert isinstance(model.segmenter, nn.Module)  # every registered kind is one
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_checkpoint(path, model.segmenter, model.header, half=half)
        return path.read_bytes()


def _on_weights(loss: HalfLoss | None) -> str:
    if loss is None:
        return "32 bits each, as asked for"
    return f"{16 if loss.is_none else 32} bits each; {loss}"


def _write_card(path: Path, model: Model, facts: CardFacts) -> str:
    if not may_replace(path):
        return f"card: {path} was edited by hand and is kept; move it away to have a new one"
    write_output(path, card(model, facts).encode())
    return f"card: {path}"
