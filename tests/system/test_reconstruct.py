"""Offline reconstruction: chunks here, in local workers, on Dask; killed anywhere, it ends the same."""

import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from xsn_run import xsn_run

from tests.system.command import command
from xsn_acq.errors import ConnectError, ReconstructionError
from xsn_acq.live import volume_writing
from xsn_acq.live.dask_cluster import DaskCluster
from xsn_acq.live.executors import LocalProcesses
from xsn_acq.live.offline import reconstruct_file
from xsn_acq.sim.process import free_ports
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.nxtomo import write_nxtomo
from xsn_acq.storage.run import RunRecord

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

PAIRS = 24
SHAPE = (64, 48)
PATIENCE_S = 40.0


@pytest.fixture(scope="module", autouse=True)
def small_slabs():
    """Sixteen slabs for a small volume."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volume_writing, "_MOST_ROWS", 4)
        yield


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """An NXtomo file; its run has lost frames, and flats at both ends."""
    data = DataFolder(tmp_path_factory.mktemp("data"))
    made = xsn_run(PAIRS, shape=SHAPE, lost=(5, 40), flats_after=2)
    record = RunRecord.from_documents(made.run.play(data.frames_root))
    return write_nxtomo(record, data.exports / "raw.nx")


@pytest.fixture(scope="module")
def wanted(raw, tmp_path_factory):
    """What this process makes of it, undisturbed."""
    return values(reconstruct_file(raw, tmp_path_factory.mktemp("wanted")).volume)


def values(volume):
    """Volumes, and the slices and angles that are kept beside them."""
    with h5py.File(volume) as file:
        entry = file["entry"]
        found = [entry[f"{name}/{name}"][()] for name in ("delta", "beta")]
        found += [entry[f"slices/delta_{plane}/delta_{plane}"][()] for plane in ("xz", "xy", "zy")]
        np.testing.assert_array_equal(found[2], found[0][SHAPE[0] // 2])
        np.testing.assert_array_equal(found[3], found[0][:, SHAPE[1] // 2])
        np.testing.assert_array_equal(found[4], found[0][:, :, SHAPE[1] // 2])
        return [*found, entry["pairs/theta"][()], entry["pairs/residual"][()]]


def assert_same(volume, wanted):
    *images, theta, residual = values(volume)
    for one, other in zip(images, wanted, strict=False):
        np.testing.assert_array_equal(one, other)  # to the last bit, wherever and in how many threads
    np.testing.assert_array_equal(theta, wanted[-2])
    np.testing.assert_array_equal(residual, wanted[-1])


class Watch:
    """Progress that does something once, when so much of a stage is done."""

    def __init__(self, stage="", done=0, then=lambda: None):
        self.told = []
        self._stage, self._done, self._then = stage, done, then

    def __call__(self, stage, done, total):
        self.told.append((stage, done, total))
        if stage == self._stage and done >= self._done:
            self._stage = ""
            self._then()

    def first(self, stage):
        return next(done for name, done, _ in self.told if name == stage)


def environment(marker=""):
    repository = Path(__file__).parents[2]
    path = os.pathsep.join([str(repository), str(repository / "tests" / "unit")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "XSN_TEST": marker}


@contextmanager
def process(*arguments):
    """A Python program in the background, which is not there any more at the end."""
    child = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


@contextmanager
def cluster(folder):
    """Scheduler and two workers of a Dask cluster on this machine's loopback, no web pages."""
    (port,) = free_ports(1)
    address = f"tcp://127.0.0.1:{port}"
    here = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    worker = ("-m", "distributed.cli.dask_worker", address, *here, "--nthreads", 1, "--no-nanny")
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            process("-m", "distributed.cli.dask_scheduler", *here, "--port", port)
        )
        workers = [
            stack.enter_context(process(*worker, "--local-directory", folder / str(number)))
            for number in range(2)
        ]
        with DaskCluster(address) as executor:
            executor._client.wait_for_workers(2, timeout=PATIENCE_S)
            yield executor, workers, scheduler


@pytest.mark.parametrize("stage", ["retrieval", "volume"])
def test_a_dask_worker_killed_in_mid_run_costs_nothing(raw, wanted, tmp_path, stage):
    with cluster(tmp_path) as (executor, workers, _):
        watch = Watch(stage, 1, workers[0].kill)
        paths = reconstruct_file(raw, tmp_path / "out", executor=executor, progress=watch)
        assert workers[0].poll() == -signal.SIGKILL
        assert workers[1].poll() is None
        assert_listens_here_only([child.pid for child in workers])
    assert_same(paths.volume, wanted)


