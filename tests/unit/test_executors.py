"""Where chunks run; what needs other processes is tested in tests/system/test_reconstruct.py."""

import sys

import pytest

from xsn_acq.errors import ConfigError, StorageError
from xsn_acq.live import chunks
from xsn_acq.live.executors import InProcess, LocalProcesses, executor


def test_this_process_takes_the_chunks_in_order():
    with executor(None, None) as here:
        assert isinstance(here, InProcess)
        assert list(here.map(divmod, [(7, 2), (9, 4)])) == [(0, (3, 1)), (1, (2, 1))]


def test_no_tasks_need_no_workers():
    with executor(2, None) as local:
        assert isinstance(local, LocalProcesses)
        assert list(local.map(divmod, [])) == []
        assert local._pool is None


def test_without_dask_a_scheduler_is_refused_in_words(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"found none; pip install 'xsn_acq\[cluster\]'"):
        executor(None, "tcp://127.0.0.1:1")


def test_a_thread_keeps_one_job_and_lets_it_go(monkeypatch):
    closed = []

    class Work:
        def __init__(self, scan, settings, threads):
            if scan == "broken":
                raise StorageError("no such file")
            self.name = scan

        def field(self, one, other, aligned):
            return self.name, one[0], other[0]

        def close(self):
            closed.append(self.name)

    monkeypatch.setattr(chunks, "_Retrieval", Work)
    first, second, broken = (
        f'{{"scan": "{name}", "settings": 0, "threads": 1, "digest": ""}}' for name in ("a", "b", "broken")
    )
    pair = ((1, 0.0, 0.0), (2, 180.0, 1.0), None)
    with InProcess() as here:
        assert [
            found for _, found in here.map(chunks.retrieve, [(first, [pair]), (first, [pair, pair])])
        ] == [
            [("a", 1, 2)],
            [("a", 1, 2), ("a", 1, 2)],
        ]
        assert closed == []
        assert list(here.map(chunks.retrieve, [(second, [pair])])) == [(0, [("b", 1, 2)])]
        assert closed == ["a"]
        with pytest.raises(StorageError):
            list(here.map(chunks.retrieve, [(broken, [pair])]))
    assert closed == ["a", "b"]


def test_work_of_another_job_is_not_let_go(monkeypatch):
    class Work:
        closed = False

        def close(self):
            self.closed = True

    mine, others = Work(), Work()
    monkeypatch.setattr(chunks, "_kept", {1: ("mine", mine), 2: ("others", others)})
    chunks.let_go(jobs={"mine"})
    assert (mine.closed, others.closed) == (True, False)
