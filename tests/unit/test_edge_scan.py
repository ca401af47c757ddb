"""An energy scan over an edge, from frames to the offset of the Bragg angle; no beamline."""

import math
from datetime import date

import numpy as np
import pytest
from frame_files import FrameFile
from scipy.special import ndtr

from xsn_acq.config import load_beamline
from xsn_acq.config.calibration import MonoCalibration
from xsn_acq.config.energy import bragg_deg
from xsn_acq.errors import CalibrationError, ConfigError
from xsn_acq.live.calibrate import calibrate
from xsn_acq.live.edge_scan import flat_between, spectrum
from xsn_acq.live.points import RunPoints
from xsn_acq.optics.edges import edge_energy_ev
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

NAME = "pls2-7c-xni"
FILE = load_beamline(NAME)
HC_EV_ANGSTROM = 12398.41984
UID = "0123abcd-0000-4000-8000-000000000000"
NOON_S = 1_793_620_800.0
SHAPE = (32, 48)
DARK = 100.0
KNOWN_DEG = 0.001
"""Offset that the run's beamline file has already."""
HIDDEN_DEG = 0.003
ENERGIES = np.round(np.concatenate([np.arange(8313, 8326, 3), np.arange(8326, 8344, 0.75)]), 2)


def angle_deg(energy_ev):
    return math.degrees(math.asin(HC_EV_ANGSTROM / energy_ev / (2 * 3.1356)))


def true_ev(believed_ev):
    """Energy at the reading of the Bragg axis that the file gives an energy."""
    reading = angle_deg(believed_ev) - KNOWN_DEG
    return HC_EV_ANGSTROM / (2 * 3.1356 * math.sin(math.radians(reading + HIDDEN_DEG)))


def absorbance_at(energy_ev):
    return 0.3 + 1.1 * ndtr((energy_ev - 8333.0) / 1.3)


class Scan:
    """Rows and frames of a scan: flats at some energies, images at all; ring decay and a glitch."""

    def __init__(self, tmp_path, flats_every=1, regions=None, twice=False):
        self.rows, self.frames = [], []
        self.rng = np.random.default_rng(4)
        x = np.linspace(-1, 1, SHAPE[1])
        self.beam = 9000.0 * (1 - 0.3 * x**2) * np.ones(SHAPE)
        self.paths = {name: tmp_path / f"{name}.h5" for name in ("darks", "stills")}
        self.regions = regions or {}
        for energy in [*ENERGIES, *ENERGIES] if twice else ENERGIES:
            number = len(self.rows)
            if list(ENERGIES).index(energy) % flats_every == 0 or energy == ENERGIES[-1]:
                self._point("flat", energy, 0.0, number)
            self._point("projection", energy, absorbance_at(true_ev(energy)), number)

    def _point(self, kind, energy, mu, number):
        light = 0.85 if energy == 8335.75 else 1.0  # a glitch of the crystals
        ring = 400.0 * 0.999**number
        count = self.beam * light * ring / 400.0 * np.exp(-mu)
        for _ in range(2):
            frame = DARK + self.rng.poisson(count)
            frame[:8] = DARK + (self.beam * light)[:8]  # beyond the sample
            self.frames.append(frame)
        row = {"point": len(self.rows), "kind": kind, "first_frame": 2 * len(self.rows), "frames": 2}
        row |= {"ended": float(len(self.rows)), "ring_current_ma": ring, "wanted_ev": float(energy)}
        self.rows.append({**row, "energy_ev": float(energy) + 0.002, "light": 2500 * light, "status": "ok"})

    def record(self, **params):
        found = MonoCalibration(
            date=date(2026, 11, 1), energy_ev=8333.0, element="Ni", bragg_offset_deg=KNOWN_DEG
        )
        calibration = FILE.calibration.model_copy(update={"mono": found})
        start = {
            "uid": UID,
            "time": NOON_S,
            "plan_name": "mono_calibration",
            "technique": "calibration",
            "params": {"readout_port": "3", "element": "Ni", "edge": "K", "regions": self.regions} | params,
            "beamline": FILE.model_copy(update={"calibration": calibration}).model_dump(mode="json"),
            "acquisition": {},
        }
        documents = [("start", start)]
        for stream, frames in (("darks", [np.full(SHAPE, DARK)] * 2), ("stills", self.frames)):
            file = FrameFile(self.paths[stream], SHAPE)
            for frame in frames:
                file.append(np.rint(frame), NOON_S)
            file.close()
            uri = f"file://localhost{self.paths[stream]}"
            indices = {"start": 0, "stop": len(frames)}
            documents += [
                ("descriptor", {"uid": stream, "name": stream}),
                ("stream_resource", {"uid": f"{stream} file", "uri": uri, "parameters": {}}),
                (
                    "stream_datum",
                    {"descriptor": stream, "stream_resource": f"{stream} file", "indices": indices},
                ),
            ]
        documents.append(("descriptor", {"uid": "points", "name": "points"}))
        events = [{"descriptor": "points", "data": row, "time": NOON_S, "seq_num": 1} for row in self.rows]
        documents += [("event", event) for event in events]
        return RunRecord.from_documents([*documents, ("stop", {"exit_status": "success", "reason": ""})])


