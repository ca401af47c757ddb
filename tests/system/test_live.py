"""The live worker as a process: killed, stopped, started again; the run goes on, the result is whole."""

import random
import signal
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pytest
import zmq
from xsn_run import xsn_run

from xsn_acq.live.offline import reconstruct
from xsn_acq.live.picture import draw
from xsn_acq.live.results import decode, read_status
from xsn_acq.live.volume import VolumeFile
from xsn_acq.storage.feed import Publisher
from xsn_acq.storage.journal import Journal, find_run
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

pytestmark = pytest.mark.system

# FINUFFT adds in an order that depends on its threads: equal to the rounding of float32.
ROUNDING = 2e-6
PATIENCE_S = 40.0


class Acquisition:
    """The RunEngine's side: journal and publisher, fed with a synthetic run step by step."""

    def __init__(self, folder, publisher, made):
        self.data = DataFolder(folder)
        self.uid = made.run.uid
        self._journal = Journal(self.data.journal, on_line=publisher.send)
        self._documents = made.run.play(self.data.frames_root)

    def play(self, pages=10**6):
        """Go on until so many pages of the ledger are out; the longest time of one document, seconds."""
        slowest = 0.0
        for name, doc in self._documents:
            begun = time.monotonic()
            self._journal(name, doc)
            slowest = max(slowest, time.monotonic() - begun)
            pages -= name == "event_page"
            if pages == 0:
                break
        return slowest

    def pairs(self):
        """Fields the worker says it has; 0 before it says anything."""
        status = self.status()
        return status.pairs if status else 0

    def status(self):
        return read_status(self.data.root / "results" / self.uid[:8])


class Worker:
    """``xsn-acq live`` in its own process."""

    def __init__(self, folder, documents, results):
        self._command = [sys.executable, "-m", "xsn_acq.cli", "live", "--data", str(folder), "--one-run"]
        self._command += ["--documents", documents, "--results", results]
        self.log = folder / "live.log"
        self.process = None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self):
        assert self.process.wait(PATIENCE_S) == 0, self.log.read_text()


def until(condition):
    """Wait for something another process does."""
    deadline = time.monotonic() + PATIENCE_S
    pause = closing(zmq.Context.instance().socket(zmq.PAIR))
    with pause as never:
        while not condition():
            assert time.monotonic() < deadline, "nothing happened"
            never.poll(10)


@pytest.fixture
def publisher():
    with Publisher() as running:
        yield running


@pytest.fixture
def worker(tmp_path, publisher):
    process = Worker(tmp_path, publisher.address, "tcp://127.0.0.1:*")
    yield process
    if process.process is not None:
        process.kill()


def assert_whole(acquisition, tmp_path):
    """The live result is that of an offline reconstruction that knows nothing of it."""
    assert acquisition.status().state == "done"
    record = RunRecord.from_journal(find_run(acquisition.data.journal, acquisition.uid).path)
    wanted = reconstruct(record, tmp_path / "offline").volume
    found = acquisition.data.results(acquisition.uid) / "reconstruction.h5"
    with VolumeFile(found) as one, VolumeFile(wanted) as other:
        for name in ("delta", "beta"):
            truth = getattr(other, name)[()]
            np.testing.assert_allclose(
                getattr(one, name)[()], truth, rtol=0, atol=ROUNDING * np.abs(truth).max()
            )
        np.testing.assert_array_equal(one.summary().theta_deg, other.summary().theta_deg)


def test_a_worker_killed_in_mid_run_and_started_again_ends_whole(tmp_path, publisher, worker):
    made = xsn_run(24, shape=(32, 64), lost=(5, 40), per_flush=4)
    acquisition = Acquisition(tmp_path, publisher, made)
    worker.start()
    acquisition.play(pages=8)
    until(lambda: acquisition.pairs() > 3)
    worker.kill()
    acquisition.play(pages=1)
    before = acquisition.pairs()
    worker.start()
    until(lambda: acquisition.pairs() > before)  # it is back, and goes on
    acquisition.play()
    worker.finish()
    assert_whole(acquisition, tmp_path)


def test_a_worker_killed_again_and_again_ends_whole(tmp_path, publisher, worker):
    chance = random.Random(7)
    made = xsn_run(24, shape=(32, 64), per_flush=2)
    acquisition = Acquisition(tmp_path, publisher, made)
    acquisition.play(pages=14)
    for _ in range(3):
        wanted = acquisition.pairs() + chance.randint(1, 2)
        worker.start()
        acquisition.play(pages=2)
        until(lambda wanted=wanted: acquisition.pairs() >= wanted)
        worker.kill()
    wanted = acquisition.pairs() + 1
    acquisition.play(pages=1)
    worker.start()
    until(lambda: acquisition.pairs() >= wanted)
    acquisition.play()
    worker.finish()
    assert_whole(acquisition, tmp_path)


def test_a_worker_that_stands_still_costs_the_run_nothing(tmp_path, publisher, worker):
    acquisition = Acquisition(tmp_path, publisher, xsn_run(24, shape=(32, 64), per_flush=1))
    worker.start()
    acquisition.play(pages=2)
    until(lambda: acquisition.status() is not None)
    worker.signal(signal.SIGSTOP)
    slowest = acquisition.play()
    worker.signal(signal.SIGCONT)
    # writing and publishing one document takes under a millisecond; a second is a busy machine, not a wait
    assert slowest < 1.0
    worker.finish()
    assert_whole(acquisition, tmp_path)


def test_results_can_be_subscribed_to(tmp_path, publisher, worker):
    with closing(zmq.Context.instance().socket(zmq.SUB)) as viewer:
        port = viewer.bind_to_random_port("tcp://127.0.0.1")
        viewer.unbind(f"tcp://127.0.0.1:{port}")
        address = f"tcp://127.0.0.1:{port}"
        viewer.subscribe(b"")
        viewer.setsockopt(zmq.RECONNECT_IVL, 5)  # ms: there long before the worker has done the first page
        viewer.connect(address)
        worker._command[-1] = address
        worker.start()
        acquisition = Acquisition(tmp_path, publisher, xsn_run(24, shape=(16, 48), per_flush=1))
        acquisition.play(pages=1)
        until(lambda: acquisition.status() is not None)
        until(lambda: acquisition.play(pages=1) >= 0 and viewer.poll(0))  # what is sent before is not heard
        acquisition.play()
        worker.finish()
        messages = []
        while viewer.poll(500):
            messages.append(decode(viewer.recv_multipart()))
    kinds = {header["kind"] for header, _ in messages}
    assert kinds >= {"status", "slice"}
    last = [
        image
        for header, image in messages
        if (header.get("quantity"), header.get("plane")) == ("delta", "xz")
    ]
    with VolumeFile(acquisition.data.results(acquisition.uid) / "reconstruction.h5") as file:
        np.testing.assert_array_equal(last[-1], file.delta[8])


def test_the_worker_knows_no_device():
    code = "import sys, xsn_acq.live.worker; print({'epics', 'ophyd', 'caproto'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_picture_is_drawn_with_and_without_truth(tmp_path):
    record = RunRecord.from_documents(xsn_run(8).run.play(tmp_path / "frames"))
    with VolumeFile(reconstruct(record, tmp_path / "out").volume) as file:
        plain = draw(tmp_path / "plain.png", file)
        beside = draw(
            tmp_path / "truth.png", file, at=(3, 20, 30), truth=file.summary().slices, title="title"
        )
    for path in (plain, beside):
        assert path.read_bytes().startswith(b"\x89PNG")
