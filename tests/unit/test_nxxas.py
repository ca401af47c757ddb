"""Spectra of regions as NXxas: what the definitions require is there, and other programs find the spectrum.

``XSN_TEST_LARCH_PYTHON`` names an interpreter that imports ``larch`` (``pip install xraylarch``).
"""

import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from silx.io.nxdata import get_default, is_valid_nxdata

from xsn_acq.errors import StorageError
from xsn_acq.storage.nxxas import Curve, Spectrum, XasMeasurement, write_nxxas

ENERGIES_EV = np.linspace(8300.0, 8400.0, 11)
ABSORBANCE = 0.2 + 0.5 / (1 + np.exp(-(ENERGIES_EV - 8343.0) / 3))
MEASUREMENT = XasMeasurement(
    title="battery",
    sample_name="NMC 811",
    source_name="PLS-II 7C XNI",
    start_time_s=1_793_600_000.0,
    element="Ni",
    edge="K",
    exposure_s=0.1,
    parameters={"pre_edge": "8300 to 8330 eV", "degree": 1},
)
FULL = Spectrum(
    "whole",
    ENERGIES_EV,
    Curve(ABSORBANCE, ABSORBANCE / 100),
    delta=Curve(1e-5 * ABSORBANCE, 1e-7 * ABSORBANCE),
    beta=Curve(1e-6 * ABSORBANCE, 1e-8 * ABSORBANCE),
    normalised=Curve((ABSORBANCE - 0.2) / 0.5, ABSORBANCE / 50),
    pre_edge_line=np.full(11, 0.2),
    post_edge_line=np.full(11, 0.7),
    edge_energy_ev=8343.1,
    edge_energy_error_ev=0.2,
    incoming=np.full(11, 20_000.0),
)
LEAST = Spectrum("core", ENERGIES_EV, Curve(ABSORBANCE))

# What https://github.com/nexusformat/definitions, applications/NXxas.nxdl.xml (3c980fa8, 2026-02-19),
# requires, that is, items that are not optional, and links; groups by class, or by name where they have one.
IN_FORCE = [
    "title",
    "start_time",
    "definition",
    "NXinstrument/NXsource/type",
    "NXinstrument/NXsource/name",
    "NXinstrument/NXsource/probe",
    "NXinstrument/monochromator/energy",
    "NXinstrument/incoming_beam/data",
    "NXinstrument/absorbed_beam/data",
    "NXsample/name",
    "NXmonitor/mode",
    "NXmonitor/preset",
    "NXmonitor/data",
    "NXdata/energy",
    "NXdata/absorbed_beam",
    "NXdata/mode",
]
CLASSES = {"monochromator": "NXmonochromator", "incoming_beam": "NXdetector", "absorbed_beam": "NXdetector"}
# And pull request 1640 of it, contributed_definitions/NXxas.nxdl.xml.
TO_COME = [
    "definition",
    "NXelement/symbol",
    "NXabsorption_edge/name",
    "is_experimental",
    "energy",
    "intensity",
    "NXsample/name",
]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_nxxas(tmp_path_factory.mktemp("spectra") / "a.h5", [FULL, LEAST], MEASUREMENT)


def found(group, item):
    """Follow a path whose parts are names, or classes of which the group has exactly one."""
    for part in item.split("/"):
        if part.startswith("NX"):
            (group,) = [child for child in group.values() if child.attrs.get("NX_class") == part]
        else:
            group = group[part]
            if isinstance(group, h5py.Group):
                assert group.attrs["NX_class"] == CLASSES[part]
    return group


@pytest.mark.parametrize("item", dict.fromkeys(IN_FORCE + TO_COME))
@pytest.mark.parametrize("region", ["whole", "core"])
def test_what_the_definitions_require_is_there(path, region, item):
    with h5py.File(path) as file:
        assert isinstance(found(file[region], item), h5py.Dataset)


def test_values_are_those_that_the_definitions_allow(path):
    with h5py.File(path) as file:
        for entry in file.values():
            assert entry.attrs["NX_class"] == "NXentry"
            assert entry["definition"].asstr()[()] == "NXxas"
            assert entry["instrument/source/probe"].asstr()[()] == "x-ray"
            assert entry["control/mode"].asstr()[()] == "timer"
            assert entry["data/mode"].asstr()[()] == "Transmission"
            assert entry["data"].attrs["signal"] == "intensity"
            assert entry["start_time"].asstr()[()] == "2026-11-02T06:13:20+00:00"
            assert (entry["element/symbol"].asstr()[()], entry["edge/name"].asstr()[()]) == ("Ni", "K")
            assert entry["is_experimental"][()]
            assert entry["control/preset"][()] == 0.1
            target = entry["data/energy"].attrs["target"]
            assert file[target] == entry["data/energy"] == entry["energy"]
            assert entry["energy"].attrs["units"] == "eV"


def test_the_spectrum_is_the_plot_to_be_shown(path):
    with h5py.File(path) as file:
        plot = get_default(file)
        assert plot.signal.name.startswith("/whole")
        np.testing.assert_array_equal(plot.signal[()], ABSORBANCE)
        np.testing.assert_array_equal(plot.errors[()], ABSORBANCE / 100)
        np.testing.assert_array_equal(plot.axes[0][()], ENERGIES_EV)


