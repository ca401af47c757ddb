"""Peak signal-to-noise of element maps against sampling and noise, five solvers on the same simulated data.

The prior is not exact: light and sample are finer than the pixels, the TXM image is noisy, blurred and stands
off by a hidden part of a pixel, and matter of three compositions absorbs alike. Strengths are the solvers'
own: no truth is looked at. SIREN runs small, where PyTorch is installed, and on the fewest patterns only.
"""

import importlib.util
import os

import numpy as np

from benchmarks._nxsci import scene
from xsn_acq.analysis.nxsci.guided import GuidedSolver
from xsn_acq.analysis.nxsci.pseudo_inverse import PseudoInverseSolver
from xsn_acq.analysis.nxsci.scores import psnr
from xsn_acq.analysis.nxsci.siren import SirenSolver
from xsn_acq.analysis.nxsci.total_variation import TotalVariationSolver
from xsn_acq.analysis.nxsci.txm_gradient import TxmGradientSolver
from xsn_acq.analysis.nxsci.txm_shift import find_txm_shift

SIDE = 64
NUMBERS = {"5 %": 205, "25 %": 1024, "50 %": 2048, "100 %": 4096}
COUNTS = (1e3, 1e4, 1e5)
SOLVERS = {
    "pseudo-inverse": PseudoInverseSolver(),
    "total variation": TotalVariationSolver(),
    "TXM gradient": TxmGradientSolver(),
    "guided": GuidedSolver(),
}
SMALL_SIREN = SirenSolver(64, 3, learning_rate=1e-3, iterations=2000)
BAR_DB = 5.0


def run() -> dict:
    table = {sampling: _row(number) for sampling, number in NUMBERS.items()}
    least = table["5 %"]
    guided, smooth = (float(np.mean(least[name])) for name in ("guided", "total variation"))
    return {
        "name": "nxsci_psnr",
        "value": guided,
        "unit": "dB",
        "rival": "total variation",
        "rival_value": smooth,
        "ratio": (guided - smooth) / BAR_DB,
        "size": f"{SIDE} x {SIDE}, 205 patterns, 3 elements, mean of line counts 1e3, 1e4, 1e5",
        "cores": len(os.sched_getaffinity(0)),
        "device": "cpu",
        "note": "ratio: gain over 5 dB. dB at 1e3, 1e4, 1e5 counts: "
        + "; ".join(f"{sampling}: {_told(row)}" for sampling, row in table.items()),
    }


def _row(number: int) -> dict[str, list[float]]:
    """Decibel of each solver at each noise level."""
    whole = scene(SIDE, number, seed=11, shift=(0.6, -0.35))
    solvers = dict(SOLVERS)
    if number == min(NUMBERS.values()) and importlib.util.find_spec("torch"):
        solvers["SIREN 64 x 3, 2000 iterations"] = SMALL_SIREN
    row: dict[str, list[float]] = {name: [] for name in solvers}
    for counts in COUNTS:
        truth = whole.counted(counts, number)
        guide = find_txm_shift(truth.sweep, truth.guide).moved(truth.guide)
        for name, solver in solvers.items():
            found = solver.solve(truth.sweep, guide).values
            row[name].append(float(np.mean([psnr(a, b) for a, b in zip(found, truth.maps, strict=True)])))
    return row


def _told(row: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {' '.join(f'{each:.1f}' for each in dbs)}" for name, dbs in row.items())
