"""What the pages of tables say follows from the kept figures of single slices, cell by cell."""

import csv
import gzip
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest

from trainer.evaluation.kept_slices import compare_kept, read_kept

RESULTS = Path(__file__).parents[1] / "docs" / "results"
STUDIES = sorted(path.parent for path in (RESULTS / "tables").glob("*/table.csv.gz"))
FIGURES = ("ged_4", "ged_4_pp", "dice_4", "dice_4_pp", "ged_16", "ged_unbiased_16", "dice_16", "hm_iou_16")
SHOWN = (*FIGURES, "empty_readings_16")
COMPARED = ("ged_4", "ged_4_pp", "ged_16", "dice_16", "hm_iou_16")
REFERENCES = ("empty", "one_expert", "experts_resampled")
NUMBERS = ("value", "low", "high", "difference", "difference_low", "difference_high", "p")

Figures = dict[str, dict[str, str]]
"""Name of a figure -> its line in table.csv."""


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


def readers(study: Path, role: str) -> dict[str, Figures]:
    """Of every model or simple reader its figures, in the order of the table."""
    found: dict[str, Figures] = defaultdict(dict)
    for row in rows(study / "table.csv.gz"):
        if row["role"] == role:
            found[row["reader"]][row["figure"]] = row
    return found


def number(text: str, form: str = ".3f") -> str:
    """As the pages write it: three decimals, and no zero before the point."""
    return re.sub(r"^([+-]?)0\.", r"\1.", f"{float(text):{form}}")


def values(figures: Figures) -> list[str]:
    return [number(figures[name]["value"]) for name in SHOWN]


def differences(figures: Figures) -> list[str]:
    ends = ("difference", "difference_low", "difference_high")
    return ["{} [{}, {}]".format(*(number(figures[name][end], "+.3f") for end in ends)) for name in COMPARED]


def cells_of_pages() -> list[list[str]]:
    """Every row of every table but for its first cell, without what the paper reports (in parentheses)."""
    lines = [line for name in ("tables", "ablations") for line in (RESULTS / f"{name}.md").read_text().splitlines()]
    rows = [line.strip("| ").split(" | ")[1:] if line.startswith("|") else [] for line in lines]
    return [[re.sub(r" \([.\d]+\)$", "", cell.strip(" |")) for cell in row] for row in rows]


def stands_together(block: Sequence[Sequence[str]], among: Sequence[Sequence[str]]) -> bool:
    """Whether these rows follow each other somewhere."""
    return any(among[i : i + len(block)] == block for i in range(len(among)))


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_a_tables_figures_are_the_means_of_its_slices(study: Path) -> None:
    of_slices: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows(study / "slices.csv.gz"):
        for name in SHOWN:
            if row[name]:
                of_slices[row["model"], name].append(float(row[name]))
    models = readers(study, "model")
    assert of_slices.keys() == {(reader, name) for reader in models for name in SHOWN}
    for (reader, name), found in of_slices.items():
        assert fmean(found) == pytest.approx(float(models[reader][name]["value"]), abs=1e-9)


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_the_pages_say_what_the_table_says(study: Path) -> None:
    models, simple = readers(study, "model"), readers(study, "reference")
    among = cells_of_pages()
    assert stands_together([values(one) for one in (*models.values(), *(simple[name] for name in REFERENCES))], among)
    assert stands_together([differences(one) for one in models.values() if one["ged_4"]["difference"]], among)


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_a_tables_intervals_and_differences_come_again_from_its_slices(study: Path) -> None:
    again = compare_kept(read_kept(study / "slices.csv.gz"), figures=FIGURES)
    for reader, figures in readers(study, "model").items():
        of_reader = [
            {key: float(figures[name][key] or "nan") for key in figures[name] if key in NUMBERS} for name in FIGURES
        ]
        cells = ["{value:.3f} [{low:.3f}, {high:.3f}]".format(**one) for one in of_reader]
        assert f"| {reader} | {' | '.join(cells)} |" in again
        if figures["ged_4"]["difference"]:
            told = "{difference:+.3f} [{difference_low:+.3f}, {difference_high:+.3f}] p {p:.3f}"
            assert f"| {reader} | {' | '.join(told.format(**one) for one in of_reader)} |" in again
