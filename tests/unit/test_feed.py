import itertools
import json
import threading

import pytest
import zmq
from documents import T0, SyntheticRun

from xsn_acq.errors import StorageError
from xsn_acq.storage import feed
from xsn_acq.storage.feed import Follower, Publisher
from xsn_acq.storage.journal import Journal, find_run, read_journal
from xsn_acq.storage.layout import DataFolder

# Unit tests open no network socket: ZeroMQ's inproc transport stays in the process.
addresses = (f"inproc://feed-{number}" for number in itertools.count())


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path)


@pytest.fixture
def address():
    return next(addresses)


def documents(data, **settings):
    return list(SyntheticRun(**settings).play(data.frames_root))


def drain(follower):
    """Everything that can be had now."""
    lines = []
    while batch := follower.poll(0.0, limit=3):
        lines += batch
    return lines


def truth(data, which="last"):
    return list(read_journal(find_run(data.journal, which).path))


def test_lines_come_as_they_are_written(data, address):
    with Publisher(address) as publisher, Follower(data.journal, address) as follower:
        journal = Journal(data.journal, on_line=publisher.send)
        for name, doc in documents(data):
            journal(name, doc)
            (line,) = follower.poll(5.0)
            assert (line.name, line.line) == (name, truth(data)[-1].line)
        assert follower.poll(0.0) == []


def test_a_message_wakes_the_follower(data, address):
    with Publisher(address) as publisher, Follower(data.journal, address, poll_s=200.0) as follower:
        journal = Journal(data.journal, on_line=publisher.send)
        start = documents(data)[0]
        thread = threading.Thread(target=journal, args=start)
        thread.start()
        assert [line.name for line in follower.poll()] == ["start"]  # not after 200 s
        thread.join()


@pytest.mark.parametrize("runs", ["new", "all", "uid"])
def test_a_follower_that_starts_in_mid_run(data, runs):
    journal = Journal(data.journal)
    old = documents(data, seed=1, time_s=T0 - 100)
    run = documents(data, seed=2)
    for name, doc in old + run[:7]:
        journal(name, doc)
    uid = run[0][1]["uid"]
    with Follower(data.journal, runs=uid if runs == "uid" else runs) as follower:
        lines = drain(follower)
        for name, doc in run[7:]:
            journal(name, doc)
        lines += drain(follower)
    wanted = truth(data, uid) if runs != "all" else truth(data, old[0][1]["uid"]) + truth(data, uid)
    assert lines == wanted


def test_new_leaves_out_ended_and_older_interrupted_runs(data):
    journal = Journal(data.journal)
    for name, doc in documents(data, seed=1, time_s=T0 - 200)[:5]:
        journal(name, doc)
    journal.close()
    journal = Journal(data.journal)
    for name, doc in documents(data, seed=2, time_s=T0 - 100):
        journal(name, doc)
    with Follower(data.journal) as follower:
        assert drain(follower) == []
        for name, doc in documents(data, seed=3):
            journal(name, doc)
        assert drain(follower) == truth(data)


def test_new_takes_every_run_that_is_being_written(data):
    journal = Journal(data.journal)
    older = documents(data, seed=1, time_s=T0 - 100)
    for name, doc in older[:5] + documents(data, seed=2):
        journal(name, doc)
    with Follower(data.journal) as follower:
        for name, doc in older[5:]:
            journal(name, doc)
        assert drain(follower) == truth(data, older[0][1]["uid"])


def test_one_run_leaves_out_others_that_begin_later(data):
    journal = Journal(data.journal)
    first, second = documents(data, seed=1), documents(data, seed=2)
    with Follower(data.journal, runs=second[0][1]["uid"]) as follower:
        for pair in zip(first, second, strict=True):
            for name, doc in pair:
                journal(name, doc)
        assert drain(follower) == truth(data, second[0][1]["uid"])


def test_two_runs_at_once_each_in_order(data):
    journal = Journal(data.journal)
    runs = documents(data, seed=1), documents(data, seed=2)
    seen = []
    with Follower(data.journal) as follower:
        for pair in zip(*runs, strict=True):
            for name, doc in pair:
                journal(name, doc)
            seen += drain(follower)
    for run in runs:
        path = find_run(data.journal, run[0][1]["uid"]).path
        assert [line for line in seen if line.path == path] == truth(data, run[0][1]["uid"])


