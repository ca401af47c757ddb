"""A hyperspectral scan over Channel Access: killed in mid-flight and resumed; no gap, no duplicate."""

import re

import h5py
import numpy as np
import pytest

from tests.system.hyperspectral import killed_and_resumed

pytestmark = pytest.mark.system

ENERGIES_EV = (8317.0, 8333.0, 8349.0)


@pytest.mark.timeout(240)
def test_killed_with_its_ioc_and_resumed(tmp_path):
    scan, before, output = killed_and_resumed(tmp_path, ENERGIES_EV, killed_at=1)
    assert 0 < before < scan.projections
    for number in range(3):
        scan.assert_each_target_once(number)
    starts = scan.starts()
    assert [start["hyperspectral"]["number"] for start in starts] == [0, 1, 1, 2]
    (uid,) = {start["hyperspectral"]["scan"] for start in starts}
    assert starts[2]["hyperspectral"]["resumes"] == [starts[1]["uid"]]
    # the Bragg axis is within 5e-5 degree of its target: 0.03 eV
    for start in starts:
        wanted = ENERGIES_EV[start["hyperspectral"]["number"]]
        assert abs(start["acquisition"]["energy_ev"] - wanted) < 0.04
        assert start["energy_change"]["decided"]["energy_ev"] == wanted
    assert f"going on with scan {uid[:8]}: 1 of 3 energies complete" in output

    files = re.findall(r"^NXtomo (.*)$", output, re.MULTILINE)
    assert len(files) == 3
    for path in files:
        with h5py.File(path) as file:
            good = file["entry/instrument/detector/image_key"][()] == 0
            frames = file["entry/instrument/detector/data"][()]
            angles = file["entry/sample/rotation_angle"][()]
        assert good.sum() == len(np.unique(angles[good].round(3))) == scan.projections
        assert all(frame.any() for frame in frames[good])
