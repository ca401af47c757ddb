"""Time of a hyperspectral scan at the simulator's real speed, beyond exposures and motor times.

The scan takes 25 minutes.
"""

import time
from itertools import pairwise
from typing import Any

from benchmarks._simulated import session

SPEED = 1.0
LIMIT = 0.03
"""Overhead that is wanted at most, as a fraction of exposures and motor times."""


def run() -> dict[str, Any]:
    from xsn_acq.params import HyperspectralTomography, Roi

    params = HyperspectralTomography(
        projections=90,
        exposure_s=1.0,
        darks=10,
        flats=10,
        roi=Roi(min_x=1540, min_y=1552, size_x=128, size_y=96),
    )
    with session(SPEED) as opened:
        begun = time.monotonic()
        opened.run("hyperspectral_tomography", params)
        value = time.monotonic() - begun
        wanted, parts = _wanted_s(opened.instrument.file, params)
    energies = len(params.sequence_ev)
    overhead = value / wanted - 1
    return {
        "name": "hyperspectral_overhead",
        "value": round(100 * overhead, 2),
        "unit": "% of exposures and motor times",
        "rival": "what is wanted at most",
        "rival_value": 100 * LIMIT,
        "ratio": round(LIMIT / overhead, 2),
        "size": f"{energies} energies x 90 projections of 1 s, 10 darks and 10 flats at each",
        "cores": 2,
        "device": "cpu",
        "note": f"{value:.0f} s in all, {(value - wanted) / energies:.2f} s beyond at each energy; {parts}",
    }


def _wanted_s(file: Any, params: Any) -> tuple[float, str]:
    """Exposures and motor times, seconds, and what they consist of."""
    from xsn_acq.plans.energy_places import change_s
    from xsn_acq.plans.estimate import move_s
    from xsn_acq.plans.framing import framing, sweep

    frame, theta, energies = framing(file, params), file.axes.sample_theta, params.sequence_ev
    rhythm = frame.rhythm(params)
    turn = sweep(rhythm, 0.0, params.projections, theta.acceleration_s, theta.tolerance)
    flight = (turn.end_deg - turn.begin_deg) / rhythm.velocity_deg_s + theta.acceleration_s
    stills = (params.darks + params.flats) * (frame.exposure_s + frame.readout_s)
    sample = 2 * move_s(file.axes.sample_x, file.geometry.sample_out_um - file.geometry.sample_x_centre_um)
    way = (8300.0, *energies, 8300.0)
    changes = sum(change_s(file, before, after) for before, after in pairwise(way))
    total = len(energies) * (flight + stills + sample) + changes + move_s(theta, turn.begin_deg)
    parts = (
        f"at each: flight {flight:.1f} s, darks and flats {stills:.1f} s, sample out and in {sample:.1f} s"
    )
    return total, f"{parts}; energy changes {changes:.1f} s in all"
