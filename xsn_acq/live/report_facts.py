"""What a report says in words: what was measured and how, and what a reader must be warned of."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from xsn_acq.analysis.frc import reaches_nyquist
from xsn_acq.live.run_times import run_time
from xsn_acq.live.settings import expected_fields
from xsn_acq.live.volume import Summary
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.storage.run import RunRecord
from xsn_acq.units import NM

Facts = list[tuple[str, str]]
_OLD_DAYS = 90
_FAR_ENERGY = 0.02
_POOR_FIT = 3.0
_RISEN = 1.05
_LOW_CURRENT = 0.5
_GAP = 1.8
_FAR_AXIS_PIXELS = 1.0
_HALF_TURN_DEG = 180.0
_FEW_NUMBERS = 3
"""Lists longer than this are curves."""
_NAMES = {"delta": "δ", "beta": "β"}


def measured(record: RunRecord) -> Facts:
    """Return plan, energy, exposure and frames of a run; what its start document lacks is left out."""
    start = record.start
    seen, params = start.get("acquisition", {}), start.get("params", {})
    facts: Facts = [("plan", str(start.get("plan_name", ""))), ("run", record.uid)]
    facts.append(("started", _time(start.get("time"))))
    if record.stop is not None:
        facts.append(("ended", f"{_time(record.stop.get('time'))}, {record.stop.get('exit_status', '')}"))
    for label, key, unit, factor in (
        ("energy", "energy_ev", "eV", 1.0),
        ("exposure", "exposure_s", "s", 1.0),
        ("time from frame to frame", "frame_period_s", "s", 1.0),
        ("angle from frame to frame", "step_deg", "degree", 1.0),
        ("pixel at the sample", "pixel_size_m", "nm", 1 / NM),
        ("magnification", "magnification", "", 1.0),
        ("binning", "binning", "", 1.0),
    ):
        if key in seen:
            facts.append((label, f"{float(seen[key]) * factor:.6g} {unit}".strip()))
    if "frame_shape" in seen:
        facts.append(("frame", " x ".join(map(str, seen["frame_shape"])) + " pixels (rows x columns)"))
    if "cutoff_passes" in seen:
        side = f"{seen['cutoff_passes']} side open"
        facts.append(("cutoff filter", f"{float(seen['cutoff_per_m']) * 1e-6:.4g} /µm, {side}"))
    facts += [("frames of " + name, str(count)) for name, count in seen.get("expected", {}).items()]
    facts += _frames(record)
    if took := run_time(record):
        facts.append(("time", took))
    if params.get("note"):
        facts.append(("note", str(params["note"])))
    return facts


def _frames(record: RunRecord) -> Facts:
    """How the frames came out, by the ledger."""
    rows = record.ledger
    if not rows:
        return []
    count = {state: sum(row.get("status") == state for row in rows) for state in ("ok", "lost", "flagged")}
    facts = [
        ("projections good", str(count["ok"])),
        ("lost", str(count["lost"])),
        ("flagged", str(count["flagged"])),
    ]
    summary = record.ledger_summary()
    if summary.get("retaken"):
        facts.append(("taken again", str(summary["retaken"])))
    current = [float(row["ring_current_ma"]) for row in rows if "ring_current_ma" in row]
    if current:
        facts.append(("ring current", f"{min(current):.1f} to {max(current):.1f} mA"))
    return facts


def calibrations(record: RunRecord) -> Facts:
    """Calibrations that the run used, with date, energy, and the run that measured them."""
    return [
        (label, f"{entry.get('date', '?')}, at {float(entry['energy_ev']):g} eV, {_origin(entry)}")
        for label, entry in _calibrations(record)
    ]


def _origin(entry: Mapping[str, Any]) -> str:
    return f"run {str(entry['run'])[:8]}" if entry.get("run") else "beamline file"


def _calibrations(record: RunRecord) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Label and content of each calibration; a table over energies has several."""
    for name, section in record.start.get("beamline", {}).get("calibration", {}).items():
        for entry in section if isinstance(section, list) else [section]:
            if isinstance(entry, Mapping) and "energy_ev" in entry:
                yield name.replace("_", " "), entry


def settings(parameters: Mapping[str, Any]) -> Facts:
    """Settings of a reconstruction, one line each; curves by their length, empty texts left out."""
    facts: Facts = []
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            lengths = [len(part) for part in value.values() if isinstance(part, list)]
            curve = max(lengths, default=0) > _FEW_NUMBERS
            facts.append((name, f"{lengths[0]} points" if curve else _in_words(dict(value))))
        elif value != "":
            facts.append((name, _in_words(value)))
    return facts


