"""The house stands: floors, light imports, declared requirements, nothing of anybody's machine."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("napari_ambiseg", "trainer")


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after ``statement``."""
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(answer.stdout.split())


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    """The top-level names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


def tracked_texts() -> Iterator[tuple[str, str]]:
    """Name and text of every text file that is under version control."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("this tree is not under version control")
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (payload := path.read_bytes()):
            yield name, payload.decode(errors="replace")


def test_each_room_imports_only_from_the_floors_below() -> None:
    """The contracts are in pyproject.toml; `make lint` prints which import breaks them."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", answer.stdout)


def test_importing_the_plugin_takes_neither_torch_nor_napari_nor_qt() -> None:
    loaded = loaded_by("import napari_ambiseg")
    assert "napari_ambiseg" in loaded
    assert not loaded & {"torch", "numpy", "napari", "qtpy", "PySide6", "magicgui"}


@pytest.mark.parametrize("module", ["trainer", "trainer.__main__", "napari_ambiseg.engine", "napari_ambiseg.io"])
def test_nothing_below_the_viewer_takes_qt_or_napari(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert not loaded & {"napari", "qtpy", "PySide6", "magicgui", "superqt"}


def test_every_imported_package_is_a_declared_requirement() -> None:
    """Whoever installs the package gets what it imports; the extras count where they are for."""
    extras = PROJECT["optional-dependencies"]
    optional = [text for name in ("all", "dicom-seg", "fast", "video") for text in extras[name]]
    allowed = {"napari_ambiseg": optional, "trainer": extras["train"] + extras["hub"]}
    providers = importlib.metadata.packages_distributions()
    missing = {
        (path.relative_to(ROOT).as_posix(), name)
        for package, extra in allowed.items()
        for path in python_files(package)
        for name in imports_of(path)
        if name not in sys.stdlib_module_names and name not in PACKAGES
        if not _names(PROJECT["dependencies"] + extra) & _plain_names(providers.get(name, [name]))
    }
    assert not missing


def _names(requirements: list[str]) -> set[str]:
    return _plain_names([Requirement(text).name for text in requirements])


def _plain_names(distributions: list[str]) -> set[str]:
    return {name.lower().replace("-", "_") for name in distributions}


def test_every_required_package_is_imported() -> None:
    imported = {name for path in python_files(*PACKAGES) for name in imports_of(path)}
    providers = importlib.metadata.packages_distributions()
    provided = {p.lower().replace("-", "_") for name in imported for p in providers.get(name, [])}
    required = {Requirement(text).name.lower().replace("-", "_") for text in PROJECT["dependencies"]}
    assert required <= provided


def test_constraints_lie_within_the_declared_ranges() -> None:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    ranges = {r.name.lower(): r.specifier for r in map(Requirement, (text for group in groups for text in group))}
    lines = [line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pins = [Requirement(line) for line in lines if line]
    assert {"torch", "napari", "pyside6-essentials"} <= {pin.name.lower() for pin in pins}
    for pin in pins:
        (exact,) = pin.specifier
        assert exact.operator == "=="
        assert ranges.get(pin.name.lower(), pin.specifier).contains(exact.version), pin


def test_the_tree_names_no_folder_of_anybodys_machine() -> None:
    machine_path = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users|opt|mnt|scratch)/[\w.]")
    found = [
        f"{name}: {line.strip()[:100]}"
        for name, text in tracked_texts()
        for line in text.splitlines()
        if machine_path.search(line)
    ]
    assert not found


def test_no_tracked_file_holds_real_data() -> None:
    """Scans, arrays and model dumps stay outside; the bundled weights and outlines are the only data here."""
    names = [name for name, _ in tracked_texts()]
    assert not [name for name in names if re.search(r"\.(h5|hdf5|dcm|nii|nii\.gz|pickle|pkl|pt|pth|npy)$", name)]
