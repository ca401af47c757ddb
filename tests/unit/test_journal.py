import errno
import json
import math
import os
import uuid
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from documents import T0, SyntheticRun

from xsn_acq.errors import StorageError
from xsn_acq.storage.journal import Journal, encode, find_run, is_being_written, list_runs, read_journal
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord


@pytest.fixture
def data(tmp_path):
    return DataFolder(tmp_path)


def record(data, **settings):
    """Journal one synthetic run; its documents."""
    documents = list(SyntheticRun(**settings).play(data.frames_root))
    journal = Journal(data.journal)
    for name, doc in documents:
        journal(name, doc)
    return documents


def test_every_document_comes_back(data):
    documents = record(data, lost=(2,))
    lines = list(read_journal(find_run(data.journal).path))
    assert [line.name for line in lines] == [name for name, _ in documents]
    for line, (name, doc) in zip(lines, documents, strict=True):
        assert line.line == encode(name, doc)
    assert [line.offset for line in lines[1:]] == [line.end for line in lines[:-1]]
    assert lines[-1].end == lines[0].path.stat().st_size


def test_the_file_is_complete_after_each_document(data):
    journal = Journal(data.journal)
    for seen, (name, doc) in enumerate(SyntheticRun().play(data.frames_root), start=1):
        journal(name, doc)
        assert len(list(read_journal(find_run(data.journal).path))) == seen


def test_reading_goes_on_where_it_stopped(data):
    record(data)
    path = find_run(data.journal).path
    lines = list(read_journal(path))
    assert list(read_journal(path, lines[4].offset)) == lines[4:]


def test_documents_of_two_runs_at_once_go_to_their_own_files(data):
    first = list(SyntheticRun(seed=1).play(data.frames_root))
    second = list(SyntheticRun(seed=2).play(data.frames_root))
    journal = Journal(data.journal)
    for pair in zip(first, second, strict=True):
        for name, doc in pair:
            journal(name, doc)
    for documents in (first, second):
        lines = read_journal(find_run(data.journal, documents[0][1]["uid"]).path)
        assert [line.line for line in lines] == [encode(name, doc) for name, doc in documents]


def test_what_json_lacks_is_kept():
    values = {
        "nan": math.nan,
        "inf": -math.inf,
        "array": np.arange(3, dtype=np.uint16),
        "float": np.float32(0.5),
        "bool": np.True_,
        "path": Path("/data"),
        "set": {2, 1},
        "day": date(2026, 11, 2),
        "empty": np.empty((0, 2)),
        3: "a key that is a number",
    }
    back = json.loads(encode("event", values))["doc"]
    assert math.isnan(back.pop("nan"))
    assert back == {
        "inf": -math.inf,
        "array": [0, 1, 2],
        "float": 0.5,
        "bool": True,
        "path": "/data",
        "set": [1, 2],
        "day": "2026-11-02",
        "empty": [],
        "3": "a key that is a number",
    }


def test_numpy_keys_and_arrays_within_lists():
    assert json.loads(encode("start", {np.int64(1): [np.arange(2)]}))["doc"] == {"1": [[0, 1]]}


def test_nothing_is_overwritten(data):
    documents = record(data)
    before = find_run(data.journal).path.read_bytes()
    with pytest.raises(StorageError, match="never overwritten"):
        Journal(data.journal)(*documents[0])
    assert find_run(data.journal).path.read_bytes() == before


def test_a_failing_follower_does_not_reach_the_run(data, caplog):
    def broken(line):
        raise RuntimeError("follower is broken")

    journal = Journal(data.journal, on_line=broken)
    for name, doc in SyntheticRun().play(data.frames_root):
        journal(name, doc)
    assert list_runs(data.journal)[0].complete
    assert "follower is broken" in caplog.text


def test_a_document_of_no_run_is_refused(data):
    with pytest.raises(StorageError, match="belongs to no open run"):
        Journal(data.journal)("event", {"descriptor": "unknown", "data": {}})


@pytest.mark.parametrize("uid", ["../../etc/passwd", "short", "", "a/b/c/d/e", "12345678\n"])
def test_no_uid_leads_out_of_the_folder(data, uid):
    with pytest.raises(StorageError, match="run uid"):
        Journal(data.journal)("start", {"uid": uid, "time": T0})
    with pytest.raises(StorageError, match="run uid"):
        data.results(uid)
    with pytest.raises(StorageError, match="run uid"):
        data.frames(uid, date(2026, 11, 2))


