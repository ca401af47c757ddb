"""One iteration of the retrieval on a field of 20 um, on a GPU where there is one: the paper's took 11 ms."""

import os
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks._optics import PIXEL_M, optics, seconds, spheres
from xsn_acq.analysis.retrieval import XsnRetrieval
from xsn_acq.optics.schlieren import ImageFormation

SIZE = round(20e-6 / PIXEL_M)
PAPER_S = 0.011
FEW, MANY = 2, 12


def run() -> dict:
    cores = len(os.sched_getaffinity(0))
    library, device = _gpu()
    setup, sample = optics(SIZE), spheres(SIZE)
    form = ImageFormation(setup, workers=cores)
    images = form.intensity(sample), form.intensity(np.ascontiguousarray(sample[:, ::-1]))
    few, many = (seconds(lambda n=n: _retrieval(setup, n, cores, library).pair(*images)) for n in (FEW, MANY))
    value = (many - few) / (MANY - FEW)
    return {
        "name": "xsn_iteration_gpu",
        "value": value,
        "unit": "s",
        "rival": "the paper's GPU",
        "rival_value": PAPER_S,
        "ratio": PAPER_S / value,
        "size": f"{SIZE} x {SIZE}, two images",
        "cores": cores,
        "device": device,
        "note": "marginal cost of an iteration" + ("" if library else "; no GPU to be had: on the CPU"),
    }


def _retrieval(setup: Any, iterations: int, cores: int, library: dict[str, Any]) -> XsnRetrieval:
    return XsnRetrieval(setup, iterations=iterations, workers=cores, **library)


def _gpu() -> tuple[dict[str, Any], str]:
    """Array library and name of a GPU; nothing and "cpu" where there is none."""
    try:
        cupy = import_module("cupy")
        name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
        return {"xp": cupy}, name
    except Exception:  # whatever is missing, there is no GPU for CuPy
        pass
    try:
        torch = import_module("torch")
        return {"xp": torch, "device": "cuda"}, str(torch.cuda.get_device_name())
    except Exception:
        return {}, "cpu"