@pytest.mark.parametrize("options", [{}, {"flats_every": 5}, {"twice": True}])
def test_the_hidden_offset_is_found(tmp_path, options):
    data = DataFolder(tmp_path / "data")
    found = calibrate(Scan(tmp_path, **options).record(), data)
    assert found.file.name == "20261102T120000Z-mono.toml"
    assert found.picture.read_bytes().startswith(b"\x89PNG")
    file = load_beamline(NAME, calibrations=data.calibrations)
    mono = file.calibration.mono
    assert (mono.energy_ev, mono.element, mono.run) == (8333.0, "Ni", UID)
    # 1e7 photons at an energy: 0.0005 in absorbance, of a slope of 0.34 per eV at 6 energies: 0.0006 eV,
    # 1e-6 deg; the encoder's digit of 0.002 eV is 3e-6 deg
    assert mono.bragg_offset_deg == pytest.approx(HIDDEN_DEG, abs=2e-5)
    assert mono.sigma_deg < 2e-5
    # a reading that the file now asks for gives the energy
    angle = bragg_deg(file, 8340.0) + HIDDEN_DEG
    assert HC_EV_ANGSTROM / (2 * 3.1356 * math.sin(math.radians(angle))) == pytest.approx(8340.0, abs=0.02)
    assert found.line.startswith("mono: edge of Ni K at 8334.")
    assert "tabulated 8333.0 eV: bragg_offset_deg +0.0030" in found.line


def test_the_spectrum_is_that_of_the_regions(tmp_path):
    inside = {"left": [0, 8, 16, 24], "right": [24, 16, 24, 16]}
    with RunPoints(Scan(tmp_path, regions=inside, flats_every=4).record()) as points:
        energy, mu = spectrum(points)
    np.testing.assert_allclose(energy, ENERGIES + 0.002)
    # 768 pixels of 2 * 2000 photons behind the edge: 0.0006; ring decay and glitch are taken out
    np.testing.assert_allclose(mu, [absorbance_at(true_ev(one)) for one in ENERGIES], atol=0.003)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ((40, 0, 16, 8), "region one: wanted it in 48 x 32 pixels, found columns 40 to 56, rows 0 to 8"),
        ((0, 0, 48, 8), "Ni K: inflection: wanted"),
    ],
    ids=["outside", "air"],
)
def test_a_region_outside_and_one_without_an_edge_are_refused(tmp_path, region, message):
    with pytest.raises(CalibrationError, match=message):
        calibrate(Scan(tmp_path, regions={"one": region}).record(), DataFolder(tmp_path / "data"))
    assert not (tmp_path / "data" / "calibrations").exists()


def test_flats_of_the_own_energy_then_those_on_both_sides():
    energies, ended = [8320.0, 8330.0, 8320.0], [1.0, 2.0, 9.0]
    flats = [{"wanted_ev": e, "ended": t} for e, t in zip(energies, ended, strict=True)]
    light = np.array([[10.0], [20.0], [14.0]])

    def flat(energy, time_s):
        return flat_between({"wanted_ev": energy, "ended": time_s}, flats, light)[0]

    assert flat(8320.0, 2.0) == 10.0
    assert flat(8320.0, 8.0) == 14.0
    assert flat(8325.0, 3.0) == pytest.approx(15.0)
    assert flat(8328.0, 8.0) == pytest.approx(0.2 * 14 + 0.8 * 20)
    assert (flat(8310.0, 3.0), flat(8340.0, 3.0)) == (10.0, 20.0)


def test_edges_are_tabulated():
    # X-ray Data Booklet, table 1-1: K of Ni 8332.8, of Co 7708.9, L3 of Pt 11563.7 eV
    for element, edge, energy in (("Ni", "K", 8332.8), ("Co", "K", 7708.9), ("Pt", "L3", 11563.7)):
        assert edge_energy_ev(element, edge) == pytest.approx(energy, abs=0.5)
    with pytest.raises(ConfigError, match="wanted an absorption edge, as K, found L3"):
        edge_energy_ev("Li", "L3")
    with pytest.raises(ConfigError, match="wanted the symbol of an element"):
        edge_energy_ev("Xx", "K")
