"""Uploading, with a stand-in for the hub's package: never the network."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from napari_ambiseg.errors import SettingsError
from trainer.__main__ import main
from trainer.exporting.hub import prepare_hub


@dataclass
class Calls:
    """What the hub was asked to do, and what it answers."""

    token: str | None = "hf_test"
    refuses: Exception | None = None
    created: list[tuple[str, bool, bool]] = field(default_factory=list)
    files: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()

    class HfApi:
        def create_repo(self, repository: str, *, private: bool, exist_ok: bool) -> str:
            calls.created.append((repository, private, exist_ok))
            return f"https://hub.example/{repository}"

        def create_commit(self, repository: str, *, operations: list[tuple[str, Any]], commit_message: str) -> None:
            if calls.refuses:
                raise calls.refuses
            calls.files = dict(operations)

    module = ModuleType("huggingface_hub")
    module.HfApi = HfApi  # type: ignore[attr-defined]
    module.get_token = lambda: calls.token  # type: ignore[attr-defined]
    module.CommitOperationAdd = lambda *, path_in_repo, path_or_fileobj: (path_in_repo, path_or_fileobj)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return calls


def words(run: Path, out: Path, repository: str = "somebody/a-model") -> list[str]:
    return ["export", str(run), "--out", str(out), "--full", "--hub", repository]


def test_the_model_and_its_card_are_sent_to_a_private_repository(
    run_folder: Path, tmp_path: Path, hub: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.safetensors"
    assert main(words(run_folder, out)) == 0
    assert hub.created == [("somebody/a-model", True, True)]
    assert hub.files["m.safetensors"] == str(out)
    assert hub.files["README.md"].decode().endswith(out.with_suffix(".md").read_text())
    assert hub.files["README.md"].startswith(b"---\npipeline_tag: image-segmentation\n")
    assert "uploaded to https://hub.example/somebody/a-model" in capsys.readouterr().out


def test_nothing_is_sent_unless_it_is_asked_for(run_folder: Path, tmp_path: Path, hub: Calls) -> None:
    assert main(words(run_folder, tmp_path / "m.safetensors")[:-2]) == 0
    assert (hub.created, hub.files) == ([], {})


def test_a_refusal_is_one_line_and_the_files_are_there(
    run_folder: Path, tmp_path: Path, hub: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.refuses = ConnectionError("403 Forbidden\nmore about it")
    out = tmp_path / "m.safetensors"
    assert main(words(run_folder, out)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the hub did not take somebody/a-model (403 Forbidden)" in line
    assert out.is_file()
    assert out.with_suffix(".md").is_file()


def test_without_a_token_nothing_is_begun(run_folder: Path, tmp_path: Path, hub: Calls) -> None:
    hub.token = None
    assert main(words(run_folder, tmp_path / "m.safetensors")) == 2
    assert not (tmp_path / "m.safetensors").exists()
    with pytest.raises(SettingsError, match=r"no token.*hf auth login"):
        prepare_hub("somebody/a-model")


def test_without_the_package_its_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(SettingsError, match=r"huggingface_hub; run `pip install \"napari-ambiseg\[hub\]\"`"):
        prepare_hub("somebody/a-model")


@pytest.mark.parametrize("name", ["model", "a/b/c", "/b", "a/", "../b", "a b/c", "https://x/y"])
def test_a_name_that_is_no_repository_is_refused(name: str, hub: Calls) -> None:
    with pytest.raises(SettingsError, match="give OWNER/NAME"):
        prepare_hub(name)
