"""The shell scripts behind `make`, on machines made of stubs: a folder of small programs that stands first in PATH."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the scripts act on Linux only")

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str, str], None]:
    """Put a stub program on the machine: its name, and the shell lines that it runs."""
    (tmp_path / "bin").mkdir()

    def add(name: str, lines: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)

    return add


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script of the project on that machine, without a screen unless told otherwise."""

    def go(script: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        ours = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")  # these tests may themselves run on a virtual screen
        kept = {k: v for k, v in os.environ.items() if k not in ours}
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            [str(ROOT / "scripts" / script), *arguments],
            env={**kept, "PATH": path, **environment},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return go


def test_missing_packages_are_named_with_the_command_to_whoever_is_not_root(
    machine: Callable[[str, str], None], run: Run
) -> None:
    machine("dpkg-query", "echo installed libgl1; echo installed libglib2.0-0t64")
    machine("id", "echo 1000")
    machine("apt-get", "exit 99")
    answer = run("system-packages")
    assert answer.returncode == 0
    command = next(line for line in answer.stderr.splitlines() if "apt-get install" in line)
    assert {"xvfb", "libxcb-cursor0"} <= set(command.split())
    assert not {"libgl1", "libglib2.0-0"} & set(command.split())


def test_root_gets_exactly_the_missing_packages(machine: Callable[[str, str], None], run: Run, tmp_path: Path) -> None:
    (listing := tmp_path / "asked").write_text("")
    machine("dpkg-query", "for p in xvfb xauth libdbus-1-3 libegl1 libfontconfig1 libgl1; do echo installed $p; done")
    machine("id", "echo 0")
    machine("apt-get", f'echo "$@" >> {listing}')
    assert run("system-packages").returncode == 0
    update, install = listing.read_text().splitlines()
    assert update.startswith("update")
    assert "libxcb-cursor0" in install.split()
    assert not {"xvfb", "libgl1"} & set(install.split())


def test_a_failing_installation_is_told_but_does_not_stop_the_rest(
    machine: Callable[[str, str], None], run: Run
) -> None:
    machine("dpkg-query", "exit 1")
    machine("id", "echo 0")
    machine("apt-get", "exit 100")
    answer = run("system-packages")
    assert answer.returncode == 0
    assert "could not be installed" in answer.stderr


def test_a_virtual_screen_is_not_asked_for_where_there_is_a_screen(
    machine: Callable[[str, str], None], run: Run
) -> None:
    machine("dpkg-query", "exit 1")
    machine("id", "echo 1000")
    assert "xvfb" not in run("system-packages", DISPLAY=":0").stderr
    assert run("with-screen", "sh", "-c", "echo $QT_QPA_PLATFORM", DISPLAY=":0").stdout.strip() == ""


def test_the_virtual_screen_hands_on_the_exit_code_and_leaves_no_settings_behind(
    machine: Callable[[str, str], None], run: Run, tmp_path: Path
) -> None:
    machine("xvfb-run", 'while [ "$1" != sh ]; do shift; done; exec "$@"')
    answer = run("with-screen", "sh", "-c", 'test -d "$XDG_CONFIG_HOME" && echo "$XDG_CONFIG_HOME"; exit 7')
    assert answer.returncode == 7
    assert answer.stdout.strip()
    assert not Path(answer.stdout.strip()).exists()


@pytest.mark.parametrize(
    ("rest", "window", "expected"), [(0, 0, 0), (0, 5, 0), (5, 0, 0), (1, 0, 1), (0, 1, 1), (5, 5, 5), (5, 139, 139)]
)
def test_the_suite_passes_if_both_halves_do_and_any_test_ran(
    rest: int, window: int, expected: int, machine: Callable[[str, str], None], run: Run, tmp_path: Path
) -> None:
    """A half without tests (pytest's exit code 5) is no failure, unless the other is empty too."""
    (tmp_path / "scripts").mkdir()
    fake = tmp_path / "scripts" / "with-screen"
    fake.write_text(f'#!/bin/sh\ncase "$*" in *"not window"*) exit {rest} ;; *) exit {window} ;; esac\n')
    fake.chmod(0o755)
    assert run("run-tests", cwd=tmp_path).returncode == expected
