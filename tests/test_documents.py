"""What the documents promise is there: linked files, make's targets, names, and examples that run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_link_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"!?\[[^\]]*\]\(([^)#\s]+)", path.read_text())
    assert not [t for t in targets if not t.startswith("http") and not (path.parent / t).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    rules = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = re.findall(r"(?:^    |`)make ([a-z]+)", path.read_text(), flags=re.MULTILINE)
    assert set(named) <= set(rules)


def test_every_picture_of_the_viewer_is_shown_in_its_guide_and_small() -> None:
    shown = set(re.findall(r"images/viewer/([a-z-]+\.png)", (ROOT / "docs/guide/viewer.md").read_text()))
    pictures = list((ROOT / "docs/images/viewer").iterdir())
    assert {path.name for path in pictures} == shown
    assert [path.name for path in pictures if path.stat().st_size > 300_000] == []


def test_the_python_example_of_the_data_guide_writes_a_file_that_can_be_read(tmp_path: Path) -> None:
    from napari_ambiseg.io.lidc_hdf5 import read_lidc_hdf5

    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/guide/data.md").read_text(), flags=re.DOTALL)
    subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True)
    assert read_lidc_hdf5(tmp_path / "mine.h5", "train").subjects == ("patient 1", "patient 2")


def test_every_import_of_the_python_examples_works() -> None:
    for path in DOCUMENTS:
        for line in re.findall(r"^from napari_ambiseg.*|^from trainer.*", path.read_text(), flags=re.MULTILINE):
            exec(line, {})  # what is executed is our own documents'
