from collections.abc import Iterator
from pathlib import Path

import pint
import pytest

from napari_ambiseg.viewer.units import keep_units


@pytest.fixture(autouse=True)
def _same_table_afterwards() -> Iterator[None]:
    before = pint.get_application_registry().get()
    yield
    pint.set_application_registry(before)


def test_units_are_read_from_where_they_were_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_units(tmp_path / "units")
    monkeypatch.setattr("flexparser.Parser.parse_bytes", lambda *given: pytest.fail("parsed again"))
    keep_units(tmp_path / "units")
    assert (1 * pint.get_application_registry().cm).to("mm").magnitude == 10


def test_a_damaged_table_is_made_anew(tmp_path: Path) -> None:
    keep_units(tmp_path / "units")
    sizes = {file.name: file.stat().st_size for file in (tmp_path / "units").iterdir()}
    for file in (tmp_path / "units").glob("*.pickle"):
        file.write_bytes(b"damaged")
    keep_units(tmp_path / "units")
    keep_units(tmp_path / "units")
    assert {file.name: file.stat().st_size for file in (tmp_path / "units").iterdir()} == sizes


@pytest.mark.parametrize("fault", ["damaged", "no folder"])
def test_where_none_can_be_kept_there_are_units_all_the_same(tmp_path: Path, fault: str) -> None:
    folder = tmp_path / "units"
    if fault == "damaged":
        keep_units(folder)
        for file in folder.glob("*.pickle"):
            file.write_bytes(b"damaged")
    else:
        folder.write_bytes(b"a file is in the way")
    keep_units(folder)
    assert (1 * pint.get_application_registry().cm).to("mm").magnitude == 10
