"""Time from the last frame at one energy to the first at the next, against the hardware's and 0.3 s."""

from itertools import pairwise
from statistics import median
from typing import Any

from benchmarks._simulated import session

SPEED = 1.0
BEYOND_S = 0.3
"""May pass beyond what the hardware takes: the slowest axis, settled, and the lock of the feedback."""
ENERGIES_EV = tuple(8313.0 + 4.0 * step for step in range(11))


class Record:
    """Subscriber that keeps the documents."""

    def __init__(self) -> None:
        self.documents: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, doc: dict[str, Any]) -> None:
        """Keep one."""
        self.documents.append((name, doc))


def run() -> dict[str, Any]:
    from xsn_acq.params import EnergyScan, Roi

    record = Record()
    params = EnergyScan(
        energies_ev=ENERGIES_EV,
        exposure_s=0.05,
        frames_per_energy=2,
        flats=2,
        darks=2,
        flats_every_ev=1000.0,
        roi=Roi(min_x=1540, min_y=1552, size_x=128, size_y=96),
    )
    with session(SPEED, record) as opened:
        opened.run("energy_scan", params)
        return _judged(opened.instrument.file, params, record)


def _judged(file: Any, params: Any, record: Record) -> dict[str, Any]:
    from xsn_acq.plans.energy_places import change_s
    from xsn_acq.plans.framing import framing
    from xsn_acq.sim.ioc.simple import LOCK_TIME_S
    from xsn_acq.storage.run import RunRecord

    found = RunRecord.from_documents(record.documents)
    between = _between_s(found, framing(file, params).period_s)
    changes = median(row["duration_s"] for row in found.rows("energy_changes")[1:])
    slowest = max(change_s(file, before, after) for before, after in pairwise(ENERGIES_EV))
    hardware = slowest + LOCK_TIME_S
    allowed, value = hardware + BEYOND_S, median(between)
    return {
        "name": "energy_change",
        "value": round(value, 3),
        "unit": "s from the last frame at one energy to the first at the next, median",
        "rival": f"the slowest axis, settled, the feedback's lock, and {BEYOND_S:g} s of our own",
        "rival_value": round(allowed, 3),
        "ratio": round(allowed / value, 2),
        "size": f"{len(ENERGIES_EV)} energies, {ENERGIES_EV[0]:g} to {ENERGIES_EV[-1]:g} eV",
        "cores": 2,
        "device": "cpu",
        "note": f"{min(between):.3f} to {max(between):.3f} s; the hardware takes {hardware:.3f} s (axis "
        f"{slowest:.3f}, lock {LOCK_TIME_S:g}), we {value - hardware:.3f} s, {file.beam_monitor.count_s:g} s "
        f"of them to count the beam monitor; {changes:.3f} s by the change's own watch",
    }


def _between_s(found: Any, period_s: float) -> list[float]:
    """Frames are stamped at the end of their readout; seconds between those of neighbouring energies."""
    import h5py
    import numpy as np

    path = found.streams["stills"].resource["uri"].removeprefix("file://localhost")
    with h5py.File(path) as file:
        stamps = "/entry/instrument/NDAttributes/NDArrayEpicsTS"
        times = np.asarray(file[f"{stamps}Sec"], float) + 1e-9 * np.asarray(file[f"{stamps}nSec"], float)
    rows = found.rows("points")
    return [
        float(times[after["first_frame"]] - times[after["first_frame"] - 1]) - period_s
        for before, after in pairwise(rows)
        if before["wanted_ev"] != after["wanted_ev"]
    ]
