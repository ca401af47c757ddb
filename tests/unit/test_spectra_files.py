"""Spectra and element maps as files: what PyMca and NeXus readers look for is there, and no count is copied.

``XSN_TEST_PYMCA_PYTHON`` names an interpreter that imports ``PyMca5``.
"""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from silx.io.nxdata import get_default, is_valid_nxdata

from xsn_acq.errors import StorageError
from xsn_acq.storage.element_maps import write_element_maps
from xsn_acq.storage.spectra import (
    DetectorFile,
    FittedLines,
    LinkedData,
    SpectraMeasurement,
    write_spectra,
)

MEASUREMENT = SpectraMeasurement(
    title="NMC",
    sample_name="battery",
    source_name="SSRL 6-2c",
    start_time_s=1_793_600_000.0,
    energy_ev=9000.0,
    zero_ev=3.0,
    ev_per_bin=10.0,
)
COUNTS = np.random.default_rng(1).poisson(3.0, (2, 5, 1, 64)).astype(np.uint32)
LIVE_S = np.linspace(0.4, 0.45, 5)
AREAS = np.arange(20.0).reshape(2, 10)
NUMBERS = np.arange(10) + 3
LINES = FittedLines(
    ("Mn", "Ni"), AREAS, 0 * AREAS + 1, np.zeros(10, np.uint8), NUMBERS, NUMBERS, {"elements": "Mn Ni"}
)
ATTRIBUTES = "entry/instrument/NDAttributes"