def test_the_publisher_may_die_and_come_back(data, address):
    run = documents(data)
    with Follower(data.journal, address, poll_s=0.01) as follower:
        publisher = Publisher(address)
        publishers = [publisher]

        def send(line):
            publishers[-1].send(line)

        journal = Journal(data.journal, on_line=send)
        for name, doc in run[:4]:
            journal(name, doc)
        lines = drain(follower)
        publisher.close()
        for name, doc in run[4:8]:
            journal(name, doc)  # a closed publisher is no error
        lines += drain(follower)
        publishers.append(Publisher(next(addresses)))
        for name, doc in run[8:]:
            journal(name, doc)
        lines += drain(follower)
        publishers[-1].close()
    assert lines == truth(data)


def test_a_half_written_line_comes_when_it_is_whole(data):
    run = documents(data)
    journal = Journal(data.journal)
    for name, doc in run:
        journal(name, doc)
    path = find_run(data.journal).path
    content = path.read_bytes()
    with Follower(data.journal, runs="all") as follower:
        path.write_bytes(content[:-5])
        lines = drain(follower)
        assert lines[-1].name != "stop"
        path.write_bytes(content)
        lines += drain(follower)
    assert lines == truth(data)


HOSTILE = [
    [b""],
    [b"\xff\xfe"],
    [b"[]", b""],
    [b'{"file":"../../../etc/passwd","offset":0,"end":9}', b"x"],
    [b'{"file":"20261102T000000Z_abcdefgh.jsonl","offset":9,"end":3}', b"x"],
    [b'{"file":"20261102T000000Z_abcdefgh.jsonl","offset":"0","end":3}', b"x"],
    [b'{"file":5,"offset":0,"end":3}', b"x"],
    [b'{"file":"a","offset":0,"end":3}' + b" " * 2000, b"x"],
    [b"\x80\x04\x95\x1f\x00\x00\x00", b"pickle"],
    [b"a", b"b", b"c"],
]


def test_malformed_messages_are_counted_and_change_nothing(data, address):
    socket = zmq.Context.instance().socket(zmq.PUB)
    socket.bind(address)
    with Follower(data.journal, address) as follower:
        journal = Journal(data.journal)
        lines = []
        for (name, doc), hostile in zip(documents(data)[: len(HOSTILE)], HOSTILE, strict=True):
            journal(name, doc)
            socket.send_multipart(hostile)
            lines += follower.poll(5.0)
        assert follower.malformed == len(HOSTILE)
        assert lines == truth(data)
    socket.close()


def test_forged_offsets_do_not_move_the_follower(data, address):
    socket = zmq.Context.instance().socket(zmq.PUB)
    socket.bind(address)
    with Follower(data.journal, address) as follower:
        journal = Journal(data.journal)
        run = documents(data)
        for name, doc in run[:3]:
            journal(name, doc)
        header = {"file": find_run(data.journal).path.name, "offset": 10, "end": 10**12}
        socket.send_multipart([json.dumps(header).encode(), b'{"name":"stop","doc":{}}\n'])
        lines = follower.poll(5.0) + drain(follower)
        assert lines == truth(data)
    socket.close()


def test_a_long_line_is_announced_without_its_content(data, address, monkeypatch):
    monkeypatch.setattr(feed, "MAX_MESSAGE_BYTES", 100)
    socket = zmq.Context.instance().socket(zmq.SUB)
    with Publisher(address) as publisher:
        socket.connect(address)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        journal = Journal(data.journal, on_line=publisher.send)
        journal(*documents(data)[0])
        header, content = socket.recv_multipart()
        assert content == b""
        assert json.loads(header)["end"] == truth(data)[0].end
    socket.close()


def test_closing_ends_the_iteration(data):
    follower = Follower(data.journal, poll_s=100.0)
    thread = threading.Thread(target=lambda: list(follower))
    thread.start()
    follower.close()
    thread.join(5.0)
    assert not thread.is_alive()


def test_an_address_that_cannot_be_bound(data, address):
    with Publisher(address), pytest.raises(StorageError, match="cannot be bound"):
        Publisher(address)
    with pytest.raises(StorageError, match="not an address"):
        Follower(data.journal, "nonsense")
