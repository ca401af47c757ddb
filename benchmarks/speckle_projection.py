"""Seconds for one 512^2 projection from its neighbour; the rival is plain descent on the same sum.

The rival, preconditioned, starts from Paganin's guess and goes on until it is within 1 % of where ours ended. The
note tells of the paper's own form too (alpha and phi free, its stopping rule).
"""

import math
import os
import resource
import time
from collections.abc import Callable
from typing import Any

from benchmarks._speckle import GLASS, plain_descent, scene, settings
from benchmarks.xsn_iteration_gpu import _gpu
from xsn_acq.analysis.pwf.descent import PlainDescent
from xsn_acq.analysis.pwf.retrieval import Retrieval

SIDE, STEP_DEG, MOST = 512, 0.225, 600
NEAR = 1.01
PAPER_MU = 1.0


def run() -> dict:
    cores = len(os.sched_getaffinity(0))
    library, device = _gpu()
    first, second = (scene("beads", (SIDE, SIDE), turned_deg=turned) for turned in (0.0, STEP_DEG))
    retrieval = Retrieval(settings(first, GLASS), first.references, workers=cores, **library)
    start = retrieval.retrieve(first.projections)
    seconds, field = _timed(lambda: retrieval.retrieve(second.projections, start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    host = Retrieval(settings(first, GLASS), first.references, workers=cores)
    rival_s, (end, values) = _timed(lambda: _plain(host, second, host.model.array(_numpy(retrieval, field))))
    paper_s, paper = _timed(lambda: _papers(host, second))
    window = host.model.grid.window
    found, other, own = (
        "slope {:.3f}, error {:.3f}".format(*second.slope(phi))
        for phi in (field.phi, end[-1][window], paper.phi[window])
    )
    return {
        "name": "speckle_projection",
        "value": seconds,
        "unit": "s",
        "rival": "plain preconditioned descent, the same sum, from Paganin",
        "rival_value": rival_s,
        "ratio": rival_s / seconds,
        "size": f"{SIDE} x {SIDE}, one shot",
        "cores": cores,
        "device": device,
        "note": f"{field.gradients} gradients, {found}, peak memory {peak / 1e9:.2f} GB; rival {len(values)} "
        f"gradients on the CPU, {other}; the paper's own form from zero: {len(paper.values)} gradients, "
        f"{paper_s:.1f} s, {own}; the paper took 5 to 6 s for 2560 x 2160 on an RTX 4090",
    }


def _numpy(retrieval: Retrieval, field: Any) -> Any:
    return retrieval.model.fourier.numpy(field.variables)


def _plain(retrieval: Retrieval, truth: Any, ours: Any) -> tuple[Any, list[float]]:
    objective, _ = retrieval.prepared
    data = retrieval.data(truth.projections)
    square = retrieval.model.grid.frequency() ** 2 * truth.optics.pixel_m**2
    square[0, 0] = math.inf
    least = NEAR * objective.value(ours, data)[0]
    start = retrieval.guess(truth.projections)
    return plain_descent(lambda x: objective.value(x, data), start, square, least, MOST)


def _papers(retrieval: Retrieval, truth: Any) -> Any:
    model = retrieval.model
    descent = PlainDescent(model, retrieval.diffusers, mu_alpha=PAPER_MU, mu_phi=PAPER_MU)
    zero = 0 * retrieval.guess(truth.projections)[-1]
    return descent.retrieve(retrieval.data(truth.projections), zero, zero, most=MOST)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
