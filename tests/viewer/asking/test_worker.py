"""The thread that samples, when the program ends around it."""

import subprocess
import sys

import pytest

PROGRAM = """
import time
import torch
from qtpy.QtCore import QCoreApplication, QRunnable, QThreadPool
from napari_ambiseg.engine.plan import Phase
from napari_ambiseg.engine.pool import stream
from napari_ambiseg.errors import ComputeError
from napari_ambiseg.models.segmenter import State
from napari_ambiseg.viewer.asking import worker

def draw(chunk):
    for step in range(1, 1000):
        time.sleep(0.02)
        yield State(step=step, total=1000, log_snr=0.0, x_t=torch.zeros(1), x_hat=torch.zeros(1))

class Run(QRunnable):
    def run(self):
        try:
            list(stream(Phase(2, 1, (range(1), range(1, 2), range(2, 3))), draw))
        except ComputeError as error:
            print(error, flush=True)

application = QCoreApplication([])
QThreadPool.globalInstance().start(Run())
time.sleep(0.3)
{ending}
"""


@pytest.mark.parametrize("ending", ["", "raise SystemExit(0)"])
def test_a_run_that_is_under_way_does_not_keep_the_program_alive(ending: str) -> None:
    program = PROGRAM.replace("{ending}", ending)
    ended = subprocess.run(
        [sys.executable, "-c", program], timeout=60, check=True, capture_output=True, text=True
    )  # napari's window may be closed at any time; Qt waits for its threads
    assert "the program is ending" in ended.stdout


STOPPED = """
import time
from qtpy.QtCore import QCoreApplication
from napari_ambiseg.viewer.asking import worker

def draw(requests, stop):
    while not stop.is_set():
        time.sleep(0.01)
        yield None
    time.sleep(0.2)  # the end of a step
    print("stopped", flush=True)

worker.draw = draw
application = QCoreApplication([])
sampler = worker.Sampler()
sampler.start(())
time.sleep(0.2)
"""


def test_a_program_that_ends_stops_its_runs_and_waits_for_them() -> None:
    ended = subprocess.run([sys.executable, "-c", STOPPED], timeout=60, check=True, capture_output=True, text=True)
    assert ended.stdout.split() == ["stopped"]
