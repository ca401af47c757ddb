"""Seconds for one 512^2 projection from its neighbour; the rival is the paper's plain form, from Paganin."""

import os
import resource
import time
from typing import Any

from benchmarks._speckle import GLASS, scene, settings
from benchmarks.xsn_iteration_gpu import _gpu
from xsn_acq.analysis.pwf.descent import PlainDescent
from xsn_acq.analysis.pwf.retrieval import Retrieval

SIDE, STEP_DEG, MOST = 512, 0.225, 1300
PAPER_MU = (1.0, 1.0)


def run() -> dict:
    cores = len(os.sched_getaffinity(0))
    library, device = _gpu()
    first, second = (scene("beads", (SIDE, SIDE), turned_deg=turned) for turned in (0.0, STEP_DEG))
    retrieval = Retrieval(settings(first, GLASS), first.references, workers=cores, **library)
    start = retrieval.retrieve(first.projections)
    seconds, field = _timed(lambda: retrieval.retrieve(second.projections, start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rival_s, rival = _timed(lambda: _plain(retrieval, second))
    window = retrieval.model.grid.window
    found, other = second.slope(field.phi), second.slope(retrieval.model.fourier.numpy(rival.phi)[window])
    return {
        "name": "speckle_projection",
        "value": seconds,
        "unit": "s",
        "rival": "the paper's plain form with its stopping rule",
        "rival_value": rival_s,
        "ratio": rival_s / seconds,
        "size": f"{SIDE} x {SIDE}, one shot",
        "cores": cores,
        "device": device,
        "note": f"{field.gradients} gradients, slope {found[0]:.3f}, error {found[1]:.3f}; "
        f"rival {len(rival.values)} gradients, slope {other[0]:.3f}, error {other[1]:.3f}, "
        f"{'come to rest' if rival.converged else 'not come to rest'}; peak memory {peak / 1e9:.2f} GB; "
        "the paper took 5 to 6 s for 2560 x 2160 on an RTX 4090",
    }


def _plain(retrieval: Retrieval, truth: Any) -> Any:
    model = retrieval.model
    descent = PlainDescent(model, retrieval.diffusers, mu_alpha=PAPER_MU[0], mu_phi=PAPER_MU[1])
    phi = retrieval.guess(truth.projections)[-1]
    alpha = retrieval.settings.beta_over_delta * phi
    return descent.retrieve(retrieval.data(truth.projections), alpha, phi, most=MOST)


def _timed(work: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