def test_a_scheduler_that_dies_is_told_and_the_work_gone_on_with(raw, wanted, tmp_path):
    with cluster(tmp_path) as (executor, _, scheduler):
        executor._client._timeout = 0.5  # how long Dask tries to find it again, seconds
        watch = Watch("retrieval", 1, scheduler.kill)
        with pytest.raises(ConnectError, match=r"lost: .*start again to go on"):
            reconstruct_file(raw, tmp_path / "out", executor=executor, progress=watch)
    watch = Watch()
    assert_same(reconstruct_file(raw, tmp_path / "out", progress=watch).volume, wanted)
    assert watch.first("retrieval") >= 4


def assert_listens_here_only(pids):
    for pid in pids:
        sockets = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").glob("*") if link.is_symlink()}
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in sockets:
                assert local.startswith("0100007F:")


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setattr("xsn_acq.live.dask_cluster.CONNECT_S", 0.3)
    (port,) = free_ports(1)
    with pytest.raises(ConnectError, match=f"127.0.0.1:{port}: no Dask scheduler answers"):
        DaskCluster(f"tcp://127.0.0.1:{port}")


def test_a_local_worker_killed_in_mid_run_costs_nothing(raw, wanted, tmp_path, caplog):
    with LocalProcesses(2) as executor:

        def kill_one():
            os.kill(next(iter(executor._pool._processes)), signal.SIGKILL)

        paths = reconstruct_file(raw, tmp_path, executor=executor, progress=Watch("retrieval", 1, kill_one))
    assert "a worker died" in caplog.text
    assert_same(paths.volume, wanted)


def test_workers_that_always_die_are_told():
    with LocalProcesses(1) as executor, pytest.raises(ReconstructionError, match="a worker died twice"):
        list(executor.map(os._exit, [(1,), (1,)]))


CHILD = """
import os, signal, sys
from pathlib import Path
from xsn_acq.live import volume_writing
from xsn_acq.live.executors import executor
from xsn_acq.live.offline import reconstruct_file

volume_writing._MOST_ROWS = 4
raw, folder, stage, done, workers = sys.argv[1:]

def progress(now, count, total):
    if now == stage and count >= int(done):
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    with executor(int(workers), None) as chosen:
        reconstruct_file(Path(raw), Path(folder), executor=chosen, progress=progress)
"""


def killed(raw, folder, stage, done, *, workers=0, marker=""):
    script = folder.with_suffix(".py")
    script.write_text(CHILD)
    arguments = [sys.executable, script, raw, folder, stage, str(done), str(workers)]
    ended = subprocess.run(arguments, env=environment(marker), timeout=PATIENCE_S, check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("stage", "done"), [("retrieval", 9), ("volume", 21)])
def test_a_killed_reconstruction_goes_on_where_it_was(raw, wanted, tmp_path, stage, done):
    folder = tmp_path / "out"
    killed(raw, folder, stage, done)
    assert not (folder / "reconstruction.h5").exists()
    watch = Watch()
    paths = reconstruct_file(raw, folder, progress=watch)
    # each pair counts as it comes into the store; slabs are of four rows
    assert watch.first(stage) == (done if stage == "retrieval" else -(-done // 4) * 4)
    if stage == "volume":
        assert watch.first("retrieval") == PAIRS
    assert not (folder / "reconstruction.part").exists()
    assert_same(paths.volume, wanted)


def test_a_torn_slab_is_made_again(raw, wanted, tmp_path):
    folder = tmp_path / "out"
    killed(raw, folder, "volume", 16)
    with h5py.File(folder / "reconstruction.part", "r+") as file:
        file["entry/beta/beta"][5, 3, 3] += 1.0
    watch = Watch()
    paths = reconstruct_file(raw, folder, progress=watch)
    assert watch.first("volume") == 12
    assert_same(paths.volume, wanted)


def test_local_workers_end_with_the_process_that_is_killed(raw, tmp_path):
    killed(raw, tmp_path / "out", "retrieval", 1, workers=2, marker=tmp_path)
    for pid in marked(f"XSN_TEST={tmp_path}"):
        with open(os.pidfd_open(pid)) as handle:
            assert select.select([handle], [], [], PATIENCE_S)[0], f"worker {pid} outlived its parent"


def marked(marker):
    """Processes with this in their environment."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (place / "environ").read_bytes().split(b"\0"):
                yield int(place.name)
        except OSError:
            pass


def test_the_command_refuses_and_tells(raw, tmp_path):
    tried = [
        (("last", "--beamline", "pls2-7c-xni", "--data", tmp_path), 2, "--beamline: of NXtomo files only"),
        ((tmp_path / "none.nx",), 1, "none.nx: there is no such file"),
        ((raw, "--workers", "0"), 2, "whole number above 0"),
    ]
    for arguments, status, words in tried:
        done = subprocess.run(command("reconstruct", *arguments), capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert words in done.stderr