def test_a_disk_that_fills_leaves_whole_lines_only(data, monkeypatch):
    documents = list(SyntheticRun().play(data.frames_root))
    journal = Journal(data.journal)
    for name, doc in documents[:5]:
        journal(name, doc)
    real = os.write

    def full(handle, content):
        if len(content) > 10:
            return real(handle, content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", lambda handle, content: full(handle, content[:15]))
    with pytest.raises(StorageError, match="No space left"):
        journal(*documents[5])
    monkeypatch.setattr(os, "write", real)
    journal(*documents[-1])  # the stop document of the run that failed
    names = [line.name for line in read_journal(find_run(data.journal).path)]
    assert names == [name for name, _ in documents[:5]] + ["stop"]


@pytest.mark.parametrize(
    "tail", [b'{"name":"event","doc":{"da', b"\x00" * 700, b'{"name":1,"doc":{}}\n', b"\n"]
)
def test_a_torn_last_line_is_left_out(data, tail):
    record(data)
    path = find_run(data.journal).path
    whole = list(read_journal(path))
    with path.open("ab") as file:
        file.write(tail)
    assert list(read_journal(path)) == whole


def test_damage_in_the_middle_is_told(data):
    record(data)
    path = find_run(data.journal).path
    content = bytearray(path.read_bytes())
    third = list(read_journal(path))[2]
    content[third.offset] = 0
    path.write_bytes(content)
    with pytest.raises(StorageError, match=f"byte {third.offset}"):
        list(read_journal(path))


def test_list_of_runs(data):
    uids = [record(data, seed=seed, time_s=T0 - 10 * seed)[0][1]["uid"] for seed in (1, 2, 3)]
    interrupted = Journal(data.journal)
    start = {"uid": str(uuid.UUID(int=5)), "time": T0 + 100, "plan_name": "focus_scan"}
    interrupted("start", start)
    interrupted.close()
    (data.journal / "notes.jsonl").write_text("no journal")
    (data.journal / "20261102T000000Z_abcdefgh.jsonl").write_text('{"name":"start","doc":{"ui')
    runs = list_runs(data.journal)
    assert [run.uid for run in runs] == [uids[2], uids[1], uids[0], start["uid"]]
    assert [run.complete for run in runs] == [True, True, True, False]
    assert [run.exit_status for run in runs] == ["success"] * 3 + [""]
    assert runs[-1].plan_name == "focus_scan"
    assert find_run(data.journal, "last").uid == start["uid"]
    assert find_run(data.journal, uids[1][:6]).uid == uids[1]


def test_a_long_stop_document_is_found(data):
    documents = record(data)
    path = find_run(data.journal).path
    *head, stop = list(read_journal(path))
    long = encode("stop", {**stop.doc, "reason": "x" * 50_000})  # longer than one block read from the end
    path.write_bytes(b"".join(line.line for line in head) + long)
    assert list_runs(data.journal)[0].complete
    assert documents[-1][0] == "stop"


@pytest.mark.parametrize("which", ["ffffffff", ""])
def test_no_such_run(data, which):
    record(data)
    with pytest.raises(StorageError, match="none of 1 runs"):
        find_run(data.journal, which)


def test_an_ambiguous_beginning_is_refused(data):
    for last in "ab":
        record(data, uid=f"1234567{last}-0000-4000-8000-000000000000")
    with pytest.raises(StorageError, match="found 2"):
        find_run(data.journal, "1234567")


def test_run_record_from_journal(data):
    record(data, projections=12, lost=(3,), flagged=(5,), flats_after=2)
    run = RunRecord.from_journal(find_run(data.journal).path)
    assert run.complete
    frames = {name: stream.n_frames for name, stream in run.streams.items()}
    assert frames == {
        "darks": 2,
        "flats": 3,
        "projections": 13,
        "ledger": 0,
        "ledger_summary": 0,
        "flats_after": 2,
    }
    assert run.streams["projections"].descriptor["data_keys"]["camera_image"]["shape"] == [10, 16]
    columns = run.events("ledger")
    assert columns["target"].tolist() == [*range(12), 3, 5]
    assert columns["frame_index"].tolist() == [0, 1, 2, -1, *range(3, 13)]
    assert [row["status"] for row in run.ledger].count("lost") == 1
    assert run.ledger[3]["seq_num"] == 4
    assert run.ledger_summary()["complete"] == 1
    assert run.events("none") == {}


def test_run_record_grows_with_the_run(data):
    run = RunRecord()
    counts = []
    for name, doc in SyntheticRun(projections=12, per_flush=5).play(data.frames_root):
        run.add(name, doc)
        if name == "event_page" and run.stream_name(doc) == "ledger":
            counts.append((run.streams["projections"].n_frames, len(run.ledger)))
    assert counts == [(5, 5), (10, 10), (12, 12)]


def test_an_empty_journal_file_is_told(data):
    path = data.journal / "20261102T000000Z_abcdefgh.jsonl"
    path.touch()
    with pytest.raises(StorageError, match="start document"):
        RunRecord.from_journal(path)


def test_whether_a_run_is_being_written(data):
    documents = list(SyntheticRun().play(data.frames_root))
    journal = Journal(data.journal)
    for name, doc in documents[:-1]:
        journal(name, doc)
        assert is_being_written(find_run(data.journal).path)
    journal(*documents[-1])
    assert not is_being_written(find_run(data.journal).path)


def test_a_run_whose_session_is_gone_is_not_being_written(data):
    journal = Journal(data.journal)
    journal(*next(SyntheticRun().play(data.frames_root)))
    journal.close()
    assert not is_being_written(find_run(data.journal).path)
