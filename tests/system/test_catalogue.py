"""The embedded catalogue (Tiled) and the process that keeps it level; no Channel Access."""

import multiprocessing
import signal
import sqlite3
import threading
from contextlib import closing

import numpy as np
import pytest
from documents import T0, SyntheticRun

from xsn_acq.errors import StorageError
from xsn_acq.storage import catalogue_worker
from xsn_acq.storage.catalogue import INTERRUPTED, insert, is_catalogued, open_catalogue, opened_catalogue
from xsn_acq.storage.catalogue_worker import follow, level
from xsn_acq.storage.feed import Publisher
from xsn_acq.storage.journal import Journal, find_run, list_runs
from xsn_acq.storage.layout import DataFolder

# Tiled and what it stands on warn of their own futures.
pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore")]

LOADED = ["bluesky_tiled_plugins", "tiled.catalog", "tiled.server.app", "tiled.commandline._catalog"]
"""To import them takes a process three seconds."""


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path)


def record(data, **settings):
    """Journal one synthetic run to its end; its uid."""
    return SyntheticRun(**settings).journal(data.frames_root, Journal(data.journal))


def record_part(journal, data, count, **settings):
    """Journal the first documents of a run; the others."""
    documents = list(SyntheticRun(**settings).play(data.frames_root))
    for name, doc in documents[:count]:
        journal(name, doc)
    return documents[count:]


def test_a_run_can_be_read_and_searched(data):
    from databroker.queries import PartialUID, ScanID, TimeRange
    from tiled.queries import Eq

    projection = np.arange(160).reshape(10, 16)
    uid = record(data, lost=(3,), projection=lambda index, theta_deg: projection + 1000 * index)
    record(data, seed=2, time_s=T0 + 86_400)
    with opened_catalogue(data.root) as catalogue:
        assert level(catalogue, data.journal) == 2
        assert len(catalogue) == 2
        run = catalogue[uid]
        assert run.metadata["start"]["acquisition"]["frame_shape"] == [10, 16]
        assert run.metadata["stop"]["exit_status"] == "success"
        frames = run["projections"]["camera_image"]
        assert frames.shape == (12, 10, 16)
        np.testing.assert_array_equal(frames[5], projection + 5000)
        ledger = run["ledger"].read()
        assert ledger["target"].values.tolist() == [*range(12), 3]
        assert ledger["status"].values.tolist().count("lost") == 1
        assert np.isnan(ledger["residual_s"].values[3])
        assert [run.metadata["start"]["uid"] for run in catalogue.search(PartialUID(uid[:6])).values()] == [
            uid
        ]
        assert len(catalogue.search(ScanID(1))) == 2
        assert len(catalogue.search(Eq("start.plan_name", "xsn_tomography"))) == 2
        assert len(catalogue.search(TimeRange(since=T0 + 3600))) == 1
        assert catalogue[-1].metadata["start"]["time"] == T0 + 86_400
        names = [name for name, _ in run.documents()]
        assert (names[0], names[-1], names.count("stream_resource")) == ("start", "stop", 3)


def test_level_is_idempotent_and_repairs_parts(data):
    whole, part = record(data, seed=1), record(data, seed=2)
    with opened_catalogue(data.root) as catalogue:
        from bluesky_tiled_plugins import TiledWriter

        writer = TiledWriter(catalogue, batch_size=1)
        for line in list_lines(data, part)[:14]:  # as a worker leaves it that was killed in mid-run
            writer(line.name, line.doc)
        assert "stop" not in catalogue[part].metadata
        assert level(catalogue, data.journal) == 2
        assert level(catalogue, data.journal) == 0
        for uid in (whole, part):
            assert is_catalogued(catalogue, uid, stopped=True)
            assert len(catalogue[uid]["ledger"].read()["target"]) == 12
    assert len(list(data.frames_root.rglob("*.h5"))) == 6  # frames are never removed


def list_lines(data, uid):
    from xsn_acq.storage.journal import read_journal

    return list(read_journal(find_run(data.journal, uid).path))


def test_an_interrupted_run_is_entered_and_says_so(data):
    journal = Journal(data.journal)
    rest = record_part(journal, data, 16)
    with opened_catalogue(data.root) as catalogue:
        assert level(catalogue, data.journal) == 0  # its session is alive
        journal.close()
        assert level(catalogue, data.journal) == 1
        uid = list_runs(data.journal)[0].uid
        stop = catalogue[uid].metadata["stop"]
        assert (stop["exit_status"], stop["reason"]) == ("fail", INTERRUPTED)
        assert len(catalogue[uid]["ledger"].read()["target"]) > 0
        assert level(catalogue, data.journal) == 0
        # Its stop document comes after all (a journal on another machine, whose lock is not seen here).
        path = find_run(data.journal).path
        from xsn_acq.storage.lines import encode

        with path.open("ab") as file:
            file.writelines(encode(name, doc) for name, doc in rest)
        assert level(catalogue, data.journal) == 1
        assert catalogue[uid].metadata["stop"]["exit_status"] == "success"
        assert len(catalogue[uid]["ledger"].read()["target"]) == 12
    assert not find_run(data.journal).path.read_text().count(INTERRUPTED)


def test_a_run_that_cannot_be_entered_does_not_keep_the_others_out(data):
    bad, good = record(data, seed=1), record(data, seed=2)
    path = find_run(data.journal, bad).path
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"name":"descriptor"' not in line))
    with opened_catalogue(data.root) as catalogue:
        with pytest.raises(StorageError, match=bad[:8]):
            level(catalogue, data.journal)
        assert is_catalogued(catalogue, good, stopped=True)
        with pytest.raises(StorageError, match="cannot be entered"):
            insert(catalogue, path)


