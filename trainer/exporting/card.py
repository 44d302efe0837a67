"""A model's card: one Markdown page that says what it is, what it is for and not for, and where it comes from.

All of it is read from the model file's header, from what ``half`` measured and from ``evaluate``'s figures. A card that
somebody has edited is never overwritten: the last line of a written card holds the SHA-256 of the lines above it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import nn

from napari_ambiseg.io.export import NOTICE
from napari_ambiseg.models.checkpoint import Header, Model
from trainer.data.sources import is_phantom
from trainer.exporting.figures import Figures, figures_table

_LIDC = """\
LIDC-IDRI, The Cancer Imaging Archive, CC BY 3.0 (https://creativecommons.org/licenses/by/3.0/). Please cite

- Armato SG III et al. Data From LIDC-IDRI. The Cancer Imaging Archive, 2015. doi:10.7937/K9/TCIA.2015.LO9QL9SX
- Armato SG III et al. The Lung Image Database Consortium (LIDC) and Image Database Resource Initiative (IDRI): a
  completed reference database of lung nodules on CT scans. Medical Physics 38:915-931, 2011."""
_PHANTOM = f"Slices whose pixels are rendered by a computer, with outlines of {_LIDC}\n\nSuch a model is a toy."
_UNKNOWN = (
    "The files above; whose they are and under which licence is not written in them. Say so here before you pass the "
    "model on."
)
_MARK = "<!-- written by `python -m trainer export`; SHA-256 of the lines above: "


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card needs beside the model.

    Attributes:
        file: Name of the model file.
        weights: One sentence on how the weights are stored.
        figures: Of this model, or None.
        about_data: Whose data, licence and citation; None says what the names of the files tell.
    """

    file: str
    weights: str
    figures: Figures | None = None
    about_data: str | None = None


def card(model: Model, facts: CardFacts) -> str:
    """The page, with its closing mark."""
    header, training = model.header, model.header.training
    name = header.name or Path(facts.file).stem
    parts = [
        f"# {name}",
        header.description,
        f"**{NOTICE}.**",
        "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in _rows(model, facts))]),
        f"    python -m napari_ambiseg sample phantom --model {facts.file}\n"
        f"    python -m trainer evaluate {facts.file} --data DATA.h5 --split val --json figures.json",
        "## Figures",
        figures_table(facts.figures) if facts.figures else "None: this model was not evaluated when it was exported.",
        "## What it is for, and what not",
        _limits(model),
        "## Data and licence",
        facts.about_data or _about_data(_names(training)),
        "## Configuration",
        "\n".join(f"    {line}" for line in json.dumps(training.get("fit", header.config), indent=1).splitlines()),
    ]
    return _marked("\n\n".join(part for part in parts if part) + "\n")


def may_replace(path: Path) -> bool:
    """Whether a card at ``path`` is as ``card`` wrote it, or there is none."""
    if not path.exists():
        return True
    text, mark, _ = path.read_text().rpartition(_MARK)
    return bool(mark) and path.read_text() == _marked(text)


def _marked(text: str) -> str:
    text = text.rstrip("\n") + "\n\n"
    return f"{text}{_MARK}{hashlib.sha256(text.encode()).hexdigest()} -->\n"


def _rows(model: Model, facts: CardFacts) -> list[tuple[str, str]]:
    header, training = model.header, model.header.training
    (height, width), (high_mm, wide_mm), grey = header.grid.size, header.grid.spacing_mm, header.intensity
    assert isinstance(model.segmenter, nn.Module)  # every registered kind is one
    parameters = sum(parameter.numel() for parameter in model.segmenter.parameters())
    return [
        (
            "reads",
            f"one slice: {height} x {width} pixels of {high_mm:g} x {wide_mm:g} mm; 0 is {grey.lung_hu:g} HU, 1 is "
            f"{grey.tissue_hu:g} HU",
        ),
        ("answers", "masks as one of the experts of its training data might have drawn them, one for each seed"),
        *_smallest_row(header),
        ("kind", f"{header.kind}, {parameters:,} parameters"),
        ("weights", facts.weights),
        *_training_rows(training),
    ]


def _smallest_row(header: Header) -> list[tuple[str, str]]:
    if not header.smallest_px:
        return []
    size = f"{header.smallest_px} pixels, {header.smallest_mm2:g} mm²"
    return [("smallest lesion", f"{size}; a reading with fewer counts as no lesion")]


def _training_rows(training: dict[str, Any]) -> list[tuple[str, str]]:
    fit = cast("dict[str, Any]", training.get("fit", {}))
    if not fit:
        return []
    data = training.get("data")
    split = f", split {data['split']}" if isinstance(data, dict) else ""
    seen = f"{training.get('slices', '?')} slices of {training.get('patients', '?')} patients"
    rows = [
        ("data", f"{', '.join(_names(training))}{split}: {seen}"),
        (
            "training",
            f"recipe {fit['recipe']}, step {training.get('step', '?')} of {fit['steps']}, {fit['batch_size']} examples "
            f"a step, {fit.get('optimizer', 'adamw')} at {fit['learning_rate']:g}, seed {fit['seed']}",
        ),
        ("made with", f"napari-ambiseg {training.get('napari_ambiseg', '?')}, torch {training.get('torch', '?')}"),
    ]
    if start := training.get("started_from"):
        rows.insert(1, ("began with", f"the weights of {start['name']}, SHA-256 {start['sha256']}"))
    for other in training.get("averaged_with", []):
        rows.insert(1, ("averaged with", f"the weights of another run, SHA-256 {other['sha256']}"))
    if digest := training.get("data_sha256"):
        rows.insert(1, ("SHA-256 of the data", str(digest)))
    return rows


def _names(training: dict[str, Any]) -> list[str]:
    """Files that a run learned from; the first models had a bare list of them."""
    data = training.get("data", [])
    return cast("list[str]", data["names"] if isinstance(data, dict) else data)


def _limits(model: Model) -> str:
    height, width = model.header.grid.extent_mm
    return "\n".join(
        [
            f"- {NOTICE}. It is no medical device. It is for studying how experts disagree, and models of that.",
            "- How often a sample appears is no probability of disease, and no expert's certainty.",
            "- It knows images like those it was trained on; on others its answers mean nothing, without a warning.",
            f"- It sees {height:g} x {width:g} mm of a slice; what lies outside is cut off.",
            "- It repeats the habits of the experts who drew its training masks, whoever is missing among them.",
        ]
    )


def _about_data(names: list[str]) -> str:
    if names and all(map(is_phantom, names)):
        return _PHANTOM
    if names and all("lidc" in name.lower() for name in names):
        return _LIDC
    return _UNKNOWN
