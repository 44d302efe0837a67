"""What the page of tables says follows from the kept figures of single slices."""

import csv
import gzip
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import pytest

from trainer.evaluation.kept_slices import compare_kept, read_kept

RESULTS = Path(__file__).parents[1] / "docs" / "results"
STUDIES = sorted(path.parent for path in (RESULTS / "tables").glob("*/table.csv.gz"))
FIGURES = ("ged_4", "ged_4_pp", "dice_4", "dice_4_pp", "ged_16", "ged_unbiased_16", "dice_16", "hm_iou_16")


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_a_tables_figures_are_the_means_of_its_slices_and_stand_on_the_page(study: Path) -> None:
    of_slices: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows(study / "slices.csv.gz"):
        for name in FIGURES:
            if row[name]:
                of_slices[row["model"], name].append(float(row[name]))
    told = {
        (row["reader"], row["figure"]): float(row["value"])
        for row in rows(study / "table.csv.gz")
        if row["role"] == "model" and row["figure"] in FIGURES
    }
    assert told.keys() == of_slices.keys()
    page = (RESULTS / "tables.md").read_text()
    for key, value in told.items():
        assert fmean(of_slices[key]) == pytest.approx(value, abs=1e-9)
        assert f"{value:.3f}".removeprefix("0") in page


@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.name)
def test_a_tables_intervals_and_differences_come_again_from_its_slices(study: Path) -> None:
    again = compare_kept(read_kept(study / "slices.csv.gz"), figures=FIGURES)
    told = {(row["reader"], row["figure"]): row for row in rows(study / "table.csv.gz") if row["role"] == "model"}
    for reader in dict.fromkeys(reader for reader, _ in told):
        of_reader = [told[reader, name] for name in FIGURES]
        cells = [f"{float(r['value']):.3f} [{float(r['low']):.3f}, {float(r['high']):.3f}]" for r in of_reader]
        assert f"| {reader} | {' | '.join(cells)} |" in again
        if of_reader[0]["difference"]:
            cells = [
                "{:+.3f} [{:+.3f}, {:+.3f}] p {:.3f}".format(
                    *(float(r[key]) for key in ("difference", "difference_low", "difference_high", "p"))
                )
                for r in of_reader
            ]
            assert f"| {reader} | {' | '.join(cells)} |" in again
