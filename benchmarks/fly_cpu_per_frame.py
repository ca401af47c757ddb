"""CPU and memory of the RunEngine's process for one more frame, against an event document a frame."""

import time
from pathlib import Path
from typing import Any

from benchmarks._simulated import Stopwatch, session

FEW, MANY, EVENTS = 900, 9000, 2000
SCAN_S = 1800.0
"""Both scans take as long: what the process does once a second anyway is no cost of a frame."""
SPEED = 30.0


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def _event_cpu(opened: Any, watch: Stopwatch) -> float:
    """CPU seconds of one event document of four scalars, journal included."""
    from bluesky import plan_stubs as bps
    from bluesky import preprocessors as bpp
    from ophyd import Signal

    signals = [Signal(name=f"value_{index}", value=0.0) for index in range(4)]

    @bpp.run_decorator()
    def events() -> Any:
        for _ in range(EVENTS):
            yield from bps.trigger_and_read(signals)

    opened.RE.preprocessors.clear()
    opened.RE(events())
    return watch.spans[-1] / EVENTS


def run() -> dict[str, Any]:
    from xsn_acq.params import Roi, XsnTomography

    cpu, clock = Stopwatch(time.process_time), Stopwatch(time.monotonic)
    memory = []
    with session(SPEED, cpu, clock) as opened:
        for frames in (FEW, FEW, MANY):
            params = XsnTomography(
                projections=frames,
                exposure_s=SCAN_S / frames,
                darks=5,
                flats=5,
                roi=Roi(min_x=1572, min_y=1568, size_x=64, size_y=64),
            )
            opened.run("xsn_tomography", params)
            memory.append(_resident_mb())
        _, few, many = cpu.spans
        _, _, seconds = clock.spans
        event = _event_cpu(opened, cpu)
    marginal = (many - few) / (MANY - FEW)
    return {
        "name": "fly_cpu_per_frame",
        "value": round(marginal * 1e6, 1),
        "unit": "us of CPU",
        "rival": "one event document a frame",
        "rival_value": round(event * 1e6, 1),
        "ratio": round(event / marginal, 1),
        "size": f"{MANY} frames against {FEW} in the same time",
        "cores": 2,
        "device": "cpu",
        "note": f"all that the process did, for {MANY} frames in {seconds:.0f} s: {many:.2f} s of CPU "
        f"({many / MANY * 1e6:.0f} us a frame), for {FEW} frames {few:.2f} s; resident memory after "
        f"{FEW}, {FEW}, {MANY} frames: {', '.join(f'{size:.1f}' for size in memory)} MB",
    }
