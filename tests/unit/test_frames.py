import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from documents import T0, SyntheticRun
from frame_files import FrameFile

from xsn_acq.errors import StorageError
from xsn_acq.storage.frames import FrameReader, path_of
from xsn_acq.storage.run import RunRecord

SHAPE = (4, 6)


def image(index):
    return np.full(SHAPE, index, np.uint16)


def test_reads_a_file_while_it_grows(tmp_path):
    file = FrameFile(tmp_path / "projections.h5", SHAPE)
    with FrameReader.of_file(file.path) as frames:
        assert len(frames) == 0
        assert frames.shape == SHAPE
        assert frames.dtype == np.uint16
        for index in range(5):
            file.append(image(index), T0 + index)
            np.testing.assert_array_equal(frames.frame(index), image(index))
        np.testing.assert_array_equal(frames.read(1, 4), [image(1), image(2), image(3)])
        # Time stamps keep nanoseconds; float64 holds Unix time to 0.24 us.
        np.testing.assert_allclose(frames.times_s(), T0 + np.arange(5), atol=1e-6)
    file.close()


WRITER = """
import sys
import numpy as np
from frame_files import FrameFile
file = FrameFile(__import__("pathlib").Path(sys.argv[1]), (4, 6))
print("open", flush=True)
for index, _ in enumerate(sys.stdin):
    file.append(np.full((4, 6), index), 1.8e9)
    print(index, flush=True)
"""


def test_reads_what_another_process_writes(tmp_path):
    """HDF5 shares open files within a process: only another process shows whether the reader looks again."""
    path = tmp_path / "projections.h5"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    ) as writer:
        assert writer.stdin
        assert writer.stdout
        writer.stdout.readline()
        with FrameReader.of_file(path) as frames:
            assert len(frames) == 0
            for index in range(3):
                writer.stdin.write("next\n")
                writer.stdin.flush()
                writer.stdout.readline()
                assert frames.frame(index)[0, 0] == index
                assert len(frames.times_s()) == index + 1
        writer.kill()
    with FrameReader.of_file(path) as frames:  # its writer was killed
        assert len(frames) == 3


def test_a_frame_that_is_not_there_is_an_error_at_once(tmp_path):
    file = FrameFile(tmp_path / "a.h5", SHAPE)
    frames = FrameReader.of_file(file.path)
    file.append(image(0), T0)
    with pytest.raises(StorageError, match="wanted frames 0 to 2, found 1"):
        frames.read(0, 3)
    with pytest.raises(StorageError, match="wanted frames -1"):
        frames.frame(-1)
    frames.close()
    file.close()


def test_a_file_that_comes_later(tmp_path):
    frames = FrameReader.of_file(tmp_path / "a.h5")
    with pytest.raises(StorageError, match="not there"):
        frames.frame(0)
    file = FrameFile(tmp_path / "a.h5", SHAPE)
    file.append(image(7), T0)
    assert frames.frame(0)[0, 0] == 7
    file.close()
    frames.close()


def test_a_reader_can_be_closed_and_goes_on(tmp_path):
    file = FrameFile(tmp_path / "a.h5", SHAPE)
    frames = FrameReader.of_file(file.path)
    for index in range(2):
        file.append(image(index), T0)
        assert frames.frame(index)[0, 0] == index
        frames.close()
    file.close()


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_file_without_swmr(tmp_path, libver):
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        file["frames"] = np.arange(24, dtype=np.uint8).reshape(1, *SHAPE)
    with FrameReader.of_file(tmp_path / "a.h5", "/frames") as frames:
        assert len(frames) == 1
        assert frames.frame(0)[3, 5] == 23
        with pytest.raises(StorageError, match="time stamps"):
            frames.times_s()


def test_four_dimensions_are_read_as_frames(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/data/data"] = np.arange(48).reshape(2, 1, *SHAPE)
    with FrameReader.of_file(tmp_path / "a.h5") as frames:
        assert frames.read(0, 2).shape == (2, *SHAPE)


def test_a_file_that_is_no_hdf5(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"x" * 100)
    with pytest.raises(StorageError, match="cannot be opened"):
        FrameReader.of_file(tmp_path / "a.h5").frame(0)


def test_a_file_without_the_dataset(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w"):
        pass
    with pytest.raises(StorageError, match="entry/data/data"):
        FrameReader.of_file(tmp_path / "a.h5").frame(0)


@pytest.mark.parametrize("uri", ["http://host/a.h5", "file://elsewhere/a.h5", "/data/a.h5"])
def test_only_local_files(uri):
    with pytest.raises(StorageError, match="file://localhost"):
        path_of({"uri": uri})


def test_a_path_with_spaces():
    assert str(path_of({"uri": "file://localhost/data/my%20run/a.h5"})) == "/data/my run/a.h5"


def test_frames_of_a_run(tmp_path):
    run = SyntheticRun(projection=lambda index, theta_deg: np.full((10, 16), round(theta_deg)))
    record = RunRecord.from_documents(run.play(tmp_path))
    with FrameReader(record.streams["projections"].resource) as frames:
        assert frames.frame(3)[0, 0] == round(run.theta_mid_deg(3))
    with pytest.raises(StorageError, match="stream ledger: wanted one frame file, found 0"):
        _ = record.streams["ledger"].resource
