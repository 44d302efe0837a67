"""The mean of runs that went on from one model: exactly that, told in what is written, and of nothing else."""

from pathlib import Path

import pytest
import torch

from napari_ambiseg.errors import SettingsError
from napari_ambiseg.models.checkpoint import read_header
from tests.trainer.conftest import disc_collection, run_weights
from trainer.__main__ import main
from trainer.config import DataSource, FitConfig, with_overrides
from trainer.exporting.export import Request, export
from trainer.fine_tuning import read_start
from trainer.fit import fit

CONFIG = FitConfig(
    recipe="test", size="tiny", grid_px=16, steps=3, batch_size=4, learning_rate=2e-3, warmup_steps=0, decay_steps=0,
    holdout=0.2, holdout_seed=0, checkpoint_steps=3, log_steps=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``first`` and ``other`` from random weights; ``a`` and ``b`` went on from the first, ``c`` from the other."""
    folder = tmp_path_factory.mktemp("runs")

    def go(name: str, seed: int, start: str | None = None, **changes: object) -> None:
        config = with_overrides(CONFIG, {"seed": seed, **changes})
        begun = read_start(str(folder / start)) if start else None
        source = DataSource(names=("discs",))
        fit(config, disc_collection(), folder / name, device=torch.device("cpu"), source=source, start=begun)

    go("first", 0)
    go("other", 1)
    go("a", 2, "first")
    go("b", 3, "first")
    go("c", 4, "other")
    return folder


def test_the_mean_is_the_mean_and_says_of_what(runs: Path, tmp_path: Path) -> None:
    words = ["export", str(runs / "a"), "--mean-with", str(runs / "b"), "--out", str(tmp_path / "mean.safetensors")]
    assert main([*words, "--full"]) == 0
    (tmp_path / "run").mkdir()
    (tmp_path / "mean.safetensors").rename(tmp_path / "run" / "model.safetensors")
    a, b, mean = (run_weights(folder) for folder in (runs / "a", runs / "b", tmp_path / "run"))
    for name, value in mean.items():
        torch.testing.assert_close(value, (a[name] + b[name]) / 2)
        assert a[name].equal(b[name]) == value.equal(a[name])
    training = read_header(tmp_path / "run" / "model.safetensors").training
    (told,) = training["averaged_with"]
    assert (training["fit"]["seed"], told["fit"]["seed"]) == (2, 3)
    assert told["sha256"] in (tmp_path / "mean.md").read_text()


@pytest.mark.parametrize(
    ("first", "other", "words"),
    [("first", "other", "began with random weights"), ("a", "c", "has another beginning than the first model")],
)
def test_runs_that_began_apart_have_no_mean(first: str, other: str, words: str, runs: Path, tmp_path: Path) -> None:
    request = Request(source=runs / first, target=tmp_path / "mean.safetensors", mean_with=(runs / other,))
    with pytest.raises(SettingsError, match=words):
        export(request)
    assert not list(tmp_path.iterdir())