@pytest.mark.parametrize(("region", "incoming"), [("whole", 20_000.0), ("core", 1.0)])
def test_the_beams_give_the_absorbance_again(path, region, incoming):
    with h5py.File(path) as file:
        beams = file[f"{region}/instrument"]
        before, behind = beams["incoming_beam/data"][:], beams["absorbed_beam/data"][:]
        assert np.all(before == incoming)
        # exp and log in float64: some roundings of numbers near 1
        np.testing.assert_allclose(-np.log(behind / before), ABSORBANCE, rtol=0, atol=1e-14)
        assert file[f"{region}/control/data"] == file[f"{region}/instrument/incoming_beam/data"]


def test_what_was_made_of_it_stands_under_process(path):
    with h5py.File(path) as file:
        process = file["whole/process"]
        for name in ("delta", "beta", "normalised"):
            assert is_valid_nxdata(process[name])
            curve = getattr(FULL, name)
            np.testing.assert_array_equal(process[f"{name}/{name}"][:], curve.values)
            np.testing.assert_array_equal(process[f"{name}/{name}_errors"][:], curve.errors)
        lines = process["normalisation"]
        assert is_valid_nxdata(lines)
        assert list(lines.attrs["auxiliary_signals"]) == ["pre_edge_line", "post_edge_line"]
        assert np.all(lines["post_edge_line"][:] == 0.7)
        edge = process["edge_energy"]
        assert (edge[()], edge.attrs["units"]) == (8343.1, "eV")
        assert process["edge_energy_errors"][()] == 0.2
        assert process["parameters/pre_edge"].asstr()[()] == "8300 to 8330 eV"
        assert set(file["core/process"]) == {"program", "version", "parameters"}


@pytest.mark.parametrize(
    ("spectra", "says"),
    [
        ([], "wanted regions, .* found none"),
        ([LEAST, LEAST], "found 'core'"),
        ([Spectrum("a b", ENERGIES_EV, Curve(ABSORBANCE))], "found 'a b'"),
        ([Spectrum("a", ENERGIES_EV[::-1], Curve(ABSORBANCE))], "a: energies: wanted one or more, rising"),
        ([Spectrum("a", ENERGIES_EV, Curve(ABSORBANCE[1:]))], r"intensity: wanted shape \(11,\)"),
        ([Spectrum("a", ENERGIES_EV, Curve(ABSORBANCE), beta=Curve([1.0]))], "beta: wanted shape"),
        ([Spectrum("a", ENERGIES_EV, Curve(ABSORBANCE), pre_edge_line=[1.0])], "pre_edge_line: wanted shape"),
        ([Spectrum("a", ENERGIES_EV, Curve(ABSORBANCE), incoming=[1.0])], "incoming: wanted shape"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left(tmp_path, spectra, says):
    with pytest.raises(StorageError, match=says):
        write_nxxas(tmp_path / "a.h5", spectra, MEASUREMENT)
    assert list(tmp_path.iterdir()) == []


def other_python(variable):
    """The interpreter that a variable names."""
    interpreter = os.environ.get(variable)
    if not interpreter:
        pytest.skip(f"{variable} names no interpreter")
    return interpreter


def ran(interpreter, program, path):
    """What a program prints as JSON."""
    done = subprocess.run(
        [interpreter, "-W", "ignore", "-c", program, str(path)],
        check=True, capture_output=True, text=True, timeout=100, cwd=path.parent,
        env={"PATH": os.environ["PATH"], "HOME": str(path.parent), "MPLBACKEND": "Agg"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


VALIDATE = """
import json, sys
from nexusformat.nexus import nxload
root = nxload(sys.argv[1])
print(json.dumps([list(root[name].validate(application="NXxas")) for name in ("whole", "core")]))
"""
READ = """
import json, sys
from larch.io.xas_data_source import read_xas_source
scan = read_xas_source(sys.argv[1], "whole")
columns = (scan.energy, scan.incoming_beam, scan.absorbed_beam)
print(json.dumps([column.tolist() for column in columns]))
"""


def test_nexusformat_finds_no_fault(path):
    assert ran(sys.executable, VALIDATE, path) == [[0, 0], [0, 0]]  # warnings and errors of each


def test_nexusformat_finds_what_is_missing(path, tmp_path):
    """The validator can find fault: else the test above says nothing."""
    copy = tmp_path / "b.h5"
    shutil.copy(path, copy)
    with h5py.File(copy, "r+") as file:
        del file["whole/sample/name"]
    warnings, errors = ran(sys.executable, VALIDATE, copy)[0]
    assert (warnings, errors) == (0, 1)


def test_larch_reads_the_spectrum(path):
    energy, incoming, absorbed = ran(other_python("XSN_TEST_LARCH_PYTHON"), READ, path)
    assert energy == ENERGIES_EV.tolist()
    # exp and log in float64, as above
    np.testing.assert_allclose(-np.log(np.divide(absorbed, incoming)), ABSORBANCE, rtol=0, atol=1e-14)
