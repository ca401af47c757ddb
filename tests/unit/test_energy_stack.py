"""A stack over energy: its exact layout always, and the readers of PyXAS and PyMca where they are at hand.

``XSN_TEST_PYXAS_PYTHON`` and ``XSN_TEST_PYMCA_PYTHON`` name interpreters that import ``pyxas`` and ``PyMca5``
(``pip install pyxas scikit-image pystackreg pandas``; ``pip install PyMca5``).
"""

import json
import os
import subprocess

import h5py
import numpy as np
import pytest
from silx.io.nxdata import get_default, is_valid_nxdata

from xsn_acq.errors import StorageError
from xsn_acq.storage.energy_stack import write_energy_stack

ENERGIES_EV = np.array([8325.0, 8333.5, 8341.25])
SHAPE = (4, 6)
PIXEL_M = 40e-9


def stack():
    """Every pixel of every image has its own value, and float32 has it exactly."""
    return np.arange(3 * 4 * 6, dtype=np.float64).reshape(3, *SHAPE) / 64


def written(path, images=None, **changes):
    settings = {"pixel_size_m": PIXEL_M, "quantity": "absorbance", "title": "battery particle"}
    return write_energy_stack(path, ENERGIES_EV, stack() if images is None else images, **settings | changes)


def test_the_layout_is_that_of_pyxas(tmp_path):
    """Names and order: github.com/gmysage/pyxas, pyxas/pyxas_gui.py, `load_image` (texts of tx_hdf_xanes and
    tx_hdf_eng); the unit is that of its labels, "keV"."""
    with h5py.File(written(tmp_path / "a.h5")) as file:
        assert list(file) == ["entry", "img_xanes", "X_eng"]  # PyMca takes the entry for the first
        images, energies = file["img_xanes"], file["X_eng"]
        assert (images.shape, images.dtype) == ((3, 4, 6), np.float32)
        np.testing.assert_array_equal(images[:], stack())
        assert (energies.shape, energies.dtype, energies.attrs["units"]) == ((3,), np.float64, "keV")
        # eV to keV in float64: one rounding
        np.testing.assert_allclose(energies[:], ENERGIES_EV / 1000, rtol=1e-15)


@pytest.mark.parametrize("quantity", ["absorbance", "transmission"])
def test_the_default_plot_is_the_stack_over_energy(tmp_path, quantity):
    with h5py.File(written(tmp_path / "a.h5", quantity=quantity)) as file:
        plot = get_default(file)
        assert (plot.signal_name, plot.axes_names) == (quantity, ["energy (eV)", "y (m)", "x (m)"])
        np.testing.assert_array_equal(plot.signal[()], stack())
        assert [axis.attrs["units"] for axis in plot.axes] == ["eV", "m", "m"]
        np.testing.assert_array_equal(plot.axes[0][()], ENERGIES_EV)
        # pixel centres about the middle of 6 columns
        np.testing.assert_allclose(plot.axes[2][()], (np.arange(6) - 2.5) * PIXEL_M, rtol=1e-12)
        assert plot.title == "battery particle"


def test_the_images_are_there_once(tmp_path):
    with h5py.File(written(tmp_path / "a.h5")) as file:
        assert file["entry/data/absorbance"] == file["img_xanes"]  # the same object
        assert isinstance(file["entry/data"].get("absorbance", getlink=True), h5py.HardLink)
        assert file["entry/sample/x_pixel_size"][()] == PIXEL_M


def test_images_come_one_by_one(tmp_path):
    """From a dataset on disk, and from a generator that never has two at once."""
    with h5py.File(tmp_path / "source.h5", "w") as source:
        source["images"] = stack()
        paths = [written(tmp_path / "a.h5", source["images"]), written(tmp_path / "b.h5", iter(stack()))]
    for path in paths:
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["img_xanes"][:], stack())


