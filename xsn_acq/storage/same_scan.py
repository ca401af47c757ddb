"""Whether runs are parts of one scan: the same frames, the same light, the same angles."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xsn_acq.errors import StorageError
from xsn_acq.storage.run import RunRecord

_TOLERANCES: Mapping[str, tuple[float, float, str]] = {
    "frame_shape": (0.0, 0.0, "pixels"),
    "binning": (0.0, 0.0, ""),
    "roi": (0.0, 0.0, "pixels"),
    "energy_ev": (0.1, 0.0, "eV"),
    "pixel_size_m": (0.0, 1e-4, "m"),
    "axis_column": (0.5, 0.0, "pixels"),
    "exposure_s": (0.0, 1e-6, "s"),
    "frame_period_s": (0.0, 1e-3, "s"),
    "step_deg": (0.0, 1e-6, "degrees"),
}
"""Entries of ``acquisition`` that must agree: absolute and relative tolerance, unit.

Energy, pixel and axis follow readings of motors, which differ a little. A tenth of an eV is a tenth of what a
Si(111) crystal lets through at 8 keV, and half a pixel of the axis is finer than the resolution.
"""


def require_same_scan(runs: Sequence[RunRecord]) -> None:
    """Refuse runs that cannot be one tomogram.

    Parameters
    ----------
    runs : RunRecords

    Raises
    ------
    StorageError
        With everything in which a run differs from the first.
    """
    first = runs[0]
    for run in runs[1:]:
        faults = [*_differing(first, run), *_other_angles(first, run)]
        if run.uid == first.uid:
            faults = ["it is the same run"]
        if faults:
            raise StorageError(
                f"runs {first.uid[:8]} and {run.uid[:8]}: wanted parts of one scan: {'; '.join(faults)}; "
                "export each of them alone"
            )


def _differing(first: RunRecord, other: RunRecord) -> list[str]:
    wanted, found = first.start["acquisition"], other.start["acquisition"]
    return [
        f"{name}: wanted {wanted.get(name)}, found {found.get(name)} {unit}".rstrip()
        for name, (absolute, relative, unit) in _TOLERANCES.items()
        if not _agree(wanted.get(name), found.get(name), absolute, relative)
    ]


def _agree(wanted: Any, found: Any, absolute: float, relative: float) -> bool:
    if wanted is None or found is None:
        return wanted is found
    return np.shape(wanted) == np.shape(found) and np.allclose(found, wanted, atol=absolute, rtol=relative)


def _other_angles(first: RunRecord, other: RunRecord) -> list[str]:
    """Return a fault where a target of the two runs is not the same angle: more than half a step between."""
    wanted, found = _origin_deg(first), _origin_deg(other)
    half_step = abs(first.start["acquisition"]["step_deg"]) / 2
    if wanted is None or found is None or abs(found - wanted) <= half_step:
        return []
    return [f"angle of target 0: wanted {wanted:.4g}, found {found:.4g} degrees"]


def _origin_deg(run: RunRecord) -> float | None:
    """Angle of target 0 by the good rows of a run; None without any."""
    step = run.start["acquisition"]["step_deg"]
    found = [row["theta_deg"] - row["target"] * step for row in run.ledger if row["status"] == "ok"]
    return float(np.median(found)) if found else None
