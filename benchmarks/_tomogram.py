"""Pieces of a full-size tomogram, each in a process of its own: processor seconds and peak memory."""

import json
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks._ellipses import Ellipse
from xsn_acq.analysis.pair_retrieval import PairField
from xsn_acq.analysis.retrieval import Field
from xsn_acq.analysis.xsn_settings import XsnSettings
from xsn_acq.analysis.xsn_stream import XsnStream
from xsn_acq.live.executors import InProcess
from xsn_acq.live.fields import FieldStore
from xsn_acq.live.settings import parameters
from xsn_acq.live.volume_writing import write_volume
from xsn_acq.optics.knife_edge import KnifeEdge

WIDTH = 1600
PIXEL_M = 40e-9
APERTURE_PER_M = 1 / 60e-9
ITERATIONS = 7


def settings(step_deg: float) -> XsnSettings:
    half_width = 0.22 * APERTURE_PER_M
    u = np.linspace(-1, 1, 101)
    knife_edge = KnifeEdge(half_width * u, 0.5 - (u * np.sqrt(1 - u**2) + np.arcsin(u)) / np.pi)
    axis = 0.5 * (WIDTH - 1)
    return XsnSettings(1.5e-10, PIXEL_M, APERTURE_PER_M, 0.0, "positive", knife_edge, axis, step_deg)


def volume(angles: int, rows: int) -> float:
    """Processor seconds to write the volume of so many fields, so many rows high."""
    theta = np.arange(angles) * 180 / angles
    body = Ellipse(40, -90, 0.4 * WIDTH, 0.2 * WIDTH, 0.3, 1e-3)
    lines = body.projection(np.deg2rad(theta), np.arange(WIDTH + 1) - 0.5 * WIDTH)
    shape, residual = (rows, WIDTH), (0.0,) * ITERATIONS
    with (
        tempfile.TemporaryDirectory() as folder,
        FieldStore(Path(folder), "", capacity=angles, shape=shape, iterations=ITERATIONS) as store,
        InProcess() as here,
    ):
        for index, (angle, line) in enumerate(zip(theta, lines, strict=True)):
            phi = np.broadcast_to(-line, shape)
            store.append(PairField(index, angles + index, float(angle), Field(0.02 * phi, phi, residual)))
        start = time.process_time()
        path, known = Path(folder) / "volume.h5", settings(180 / angles)
        write_volume(
            path,
            store,
            known.slicing,
            parameters(known),
            {"uid": "benchmark"},
            executor=here,
            progress=lambda *_: None,
        )
        return time.process_time() - start


def stream(pairs: int, _: int) -> float:
    """Processor seconds to retrieve so many pairs; a frame is read again when its partner has come."""
    shape = (WIDTH, WIDTH)
    step = 180 / pairs

    def read(index: int) -> np.ndarray:
        return np.random.default_rng(index).poisson(5000.0, shape).astype(np.uint16)

    work = XsnStream(settings(step), np.zeros(shape), np.full(shape, 5000.0), read=read)
    start = time.process_time()
    for index in range(2 * pairs):
        work.push(index, index * step, read(index), preview=False)
    work.value()
    return time.process_time() - start


def peak_bytes() -> int:
    """The most memory this program held, from its own start on."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    seconds = {"volume": volume, "stream": stream}[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps({"seconds": seconds, "peak": peak_bytes()}))