def test_maps_stand_beside_the_stack(tmp_path):
    edge = 8333 + stack()[0]
    maps = {"edge_energy": (edge, "eV"), "edge_energy_errors": (edge / 1e4, "eV"), "jump": (stack()[1], "")}
    with h5py.File(written(tmp_path / "a.h5", maps=maps)) as file:
        assert {"edge_energy", "jump"} < set(file["entry"])
        group = file["entry/edge_energy"]
        assert is_valid_nxdata(group)
        np.testing.assert_array_equal(group["edge_energy"][:], edge)
        np.testing.assert_array_equal(group["edge_energy_errors"][:], edge / 1e4)
        assert group["edge_energy"].attrs["units"] == "eV"
        assert group["x"] == file["entry/data/x"]
        assert is_valid_nxdata(file["entry/jump"])


@pytest.mark.parametrize(
    ("energies", "images", "changes", "says"),
    [
        (ENERGIES_EV[:2], stack(), {}, "wanted 2 images, one for each energy, found more"),
        (ENERGIES_EV, stack()[:2], {}, "wanted 3 images, one for each energy, found 2"),
        (ENERGIES_EV, [], {}, "found 0"),
        (ENERGIES_EV, [np.zeros((4, 6)), np.zeros((4, 5))], {}, r"image 1: wanted shape \(4, 6\)"),
        (ENERGIES_EV, np.zeros((3, 4)), {}, r"wanted images \(ny, nx\), found shape \(4,\)"),
        ([8325.0, 8330.0, 8330.0], stack(), {}, "rising or falling"),
        ([], [], {}, "wanted one or more"),
        ([-1.0, 0.0, 1.0], stack(), {}, "wanted numbers above 0 eV"),
        (ENERGIES_EV, stack(), {"pixel_size_m": 0.0}, "pixel size: wanted a number above 0"),
        (ENERGIES_EV, stack(), {"maps": {"edge": (np.zeros((4, 5)), "eV")}}, "map edge: wanted shape"),
        (ENERGIES_EV, stack(), {"maps": {"data": (np.zeros((4, 6)), "")}}, "name of its own"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path, energies, images, changes, says):
    settings = {"pixel_size_m": PIXEL_M, "quantity": "absorbance", "title": ""}
    with pytest.raises(StorageError, match=says):
        write_energy_stack(tmp_path / "a.h5", energies, images, **settings | changes)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_file_stays_when_writing_fails(tmp_path):
    path = written(tmp_path / "a.h5")
    with pytest.raises(StorageError):
        written(path, stack()[:1])
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["img_xanes"][:], stack())


PYXAS = """
import json, sys, numpy as np, pyxas
images, energies = pyxas.load_xanes_image_file(sys.argv[1], "", "img_xanes", "X_eng")
again = pyxas.get_img_from_hdf_file(sys.argv[1], "img_xanes", "X_eng")
assert np.array_equal(again["img_xanes"], images) and np.array_equal(again["X_eng"], energies)
"""
PYMCA = """
import json, sys, numpy as np
from PyMca5.PyMcaIO.HDF5Stack1D import HDF5Stack1D
stack = HDF5Stack1D([sys.argv[1]], {"x": ["/data/energy"], "y": "/data/absorbance", "index": 0})
images, energies = stack.data, stack.x[0]
"""
SHOW = """
print(json.dumps([np.shape(images), np.ravel(images).tolist(), np.asarray(energies, float).tolist()]))
"""


@pytest.mark.parametrize(
    ("variable", "program", "to_ev"),
    [("XSN_TEST_PYXAS_PYTHON", PYXAS, 1000.0), ("XSN_TEST_PYMCA_PYTHON", PYMCA, 1.0)],
)
def test_the_program_reads_the_file(tmp_path, variable, program, to_ev):
    interpreter = os.environ.get(variable)
    if not interpreter:
        pytest.skip(f"{variable} names no interpreter")
    path = written(tmp_path / "a.h5")
    done = subprocess.run(
        [interpreter, "-W", "ignore", "-c", program + SHOW, str(path)],
        check=True, capture_output=True, text=True, timeout=100, cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MPLBACKEND": "Agg"},
    )  # fmt: skip
    shape, values, energies = json.loads(done.stdout.splitlines()[-1])
    assert shape == [3, 4, 6]
    np.testing.assert_array_equal(np.reshape(values, shape), stack())
    # keV to eV: a rounding
    np.testing.assert_allclose(np.multiply(energies, to_ev), ENERGIES_EV, rtol=1e-15)
