"""The most memory a full-size tomogram takes, and what an angle and a row cost.

The field of view is 1600 x 1600 x 1600. Fields come from the store on disk and slabs go to the volume's file:
all angles, full width, and as many rows as show that a row more costs the same. Frames become fields pair by
pair. Cost is in seconds of processor time, which neighbours on the machine disturb least.
"""

import json
import os
import subprocess
import sys

from benchmarks._tomogram import WIDTH

ANGLES, ROWS = (450, 900, 1800), (16, 32, 64)
PAIRS = (2, 4)
BYTES = 8
"""Of two quantities in float32."""


def run() -> dict:
    by_angles = {angles: _measured("volume", angles, ROWS[1]) for angles in ANGLES}
    by_rows = {rows: _measured("volume", 900, rows) for rows in ROWS}
    streams = {pairs: _measured("stream", pairs, 0) for pairs in PAIRS}
    most = {angles: max(by_angles[angles]["peak"], streams[PAIRS[-1]]["peak"]) for angles in ANGLES}
    whole = BYTES * WIDTH**2 * (ANGLES[-1] + WIDTH)
    return {
        "name": "tomogram_memory",
        "value": most[1800],
        "unit": "bytes",
        "rival": "fields and volume in memory",
        "rival_value": whole,
        "ratio": whole / most[1800],
        "size": f"1800 fields of {WIDTH} x {WIDTH} -> {WIDTH}^3",
        "cores": len(os.sched_getaffinity(0)),
        "device": "cpu",
        "note": f"fields -> volume, {ROWS[1]} rows: {_curve(by_angles, 'angles')}; 900 angles: "
        f"{_curve(by_rows, 'rows')}; frames -> fields: {_curve(streams, 'pairs')}; the bound is 3 GB",
    }


def _measured(what: str, count: int, rows: int) -> dict:
    command = [sys.executable, "-m", "benchmarks._tomogram", what, str(count), str(rows)]
    found: dict = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def _curve(found: dict, unit: str) -> str:
    points = (
        f"{count} {unit} {at['seconds']:.1f} CPU s {at['peak'] / 1e9:.2f} GB" for count, at in found.items()
    )
    return ", ".join(points)