def detector_file(path, counts):
    """A file as areaDetector writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "x", libver="latest") as file:
        file["entry/data/data"] = counts
        file[f"{ATTRIBUTES}/CHAN1SCA0"] = np.full(len(counts), 4e7)
    return LinkedData(path, "entry/data/data", ATTRIBUTES)


@pytest.fixture
def written(tmp_path):
    files = [detector_file(tmp_path / "raw" / f"x_{i}.h5", counts) for i, counts in enumerate(COUNTS)]
    camera = detector_file(tmp_path / "raw" / "patterns.h5", np.ones((10, 4, 6), np.uint16))
    parts = [DetectorFile(data, LIVE_S, np.full(5, 0.5)) for data in files]
    return write_spectra(tmp_path / "spectra.h5", parts, MEASUREMENT, patterns=[camera], lines=LINES)


def test_counts_scalers_and_patterns_are_those_of_the_detectors_files(written):
    with h5py.File(written) as file:
        instrument = file["entry/instrument"]
        for name, counts in zip(("mca", "mca_2"), COUNTS, strict=True):
            assert isinstance(instrument[name].get("data", getlink=True), h5py.ExternalLink)
            np.testing.assert_array_equal(instrument[f"{name}/data"][:], counts)
            assert np.all(instrument[f"{name}/attributes/CHAN1SCA0"][:] == 4e7)
            np.testing.assert_array_equal(instrument[f"{name}/live_time"][:], LIVE_S)
            # bin 0 holds 3 to 13 eV
            np.testing.assert_allclose(instrument[f"{name}/calibration"][:], [0.008, 0.01, 0.0], rtol=1e-12)
        assert instrument["camera/data"].shape == (10, 4, 6)
        assert instrument["monochromator/wavelength"][()] == pytest.approx(12.39842 / 9.0, rel=1e-6)


def test_the_folder_can_be_moved(written, tmp_path):
    moved = (tmp_path / "elsewhere").resolve()
    moved.mkdir()
    (tmp_path / "raw").rename(moved / "raw")
    written.rename(moved / written.name)
    with h5py.File(moved / written.name) as file:
        assert file["entry/instrument/mca/data"].shape == (5, 1, 64)


def test_the_sum_of_all_spectra_is_the_plot_to_be_shown(written):
    with h5py.File(written) as file:
        plot = get_default(file)
        np.testing.assert_array_equal(plot.signal[()], COUNTS.sum(axis=(0, 1, 2)))
        assert plot.axes[0][0] == pytest.approx(0.008)
        assert is_valid_nxdata(file["entry/lines"])
        assert file["entry/lines/element"].asstr()[:].tolist() == ["Mn", "Ni"]
        np.testing.assert_array_equal(file["entry/lines/areas"][:], LINES.areas)
        assert file["entry/process/parameters/elements"].asstr()[()] == "Mn Ni"


def test_element_maps_are_plots_over_metres(tmp_path):
    maps = {"Mn": np.arange(24.0).reshape(4, 6), "Ni": np.ones((4, 6))}
    path = write_element_maps(
        tmp_path / "maps.h5", maps, pixel_size_m=25e-9, title="NMC", units="counts/s",
        errors={"Mn": np.full((4, 6), 0.5)}, transmission=np.ones((4, 6)), parameters={"solver": "ratio"},
    )  # fmt: skip
    with h5py.File(path) as file:
        plot = get_default(file)
        np.testing.assert_array_equal(plot.signal[()], maps["Mn"])
        assert np.all(plot.errors[()] == 0.5)
        np.testing.assert_allclose(plot.axes[1][()], (np.arange(6) - 2.5) * 25e-9)
        assert all(is_valid_nxdata(file[f"entry/{name}"]) for name in ("Mn", "Ni", "transmission"))
        assert file["entry/Ni/Ni"].attrs["units"] == "counts/s"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"detector": []}, "found none"),
        ({"live": LIVE_S[1:]}, "wanted a live_time for each spectrum"),
        ({"dataset": "entry/nothing"}, "wanted entry/nothing"),
        ({"attributes": "entry/nothing"}, "wanted entry/data/data, found"),
        ({"path": "none.h5"}, "wanted entry/data/data, found"),
        (
            {"lines": FittedLines(("Mn",), AREAS, AREAS, np.zeros(10), NUMBERS, NUMBERS, {})},
            r"wanted .* \(1, 10\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path, change, says):
    source = detector_file(tmp_path / "x.h5", COUNTS[0])
    source = LinkedData(
        tmp_path / change.get("path", "x.h5"),
        change.get("dataset", source.dataset),
        change.get("attributes", source.attributes),
    )
    parts = [DetectorFile(source, change.get("live", LIVE_S), np.ones(5))]
    with pytest.raises(StorageError, match=says):
        write_spectra(
            tmp_path / "a.h5", change.get("detector", parts), MEASUREMENT, lines=change.get("lines")
        )
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]


@pytest.mark.parametrize(
    ("maps", "says"),
    [
        ({}, "found none"),
        ({"a/b": np.ones((2, 3))}, "found a/b"),
        ({"Mn": np.ones(3)}, r"wanted maps \(ny, nx\)"),
        ({"Mn": np.ones((2, 3)), "Ni": np.ones((3, 2))}, "Ni: wanted shape"),
    ],
)
def test_maps_that_do_not_fit_are_refused(tmp_path, maps, says):
    with pytest.raises(StorageError, match=says):
        write_element_maps(tmp_path / "a.h5", maps, pixel_size_m=1e-8, title="", units="")
    assert list(tmp_path.iterdir()) == []


VALIDATE = """
import json, sys
from nexusformat.nexus import nxload
print(json.dumps(list(nxload(sys.argv[1])["entry"].validate(application="NXfluo"))))
"""
PYMCA = """
import json, sys, numpy as np
from PyMca5.PyMcaIO.HDF5Stack1D import HDF5Stack1D
stack = HDF5Stack1D([sys.argv[1]], {"x": [], "y": "/instrument/mca/data", "index": -1})
print(json.dumps([np.ravel(stack.data).tolist(), np.ravel(stack.info["McaCalib"]).tolist(),
                  np.ravel(stack.info["McaLiveTime"]).tolist()]))
"""


def ran(interpreter, program, path):
    done = subprocess.run(
        [interpreter, "-W", "ignore", "-c", program, str(path)],
        check=True, capture_output=True, text=True, timeout=100, cwd=path.parent,
        env={"PATH": os.environ["PATH"], "HOME": str(path.parent), "MPLBACKEND": "Agg"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def test_nexusformat_finds_no_fault(written):
    assert ran(sys.executable, VALIDATE, written) == [0, 0]  # warnings and errors


def test_nexusformat_finds_what_is_missing(written):
    """The validator can find fault: else the test above says nothing."""
    with h5py.File(written, "r+") as file:
        del file["entry/instrument/fluorescence/energy"]
    assert ran(sys.executable, VALIDATE, written)[1] > 0


def test_pymca_reads_spectra_calibration_and_live_time(written):
    interpreter = os.environ.get("XSN_TEST_PYMCA_PYTHON")
    if not interpreter:
        pytest.skip("XSN_TEST_PYMCA_PYTHON names no interpreter")
    counts, calibration, live_s = ran(interpreter, PYMCA, written)
    np.testing.assert_array_equal(counts, COUNTS[0].ravel())
    np.testing.assert_allclose(calibration, [0.008, 0.01, 0.0], rtol=1e-12)
    np.testing.assert_array_equal(live_s, LIVE_S)
