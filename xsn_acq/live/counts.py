"""Scans of the undulator's gap: rows of counts, without frames, to the table of gaps."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from xsn_acq.analysis.calibration.gap import SINC_FWHM, GapPeak, gap_peak
from xsn_acq.config import Beamline
from xsn_acq.config.calibration_file import recorded_beamline
from xsn_acq.errors import CalibrationError
from xsn_acq.live.finding import SAME_ENERGY_EV, Finding
from xsn_acq.live.source_pictures import gap_peaks
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.run import Row, RunRecord
from xsn_acq.units import MM, UM


def gap_table(run: RunRecord) -> Finding:
    """Find the gap of most light at each energy of a run; they replace those near them in the table.

    Raises
    ------
    CalibrationError
        The run did not come to its end, or a curve does not show its peak.
    ConfigError
        It was taken with a beamline file of another version.
    """
    rows = counted_rows(run)
    file = recorded_beamline(
        run.start["beamline"], f"run {run.uid[:8]}", "analyse it with the version it was taken with"
    )
    harmonic = int(rows[0]["harmonic"])
    scans = [[row for row in rows if row["wanted_ev"] == energy] for energy in _energies(rows)]
    peaks = [_peak(file, harmonic, scan) for scan in scans]
    day = datetime.fromtimestamp(run.start["time"], UTC).date()
    entries = [
        {
            "date": day,
            "energy_ev": round(_energy_ev(scan), 2),
            "run": run.uid,
            "harmonic": harmonic,
            "gap_mm": round(peak.gap_mm, 6),
            "sigma_mm": round(peak.sigma_mm, 7),
            "counts_per_s_ma": round(peak.counts_per_s_ma, 3),
        }
        for scan, peak in zip(scans, peaks, strict=True)
    ]
    drawn = [
        (f"{_energy_ev(scan):.1f} eV", _column(scan, "undulator_gap_mm"), _light(scan), peak)
        for scan, peak in zip(scans, peaks, strict=True)
    ]
    return Finding("gap", _merged(file, entries), _line(file, entries), gap_peaks(drawn))


def counted_rows(run: RunRecord) -> list[Row]:
    """Rows of the ``points`` stream that are beyond doubt, of a run that came to its end.

    Raises
    ------
    CalibrationError
        It did not, or there are none.
    """
    rows = [row for row in run.rows("points") if row["status"] == "ok"]
    if run.stop is None or run.stop["exit_status"] != "success" or not rows:
        reason = "was interrupted" if run.stop is None else run.stop.get("reason") or "has no points"
        raise CalibrationError(f"run {run.uid[:8]}: not a whole scan: {reason}; take it again")
    return rows


def _energies(rows: Sequence[Row]) -> list[float]:
    return sorted({float(row["wanted_ev"]) for row in rows})


def _energy_ev(scan: Sequence[Row]) -> float:
    return float(_column(scan, "energy_ev").mean())


def _column(rows: Sequence[Row], name: str) -> FloatArray:
    return np.asarray([row[name] for row in rows], float)


def _charge_s_ma(scan: Sequence[Row]) -> FloatArray:
    return np.asarray(_column(scan, "count_s") * _column(scan, "ring_current_ma"))


def _light(scan: Sequence[Row]) -> FloatArray:
    return np.asarray(_column(scan, "counts") / _charge_s_ma(scan))


def _peak(file: Beamline, harmonic: int, scan: Sequence[Row]) -> GapPeak:
    energy = _energy_ev(scan)
    try:
        return gap_peak(
            _column(scan, "undulator_gap_mm"),
            _column(scan, "counts"),
            _charge_s_ma(scan),
            harmonic_fwhm_mm=_harmonic_fwhm_mm(file, harmonic, energy),
        )
    except CalibrationError as error:
        raise CalibrationError(f"{energy:.1f} eV: {error}") from error


def _harmonic_fwhm_mm(file: Beamline, harmonic: int, energy_ev: float) -> float:
    """Width of a harmonic over the gap, FWHM: E / E_n differs by 0.886 / (n N) from end to end."""
    source, half = file.undulator, 0.5 * SINC_FWHM / (harmonic * file.undulator.periods)
    low, high = (
        source.gap_mm(energy_ev * (1 + part), harmonic, file.ring.energy_gev) for part in (-half, half)
    )
    return high - low


def _merged(file: Beamline, entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries with those of the table that they do not replace."""
    kept = [
        before.model_dump()
        for before in file.calibration.gap
        if not any(
            before.harmonic == entry["harmonic"]
            and abs(before.energy_ev - entry["energy_ev"]) <= SAME_ENERGY_EV
            for entry in entries
        )
    ]
    return sorted([*kept, *entries], key=lambda entry: (entry["harmonic"], entry["energy_ev"]))


def _line(file: Beamline, entries: Sequence[dict[str, Any]]) -> str:
    """How far from the formula the gaps are, for a person."""
    source = file.undulator
    off_um = [
        (entry["gap_mm"] - source.gap_mm(entry["energy_ev"], entry["harmonic"], file.ring.energy_gev))
        * MM
        / UM
        for entry in entries
    ]
    worst_um = max(entry["sigma_mm"] for entry in entries) * MM / UM
    return (
        f"gap: harmonic {entries[0]['harmonic']}, energies from {entries[0]['energy_ev']:.1f} to "
        f"{entries[-1]['energy_ev']:.1f} eV: {min(off_um):+.2f} to {max(off_um):+.2f} um from the formula, "
        f"each +- {worst_um:.2f} um or less"
    )
