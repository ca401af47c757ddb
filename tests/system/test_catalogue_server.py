"""The catalogue on a Tiled server of its own, reached by its address over HTTP."""

import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from documents import SyntheticRun

from xsn_acq.errors import StorageError
from xsn_acq.sim.process import free_ports
from xsn_acq.storage.catalogue import is_catalogued, open_catalogue, opened_catalogue
from xsn_acq.storage.catalogue_worker import level
from xsn_acq.storage.journal import Journal
from xsn_acq.storage.layout import DataFolder

# Tiled and what it stands on warn of their own futures.
pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore")]

API_KEY = "0123456789abcdef"
READY = "Application startup complete"
PATIENCE_S = 60.0


@contextmanager
def tiled_server(folder, readable):
    """Serve a catalogue of its own on a free port; its address."""
    (port,) = free_ports(1)
    tables = f"sqlite:///{folder / 'tables.db'}"
    command = [sys.executable, "-m", "tiled", "serve", "catalog", str(folder / "runs.db"), "--init"]
    command += ["--write", str(folder / "arrays"), "--write", tables, "--read", str(readable)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--api-key", API_KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        watchdog = threading.Timer(PATIENCE_S, server.kill)
        watchdog.start()
        said = []
        for line in server.stdout:
            said.append(line)
            if READY in line:
                break
        watchdog.cancel()
        reader = threading.Thread(target=lambda: said.extend(server.stdout))  # so that the pipe never fills
        reader.start()
        try:
            assert READY in "".join(said), "".join(said)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            reader.join()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return DataFolder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def address(tmp_path_factory, data):
    with tiled_server(tmp_path_factory.mktemp("server"), data.frames_root) as address:
        yield address


def test_a_run_is_written_to_a_server_and_read_back(data, address, monkeypatch):
    from databroker.queries import PartialUID

    monkeypatch.setenv("TILED_API_KEY", API_KEY)
    projection = np.arange(160).reshape(10, 16)
    run = SyntheticRun(lost=(3,), projection=lambda index, theta_deg: projection + 1000 * index)
    uid = run.journal(data.frames_root, Journal(data.journal))
    with opened_catalogue(address) as catalogue:
        assert level(catalogue, data.journal) == 1
        assert level(catalogue, data.journal) == 0
    with opened_catalogue(address) as catalogue:
        assert is_catalogued(catalogue, uid, stopped=True)
        assert list(catalogue.search(PartialUID(uid[:6]))) == [uid]
        frames = catalogue[uid]["projections"]["camera_image"]
        assert frames.shape == (12, 10, 16)
        np.testing.assert_array_equal(frames[5], projection + 5000)
        ledger = catalogue[uid]["ledger"].read()
        assert ledger["target"].values.tolist() == [*range(12), 3]
        assert ledger["status"].values.tolist().count("lost") == 1


def test_a_server_that_does_not_let_us_in_is_told_in_one_line(address, monkeypatch):
    monkeypatch.setenv("TILED_API_KEY", "another")
    with pytest.raises(StorageError, match=r"Invalid API key.*wanted a running Tiled server"):
        open_catalogue(address)
    monkeypatch.delenv("TILED_API_KEY")
    with pytest.raises(StorageError, match="its API key in TILED_API_KEY") as told:
        open_catalogue(address)
    assert "\n" not in str(told.value)


def test_a_server_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr("tiled.client.utils.TILED_RETRY_ATTEMPTS", 1)
    (port,) = free_ports(1)
    with pytest.raises(StorageError, match=f"127.0.0.1:{port}.*refused.*wanted a running Tiled server"):
        open_catalogue(f"http://127.0.0.1:{port}")
