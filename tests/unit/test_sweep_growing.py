"""Spectra and scalers of a file that another process still writes."""

import subprocess
import sys

import pytest

from xsn_acq.optics.xspress3 import SCALERS
from xsn_acq.storage.run import RunRecord
from xsn_acq.storage.sweep import SweepReader

WRITER = """
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as file:
    shape, most = (0, 1, 16), (None, 1, 16)
    parts = [file.create_dataset("entry/data/data", shape, "u4", maxshape=most, chunks=(1, 1, 16))]
    parts += [file.create_dataset(f"scalers/{name}", (0,), "f8", maxshape=(None,)) for name in sys.argv[2:]]
    file.swmr_mode = True
    for length in (3, 5):
        for part in parts:
            part.resize(length, axis=0)
            part[:] = length
            part.flush()
        print("written", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def writer(tmp_path):
    """Another process, which writes three spectra, and two more when it is told to go on."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "spectra.h5"), *SCALERS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.fixture
def reader(tmp_path):
    record = RunRecord()
    record.add("start", {"uid": "0123"})
    record.add("descriptor", {"uid": "d", "name": "spectra", "data_keys": {}})
    datasets = {
        "vortex_spectra": "entry/data/data",
        **{f"vortex_{name}": f"scalers/{name}" for name in SCALERS},
    }
    for key, dataset in datasets.items():
        uri, parameters = f"file://localhost{tmp_path / 'spectra.h5'}", {"dataset": dataset}
        record.add("stream_resource", {"uid": key, "data_key": key, "uri": uri, "parameters": parameters})
        record.add("stream_datum", {"descriptor": "d", "stream_resource": key, "indices": {"stop": 3}})
    with SweepReader(record, SCALERS) as opened:
        yield opened


def test_what_is_added_is_read_without_closing_the_file(writer, reader):
    assert writer.stdout.readline() == "written\n"
    counts, scalers = reader.spectra([0, 2])
    assert counts.shape == (2, 16)
    assert set(scalers.ravel()) == {3.0}
    writer.stdin.write("\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == "written\n"
    assert reader.has({"frame": -1, "spectrum": 4})
    counts, scalers = reader.spectra([4])
    assert set(counts.ravel()) | set(scalers.ravel()) == {5.0}
    writer.stdin.write("\n")
    writer.stdin.flush()
