"""From sources to what is written: read all, join, deal, summarise; then the file, its summary and its page at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_ambiseg.errors import DataFileError
from napari_ambiseg.io.lidc_hdf5 import write_lidc_hdf5
from napari_ambiseg.io.output import write_output
from trainer.data.checks import DataFaults, refuse, repeated_names, unlike
from trainer.preparation.contact_sheet import contact_sheet
from trainer.preparation.part import Part, join
from trainer.preparation.sources import Settings, read_source
from trainer.preparation.splitting import place
from trainer.preparation.summary import SplitSummary, as_record, as_text, summarise


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is to be written.

    Attributes:
        parts: The slices of each split.
        figures: What is in it, in figures.
        record: The same, with sources and notes, as it is stored.
    """

    parts: dict[str, Part]
    figures: dict[str, SplitSummary]
    record: dict[str, Any]

    @property
    def notes(self) -> list[str]:
        """What a reader of the file should know."""
        return self.record["notes"]

    @property
    def table(self) -> str:
        """The figures, to be printed."""
        return as_text(self.figures)

    def write(self, path: Path) -> None:
        """Write the data file, and beside it its summary as JSON and its contact sheet as PNG.

        Raises:
            DataFileError: If one of them cannot be written; an old file of its name is left as it was.
        """
        summary = json.dumps(self.record, indent=2, ensure_ascii=False, allow_nan=False)
        sheet = contact_sheet({name: part.slices for name, part in self.parts.items()})
        heights = {name: part.z_mm for name, part in self.parts.items() if np.isfinite(part.z_mm).all()}
        slices = {name: part.slices for name, part in self.parts.items()}
        write_lidc_hdf5(path, slices, z_mm=heights, summary=summary)
        write_output(path.with_suffix(".json"), (summary + "\n").encode())
        write_output(path.with_suffix(".png"), sheet)


def prepare(sources: Sequence[str], settings: Settings, *, shares: Sequence[float], again: bool = False) -> Prepared:
    """Read all sources and deal their patients out.

    Args:
        sources: See ``sources.read_source``.
        settings: How to read them.
        shares: Of patients for train, val and test, where sources do not say.
        again: Whether to deal anew where they do.

    Raises:
        DataFaults: If sources are wrong or do not go together: everything that is wrong.
        SettingsError: If the shares are none.
    """
    joined = join(_read_all(sources, settings))
    parts = place(joined, shares, settings.seed, again=again)
    figures = {name: summarise(part.slices, name) for name, part in parts.items()}
    names = [Path(name).name for name in sources]
    return Prepared(parts, figures, as_record(figures, names, joined.notes, settings.seed))


def _read_all(sources: Sequence[str], settings: Settings) -> list[Part]:
    """The slices of each source; what is wrong with any of them is told together."""
    parts, faults = dict[str, Part](), repeated_names(sources)
    for name in dict.fromkeys(sources):
        try:
            parts[name] = read_source(name, settings)
        except DataFaults as error:
            faults += error.faults
        except DataFileError as error:
            faults.append(str(error))
    refuse(faults + unlike({name: part.slices for name, part in parts.items()}))
    return list(parts.values())