def _in_words(value: Any) -> str:
    """Numbers with eight digits, lists and mappings without brackets."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(_in_words(part) for part in value) or "none"
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def warnings(
    summary: Summary,
    series: Mapping[str, tuple[FloatArray, str]],
    record: RunRecord | None,
    ended: str | None = None,
    *,
    alike: bool = False,
) -> list[str]:
    """Everything that makes the result less than it looks, worst first.

    ``ended``: what the scan lacks by the end of its runs, of which ``record`` is the first; empty: nothing;
    None: the scan is the record's run alone. ``alike``: the halves of the angles share more than the sample,
    so that they do not tell the resolution.
    """
    found = [f"The scan is incomplete: {ended}."] if ended else []
    if record is not None:
        found += _of_end(record) if ended is None else []
        found += _of_run(record, summary)
    found += _of_angles(summary.theta_deg)
    found += _of_residuals(summary)
    shift = series.get("shift_x", (np.zeros(1), ""))[0]
    axis_error = -0.5 * float(np.median(shift))
    if abs(axis_error) > _FAR_AXIS_PIXELS:
        found.append(
            f"The rotation axis was {axis_error:+.1f} pixel off where the calibration has it. It was taken "
            "out, but so large a shift may be measured wrongly: find the axis again."
        )
    if not summary.halves.curves:
        found.append("Too few angles for a ring correlation: the resolution is not known.")
    for quantity, curve in summary.halves.curves.items():
        if not alike and reaches_nyquist(curve):
            found.append(
                f"The resolution of {_NAMES[quantity]} is limited by the voxel: the halves agree up to "
                f"{2 * summary.pixel_size_m / NM:.0f} nm, two voxels. A smaller pixel would show more."
            )
    return found


def _of_end(record: RunRecord) -> list[str]:
    found = []
    if record.stop is None:
        found.append("The run was interrupted: it has no end.")
    elif record.stop.get("exit_status") != "success":
        found.append(
            f"The run ended early: {record.stop.get('exit_status')}: {record.stop.get('reason', '')}"
        )
    ledger = record.ledger_summary()
    if not ledger.get("complete", True):
        found.append(f"The run is incomplete: {ledger.get('message', '')}")
    return found


def _of_run(record: RunRecord, summary: Summary) -> list[str]:
    found = []
    wanted = expected_fields(record.start)
    if len(summary.theta_deg) < wanted:
        found.append(f"Incomplete angles: {len(summary.theta_deg)} of {wanted} angles were reconstructed.")
    good = [row for row in record.ledger if row.get("status") == "ok"]
    current = [float(row["ring_current_ma"]) for row in good if "ring_current_ma" in row]
    if current and min(current) < _LOW_CURRENT * max(current):
        found.append(
            f"The ring current fell from {max(current):.0f} to {min(current):.0f} mA while frames were taken."
        )
    return found + _of_calibrations(record)


def _of_calibrations(record: RunRecord) -> list[str]:
    found = []
    energy = float(record.start.get("acquisition", {}).get("energy_ev", 0.0))
    day = datetime.fromtimestamp(float(record.start.get("time", 0.0)), UTC).date()
    for label, entry in _calibrations(record):
        known = float(entry["energy_ev"])
        if energy and label != "focus" and abs(known / energy - 1) > _FAR_ENERGY:
            found.append(f"The {label} was calibrated at {known:g} eV, the run is at {energy:g} eV.")
        age = (day - date.fromisoformat(str(entry["date"]))).days if entry.get("date") else 0
        if age > _OLD_DAYS:
            found.append(f"The {label} was calibrated {age} days before the run.")
    return found


def _of_angles(theta_deg: FloatArray) -> list[str]:
    """Gaps, over half a turn that closes on itself."""
    theta = np.sort(np.asarray(theta_deg) % _HALF_TURN_DEG)
    if theta.size < 2:
        return ["A single angle: the volume is only a back-projection."]
    gaps = np.diff(np.append(theta, theta[0] + _HALF_TURN_DEG))
    step, widest = float(np.median(gaps)), int(np.argmax(gaps))
    if gaps[widest] <= _GAP * step:
        return []
    return [
        f"Incomplete angles: a gap of {gaps[widest]:.1f} degrees after {theta[widest]:.1f}; "
        f"the step is {step:.2f}."
    ]


def _of_residuals(summary: Summary) -> list[str]:
    last = summary.residual[:, -1]
    poor = last > _POOR_FIT * np.median(last)
    found = []
    if poor.any():
        worst = float(summary.theta_deg[int(np.argmax(last))])
        found.append(
            f"{int(poor.sum())} of {last.size} angles fit their images badly (residual above "
            f"{_POOR_FIT:g} times the median), worst at {worst:.1f} degrees."
        )
    middle = np.median(summary.residual, axis=0)
    if middle[-1] > _RISEN * middle.min():
        found.append(
            f"The retrieval went astray: its residual rose from {middle.min():.2g} to {middle[-1]:.2g}; "
            "fewer iterations or a larger epsilon would help."
        )
    return found


def _time(seconds: Any) -> str:
    if seconds is None:
        return "?"
    return datetime.fromtimestamp(float(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