def test_following_a_run_while_it_goes_on(data):
    record(data, seed=1, time_s=T0 - 1000)
    journal_entries = SyntheticRun(seed=2).play(data.frames_root)
    with Publisher() as publisher:
        journal = Journal(data.journal, on_line=publisher.send)
        worker = threading.Thread(
            target=follow, args=(data.root, publisher.address), kwargs={"one_run": True, "since": T0}
        )
        for _ in range(9):
            journal(*next(journal_entries))
        worker.start()
        for name, doc in journal_entries:
            journal(name, doc)
        worker.join(60)
    assert not worker.is_alive()
    with opened_catalogue(data.root) as catalogue:
        assert all(is_catalogued(catalogue, run.uid, stopped=True) for run in list_runs(data.journal))


def test_a_session_that_dies_ends_the_run_in_the_catalogue(data, start_worker):
    journal = Journal(data.journal)
    record_part(journal, data, 14)
    worker = start_worker(data, one_run=True, since=T0)
    wait_until(lambda: catalogue_has_runs(data))
    journal.close()
    assert ended(worker, 60) == 0
    with opened_catalogue(data.root) as catalogue:
        assert catalogue[-1].metadata["stop"]["reason"] == INTERRUPTED


def test_a_run_that_is_refused_is_not_waited_for(data, monkeypatch):
    def refuse(catalogue, path):
        raise StorageError(f"catalogue: {path} cannot be entered")

    record(data)
    monkeypatch.setattr(catalogue_worker, "insert", refuse)
    stop = threading.Event()
    watchdog = threading.Timer(30.0, stop.set)  # one that waits for ever fails here instead of hanging
    watchdog.start()
    with pytest.raises(StorageError, match="cannot be entered"):
        follow(data.root, one_run=True, since=T0, stop=stop)
    watchdog.cancel()
    assert not stop.is_set()


def catalogue_has_runs(data):
    """Seen in the database itself, which stands there whole once it has its name."""
    return (data.catalogue / "runs.db").exists() and last_node(data) > 0


def last_node(data):
    """Number of nodes ever written."""
    with closing(sqlite3.connect(data.catalogue / "runs.db")) as database:
        return database.execute("SELECT COALESCE(MAX(id), 0) FROM nodes").fetchone()[0]


def any_part(data):
    with opened_catalogue(data.root) as catalogue:
        return any("stop" not in run.metadata for run in catalogue.values())


def wait_until(condition, timeout_s=60.0, pause_s=0.2):
    pause = threading.Event()
    for _ in range(round(timeout_s / pause_s)):
        if condition():
            return
        pause.wait(pause_s)
    raise TimeoutError(condition)


@pytest.fixture(scope="module")
def processes():
    """Processes that are forks of one which has imported the catalogue, and done nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*LOADED, "xsn_acq.storage.catalogue_worker"])
    return context


@pytest.fixture
def start_worker(processes):
    def start(data, **options):
        process = processes.Process(target=follow, args=(data.root,), kwargs=options, daemon=True)
        process.start()
        return process

    return start


def ended(process, timeout_s):
    """Exit status of a process that ends by itself."""
    process.join(timeout_s)
    return process.exitcode


@pytest.mark.timeout(400)
def test_killed_at_any_time_nothing_is_lost(data, start_worker):
    """SIGKILL when so many nodes have been written, in levelling and in following; then one may finish."""
    uids = [record(data, seed=seed, time_s=T0 - 100 * seed) for seed in range(1, 5)]
    journal = Journal(data.journal)
    rest = record_part(journal, data, 12, seed=9)
    with opened_catalogue(data.root):
        pass
    for nodes in (2, 9, 30):  # a whole run has eleven
        worker, before = start_worker(data), last_node(data)
        wait_until(lambda before=before, nodes=nodes: last_node(data) >= before + nodes, pause_s=0.002)
        worker.kill()
        assert ended(worker, 60) == -signal.SIGKILL
    assert any_part(data)  # a kill did hit a run half written
    for name, doc in rest:
        journal(name, doc)
    assert ended(start_worker(data, once=True), 120) == 0
    uids.append(list_runs(data.journal)[-1].uid)
    with opened_catalogue(data.root) as catalogue:
        assert sorted(catalogue) == sorted(uids)
        for uid in uids:
            assert is_catalogued(catalogue, uid, stopped=True)
            assert catalogue[uid]["ledger"].read()["target"].values.tolist() == list(range(12))
            assert catalogue[uid]["projections"]["camera_image"].shape[0] == 12


def test_a_second_worker_leaves_the_work_to_the_first(data, start_worker, caplog):
    record(data)
    first = start_worker(data)
    try:
        wait_until(lambda: catalogue_has_runs(data))
        follow(data.root, once=True)
        assert "another process keeps it level" in caplog.text
        assert first.is_alive()
    finally:
        first.kill()
        first.join()


def test_catalogues_of_one_process_share_no_connections(data):
    """Tiled keeps one pool of connections by address: two apps that shared it hung now and then."""
    from tiled.server.connection_pool import _connection_pools as pools

    before = len(pools)
    with opened_catalogue(data.root), opened_catalogue(data.root):
        assert len(pools) == before + 2
    assert len(pools) == before


def test_a_catalogue_that_is_no_database_is_told(data):
    (data.catalogue / "runs.db").write_bytes(b"x" * 5000)
    with pytest.raises(StorageError, match="make it again"):
        open_catalogue(data.root)


def test_two_processes_may_make_the_catalogue_at_once(data, processes):
    record(data)
    both = [processes.Process(target=open_catalogue, args=(data.root,), daemon=True) for _ in range(2)]
    for process in both:
        process.start()
    assert [ended(process, 60) for process in both] == [0, 0]
    with opened_catalogue(data.root) as catalogue:
        assert len(catalogue) == 0
