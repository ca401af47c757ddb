"""Gap scans of the undulator: the peak of light that the simulator's source hides, and the table it makes."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from xsn_acq.analysis.calibration.gap import gap_peak
from xsn_acq.config import load_beamline, write_calibration
from xsn_acq.config.calibration import GapCalibration
from xsn_acq.config.energy import counts_share, gap_mm
from xsn_acq.errors import CalibrationError
from xsn_acq.live.calibrate import calibrate
from xsn_acq.params import MonoCalibration, UndulatorCalibration
from xsn_acq.params.energies import Segment
from xsn_acq.plans.gap_checks import (
    estimate_undulator_calibration,
    gap_places,
    infeasible_undulator_calibration,
)
from xsn_acq.plans.mono_calibration import infeasible_mono_calibration
from xsn_acq.session import PLANS, plan_parameters, refuse_infeasible
from xsn_acq.sim.source import undulator_light
from xsn_acq.sim.truth import Truth
from xsn_acq.storage.layout import DataFolder
from xsn_acq.storage.run import RunRecord

NAME = "pls2-7c-xni"
FILE = load_beamline(NAME)
HIDDEN_MM = 0.03
TRUTH = Truth(gap_offset_mm=HIDDEN_MM)
PER_S = 1e6
CURRENT_MA = 400.0
UID = "0123abcd-0000-4000-8000-000000000000"
NOON_S = 1_793_620_800.0
FWHM_MM = 0.0374
"""Of the third harmonic of 70 periods at 8300 eV: 0.886 / 210 over d ln E / d gap = 0.113 per mm."""


def theory_mm(energy_ev):
    return FILE.undulator.gap_mm(energy_ev, 3, 3.0)


def counts(energy_ev, gaps_mm, hidden_mm=HIDDEN_MM, count_s=0.5, seed=1):
    light = [undulator_light(FILE, TRUTH, gap + hidden_mm, energy_ev) for gap in gaps_mm]
    return np.random.default_rng(seed).poisson(PER_S * count_s * np.array(light))


def scan_mm(energy_ev, half_range_mm=0.06, points=25):
    return np.round(theory_mm(energy_ev) + np.linspace(-half_range_mm, half_range_mm, points), 4)


@pytest.mark.parametrize("energy_ev", [7600.0, 8300.0, 9400.0])
def test_the_hidden_offset_is_found(energy_ev):
    gaps = scan_mm(energy_ev)
    width = {7600.0: 0.0324, 8300.0: FWHM_MM, 9400.0: 0.0494}[energy_ev]
    off_um = []
    for seed in range(20):
        found = gap_peak(gaps, counts(energy_ev, gaps, seed=seed), 0.5 * CURRENT_MA, harmonic_fwhm_mm=width)
        off_um.append(1e3 * (found.gap_mm + HIDDEN_MM - theory_mm(energy_ev)))
    # photon noise of 5e5 counts moves it by 0.015 um; the readback's last digit is 0.1 um, of 8 points
    assert np.abs(off_um).max() < 0.2
    assert np.std(off_um) == pytest.approx(1e3 * found.sigma_mm, rel=0.5)
    assert found.fwhm_mm == pytest.approx(width, rel=0.02)  # 1 % of light between the harmonics
    assert found.counts_per_s_ma == pytest.approx(PER_S / CURRENT_MA, rel=0.003)  # four errors of one count


@pytest.mark.parametrize("hidden_mm", [0.07, -0.07, 0.1, 0.15, 0.2])
def test_a_peak_beyond_the_scan_and_side_lobes_are_refused(hidden_mm):
    gaps = scan_mm(8300.0)
    with pytest.raises(CalibrationError, match=r"gap scan: .*scan further"):
        gap_peak(gaps, counts(8300.0, gaps, hidden_mm), 0.5 * CURRENT_MA, harmonic_fwhm_mm=FWHM_MM)


def test_what_shows_no_peak_is_refused():
    gaps = scan_mm(8300.0)
    dark = np.random.default_rng(2).poisson(3.0, gaps.size)
    with pytest.raises(CalibrationError, match="gap scan: "):
        gap_peak(gaps, dark, 0.5 * CURRENT_MA, harmonic_fwhm_mm=FWHM_MM)
    with pytest.raises(CalibrationError, match="wanted light in the beam monitor, found none"):
        gap_peak(gaps, np.zeros(gaps.size), 0.5 * CURRENT_MA, harmonic_fwhm_mm=FWHM_MM)
    coarse = scan_mm(8300.0, points=9)
    with pytest.raises(CalibrationError, match="wanted 5 or more gaps at the top"):
        gap_peak(coarse, counts(8300.0, coarse), 0.5 * CURRENT_MA, harmonic_fwhm_mm=FWHM_MM)


def run_of(energies_ev, before=(), bright=None, stop="success"):
    """Record of a run of gap scans, the ring losing a tenth; one point of each was flagged and is dark."""
    file = FILE.model_copy(update={"calibration": FILE.calibration.model_copy(update={"gap": before})})
    rows = []
    for energy in energies_ev:
        gaps = scan_mm(energy)
        light = counts(energy, gaps, seed=int(energy)) * (bright or {}).get(energy, 1.0)
        for number, (gap, value) in enumerate(zip(gaps, light, strict=True)):
            left = 1 - 0.1 * number / gaps.size
            row = {"point": len(rows), "wanted_ev": energy, "energy_ev": energy - 0.01, "harmonic": 3}
            row |= {"undulator_gap_mm": gap, "count_s": 0.5, "ring_current_ma": left * CURRENT_MA}
            if number == 7:
                rows.append({**row, "counts": 0.0, "status": "flagged"})
            rows.append({**row, "counts": value * left, "status": "ok"})
    documents = [
        (
            "start",
            {
                "uid": UID,
                "time": NOON_S,
                "plan_name": "undulator_calibration",
                "technique": "calibration",
                "beamline": file.model_dump(mode="json"),
            },
        ),
        ("descriptor", {"uid": "points", "name": "points"}),
        *(("event", {"descriptor": "points", "data": row, "time": NOON_S, "seq_num": 1}) for row in rows),
        ("stop", {"exit_status": stop, "reason": "broken off: 3 of 75 points good"}),
    ]
    return RunRecord.from_documents(documents)


def entry(energy_ev, harmonic=3):
    return GapCalibration(
        date=date(2026, 11, 1),
        energy_ev=energy_ev,
        harmonic=harmonic,
        gap_mm=FILE.undulator.gap_mm(energy_ev, harmonic, 3.0),
        counts_per_s_ma=1000.0,
    )


def test_the_table_is_stored_merged_and_used(tmp_path):
    data = DataFolder(tmp_path)
    before = (entry(8000.0), entry(8300.7), entry(8300.0, harmonic=5))
    found = calibrate(run_of((8300.0, 8400.0), before, bright={8400.0: 0.8}), data)
    assert found.file.name == "20261102T120000Z-gap.toml"
    assert found.picture.read_bytes().startswith(b"\x89PNG")
    assert found.line.startswith("gap: harmonic 3, energies from 8300.0 to 8400.0 eV: -")
    file = load_beamline(NAME, calibrations=data.calibrations)
    table = [(kept.energy_ev, kept.harmonic, kept.run) for kept in file.calibration.gap]
    assert table == [(8000.0, 3, ""), (8299.99, 3, UID), (8399.99, 3, UID), (8300.0, 5, "")]
    # 0.2 um from digits and noise as above
    assert gap_mm(file, 8350.0) == pytest.approx(theory_mm(8350.0) - HIDDEN_MM, abs=0.0002)
    # the flux curve; four errors of one count of 5e5
    assert counts_share(file, 8300.0, 8400.0) == pytest.approx(0.8, rel=0.006)


def test_nothing_is_stored_of_a_run_that_was_broken_off(tmp_path):
    data = DataFolder(tmp_path)
    with pytest.raises(CalibrationError, match="not a whole scan: broken off: 3 of 75 points good; take it"):
        calibrate(run_of((8300.0,), stop="abort"), data)
    assert not data.calibrations.exists()


def test_a_table_of_another_harmonic_is_not_mixed_in(tmp_path):
    section = [entry(8300.0, harmonic=3).model_dump(), entry(8300.0, harmonic=5).model_dump()]
    section[1]["counts_per_s_ma"] = 10.0
    write_calibration(tmp_path, NAME, "gap", section, NOON_S)
    file = load_beamline(NAME, calibrations=tmp_path)
    assert counts_share(file, 8300.0, 8301.0) == 1.0


def test_gaps_rise_about_what_the_tables_say():
    params = UndulatorCalibration(energies_ev=(8300.0, 8400.0), half_range_mm=0.02, points=9)
    where = gap_places(FILE, params)
    assert [place.energy_ev for place in where] == [8300.0] * 9 + [8400.0] * 9
    off_mm = [place.gap_mm - theory_mm(place.energy_ev) for place in where]
    assert off_mm == pytest.approx([0.005 * step for step in range(-4, 5)] * 2, abs=1e-6)
    assert infeasible_undulator_calibration(FILE, params) == []
    cost = estimate_undulator_calibration(FILE, params)
    # 18 counts of 0.5 s and settling; 0.18 mm at 0.5 mm/s for each energy, and the change of 100 eV
    assert 18 * 0.55 < cost.duration_s < 18 * 0.55 + 30
    assert cost.summary().startswith("9 gaps at each of 2 energies, each counted for 0.5 s\n")


def test_what_cannot_be_scanned_is_refused():
    wide = UndulatorCalibration(energies_ev=(8300.0,), half_range_mm=3.0)
    (fault,) = infeasible_undulator_calibration(FILE, wide)
    # approached from 0.05 mm below
    assert f"found {theory_mm(8300.0) - 3.05:.4f} to {theory_mm(8300.0) + 3:.4f} mm" in fault
    (fault,) = infeasible_undulator_calibration(FILE, UndulatorCalibration(energies_ev=(7000.0,)))
    assert "wanted 7500 to 9500 eV" in fault
    short = MonoCalibration(segments=(Segment(start_ev=8325.0, stop_ev=8345.0, step_ev=1.0),))
    (fault,) = infeasible_mono_calibration(FILE, short)
    assert fault.startswith("energies: wanted from 8323 or less to 8343 eV or more, about Ni K at 8333 eV")


@pytest.mark.parametrize("plan", ["undulator_calibration", "mono_calibration"])
def test_the_examples_are_good(plan):
    params = plan_parameters(plan, Path(__file__).parents[2] / "docs" / f"{plan}.yaml")
    refuse_infeasible(plan, FILE, params)
    assert not PLANS[plan].reconstructs
