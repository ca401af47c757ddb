"""One slice by filtered back-projection: the adjoint non-uniform FFT against algotom and ASTRA on the CPU.

ASTRA is looked for in this interpreter, then in the one that XSN_BENCH_ASTRA_PYTHON names; else it is left
out.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from algotom.rec.reconstruction import fbp_reconstruction

from benchmarks._ellipses import phantom
from xsn_acq.analysis.tomography import FilteredBackProjection

ANGLES, COLUMNS, SLICES, REPEATS = 900, 1024, 8, 3
ASTRA_PYTHON = "XSN_BENCH_ASTRA_PYTHON"


def run() -> dict:
    cores = len(os.sched_getaffinity(0))
    theta = np.arange(ANGLES) * np.pi / ANGLES
    truth = phantom(COLUMNS, theta)
    stack = np.repeat(truth.sinogram[:, None], SLICES, axis=1)
    projection = FilteredBackProjection(COLUMNS, theta, threads=cores)
    ours = projection.slices(stack)[0]
    seconds = _fastest(lambda: projection.slices(stack)) / SLICES
    theirs = _algotom(stack[:, :cores], theta, cores)
    rival = _fastest(lambda: _algotom(stack[:, :cores], theta, cores)) / cores
    note = (
        f"per slice, {SLICES} at once, plan and compiler warm; RMSE: ours {truth.errors(ours)}; "
        f"algotom {truth.errors(theirs[:, 0])}"
    )
    return {
        "name": "fbp_slice",
        "value": seconds,
        "unit": "s",
        "rival": "algotom fbp_reconstruction, CPU",
        "rival_value": rival,
        "ratio": rival / seconds,
        "size": f"{ANGLES} angles x {COLUMNS} -> {COLUMNS} x {COLUMNS}, float32",
        "cores": cores,
        "device": "cpu",
        "note": f"{note}; {_against_astra(truth, theta, cores, seconds)}",
    }


def _algotom(stack: np.ndarray, theta: np.ndarray, cores: int) -> np.ndarray:
    """Slices (z, row, x): algotom's z points the other way, and it counts one angle less."""
    found = fbp_reconstruction(
        stack, (COLUMNS - 1) / 2, angles=theta, ratio=None, filter_name=None, apply_log=False, gpu=False,
        ncore=cores,
    )  # fmt: skip
    return found[::-1] * (ANGLES - 1) / ANGLES


def _against_astra(truth, theta: np.ndarray, cores: int, ours_s: float) -> str:
    python = sys.executable if importlib.util.find_spec("astra") else os.environ.get(ASTRA_PYTHON, "")
    if not python:
        return f"ASTRA left out: {ASTRA_PYTHON} names no interpreter that has it"
    with tempfile.TemporaryDirectory() as folder:
        sinogram, angles, found = (Path(folder) / f"{name}.npy" for name in ("sinogram", "theta", "slice"))
        np.save(sinogram, truth.sinogram)
        np.save(angles, theta)
        script = Path(__file__).with_name("_astra.py")
        command = [python, str(script), sinogram, angles, found, str(cores), str(REPEATS)]
        seconds = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        errors = truth.errors(np.load(found)[::-1])
    times = seconds / ours_s
    return f"ASTRA FBP, CPU, {cores} slices at once: {seconds:.2f} s, {times:.0f} times ours, RMSE {errors}"


def _fastest(work) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
