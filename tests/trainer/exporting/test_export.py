"""What ships is what was trained: the weights that are meant, in half the bytes where that loses nothing, a card."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from napari_ambiseg.errors import ComputeError
from napari_ambiseg.models.checkpoint import load_checkpoint, save_checkpoint
from trainer.__main__ import main
from trainer.exporting import export as export_module
from trainer.exporting.half import HalfLoss

from .conftest import evaluated, write_figures

LAST, BEST = "model.safetensors", "best.safetensors"


@pytest.fixture(autouse=True)
def few_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 bits are tried on two slices, which is quicker."""
    monkeypatch.setattr(export_module, "TRIED_SLICES", 2)


def export(run: Path, out: Path, *words: str) -> int:
    return main(["export", str(run), "--out", str(out), *words])


def test_an_exported_model_is_the_run_s_in_half_the_bytes(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    assert export(run_folder, out, "--name", "mine", "--description", "A toy.") == 0
    trained, shipped = load_checkpoint(run_folder / LAST), load_checkpoint(out)
    assert (shipped.header.name, shipped.header.description) == ("mine", "A toy.")
    assert shipped.header.training == trained.header.training
    assert out.stat().st_size < 0.6 * (run_folder / LAST).stat().st_size
    assert isinstance(trained.segmenter, torch.nn.Module)
    assert isinstance(shipped.segmenter, torch.nn.Module)
    for before, after in zip(trained.segmenter.parameters(), shipped.segmenter.parameters(), strict=True):
        torch.testing.assert_close(after, before.half().float(), rtol=0, atol=0)


def test_the_smallest_lesion_is_written_into_file_and_card_and_stays_there(run_folder: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "first.safetensors", tmp_path / "again.safetensors"
    assert export(run_folder, first, "--smallest-px", "24") == 0
    assert export(first, again) == 0
    for file in (first, again):
        assert load_checkpoint(file).header.smallest_px == 24
        assert (
            "| smallest lesion | 24 pixels, 6 mm²; a reading with fewer counts as"
            in file.with_suffix(".md").read_text()
        )
    assert export(again, first, "--smallest-px", "0") == 0
    assert load_checkpoint(first).header.smallest_px == 0
    assert "smallest" not in first.with_suffix(".md").read_text()


def _same_weights(first: Path, second: Path) -> bool:
    a, b = (load_checkpoint(path).segmenter for path in (first, second))
    assert isinstance(a, torch.nn.Module)
    assert isinstance(b, torch.nn.Module)
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_weights_that_16_bits_would_change_keep_32(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export_module, "measure_half", lambda model, slices: HalfLoss(len(slices), 8, 0.3, 0.02))
    out = tmp_path / "m.safetensors"
    assert export(run_folder, out) == 0
    said = "32 bits each; in 16 bits 2.000% of the foreground changes and x_hat by at most 0.3 (2 slices"
    assert said in capsys.readouterr().out
    assert said in out.with_suffix(".md").read_text()
    assert _same_weights(out, run_folder / LAST)


def test_full_keeps_32_bits_without_a_trial(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "measure_half", None)
    assert export(run_folder, tmp_path / "m.safetensors", "--full") == 0
    assert _same_weights(tmp_path / "m.safetensors", run_folder / LAST)


def test_a_trial_that_fails_says_what_else_to_do(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> HalfLoss:
        raise ComputeError("the model answered with NaN")

    monkeypatch.setattr(export_module, "measure_half", fails)
    assert export(run_folder, tmp_path / "m.safetensors") == 2
    said = capsys.readouterr().err
    assert "16 bits could not be tried (the model answered with NaN); give --data" in said
    assert not (tmp_path / "m.safetensors").exists()


def test_16_bits_are_tried_on_the_slices_that_are_named(
    run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(run_folder, tmp_path / "m.safetensors", "--data", "phantom:1") == 0
    assert "(1 slices, 8 readings each, the same seeds)" in capsys.readouterr().out


@pytest.fixture
def judged_folder(run_folder: Path) -> Path:
    """The run with other weights as the best judged ones."""
    shutil.copy(run_folder / LAST, run_folder / BEST)
    model = load_checkpoint(run_folder / LAST)
    assert isinstance(model.segmenter, torch.nn.Module)
    with torch.no_grad():
        for parameter in model.segmenter.parameters():
            parameter += 1
    save_checkpoint(run_folder / BEST, model.segmenter, model.header)
    return run_folder


@pytest.mark.parametrize(("words", "meant"), [([], LAST), (["--last"], LAST), (["--best"], BEST)])
def test_best_or_last_weights_are_chosen(words: list[str], meant: str, judged_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    assert export(judged_folder, out, "--full", *words) == 0
    assert _same_weights(out, judged_folder / meant)


def test_a_run_whose_result_is_the_best_exports_the_best(judged_folder: Path, tmp_path: Path) -> None:
    config = judged_folder / "config.json"
    config.write_text(config.read_text().replace('"result": "last"', '"result": "best"'))
    assert export(judged_folder, tmp_path / "m.safetensors", "--full") == 0
    assert _same_weights(tmp_path / "m.safetensors", judged_folder / BEST)


def test_figures_of_the_exported_file_come_onto_its_card(run_folder: Path, tmp_path: Path) -> None:
    """Exported, judged, exported again with the figures: the same file."""
    out = tmp_path / "m.safetensors"
    assert export(run_folder, out) == 0
    first = out.read_bytes()
    figures = write_figures(tmp_path / "f.json", evaluated(hashlib.sha256(first).hexdigest()))
    assert export(run_folder, out, "--figures", str(figures)) == 0
    assert out.read_bytes() == first
    assert "0.250 [0.200, 0.312]" in out.with_suffix(".md").read_text()


def test_figures_of_the_runs_own_file_count_too(run_folder: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256((run_folder / LAST).read_bytes()).hexdigest()
    figures = write_figures(tmp_path / "f.json", evaluated(digest))
    assert export(run_folder, tmp_path / "m.safetensors", "--figures", str(figures), "--name", "new") == 0


def test_a_card_that_was_edited_is_kept(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, page = tmp_path / "m.safetensors", tmp_path / "m.md"
    page.write_text("# By hand\n")
    assert export(run_folder, out, "--full") == 0
    assert page.read_text() == "# By hand\n"
    assert f"{page} was edited by hand and is kept" in capsys.readouterr().out


def test_a_model_names_its_data_without_their_folder(run_folder: Path) -> None:
    assert load_checkpoint(run_folder / LAST).header.training["data"]["names"] == ["discs.h5"]


@pytest.mark.parametrize(
    ("words", "out", "said"),
    [
        (["--best"], "m.safetensors", "holds no best.safetensors"),
        (["--figures", "none.json"], "m.safetensors", "none.json holds no figures"),
        (["--data", "none.h5"], "m.safetensors", "none.h5"),
        (["--hub", "no-owner"], "m.safetensors", "give OWNER/NAME"),
        ([], "m.bin", "should end in .safetensors"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(
    words: list[str], out: str, said: str, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert export(run_folder, tmp_path / out, *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (tmp_path / out).exists()
    assert not (tmp_path / "m.md").exists()


def test_best_of_a_file_is_refused(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(run_folder / LAST, tmp_path / "m.safetensors", "--last") == 2
    assert "choose from the folder of a run" in capsys.readouterr().err


def test_an_empty_folder_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path, tmp_path / "x.safetensors") == 2
    assert "there is no model file at" in capsys.readouterr().err
