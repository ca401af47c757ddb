"""One shot (PWF) against twelve diffuser positions (LCS): the same small tomogram of glass spheres.

Errors against the truth; resolution against the truth, and as the paper has it, between two tomograms from
different diffuser positions: two single shots, and LCS from two halves of its twelve.
"""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from benchmarks._speckle_tomogram import (
    AIR_COLUMNS,
    ENERGY_EV,
    OPTICS,
    PHOTONS,
    PIXEL_M,
    REFERENCE_FRAMES,
    SAMPLE,
    WAVELENGTH_M,
    Score,
    agreement_um,
    delta,
    scan,
    score,
    truth,
)
from xsn_acq.analysis.lcs import LowCoherenceSystem
from xsn_acq.analysis.pwf.coherence import coherence_lengths
from xsn_acq.analysis.pwf.forward import SpeckleOptics
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.analysis.pwf.settings import PwfSettings
from xsn_acq.optics.coherence import resolution_m
from xsn_acq.optics.materials import optical_constants
from xsn_acq.sim.speckle_samples import GLASS

SIDE, ANGLES, POSITIONS = 128, 120, 12
SHOTS = (0, 6)
"""Diffuser positions of the two single shots."""


@dataclass(frozen=True, eq=False)
class Phases:
    """What a scan became.

    Attributes
    ----------
    phi : (n, ny, nx)
    rmse : float
        Measured less modelled images over the mean reference, root mean square.
    seconds : float
        For each angle.
    finest_m : float
        What the coherence lengths let expect; 0 where they were not measured.
    """

    phi: np.ndarray
    rmse: float
    seconds: float
    finest_m: float = 0.0


def run() -> dict:
    cores = len(os.sched_getaffinity(0))
    data, true = scan(SIDE, ANGLES, POSITIONS, workers=cores), truth(SIDE)
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        parts = [(data.references[k], data.projections[:, k]) for k in SHOTS]
        shots = list(pool.map(single_shot, *zip(*parts, strict=True)))
    halves = [slice(None), slice(0, None, 2), slice(1, None, 2)]
    many = [low_coherence(data.references[some], data.projections[:, some]) for some in halves]
    ours, theirs = ([delta(each.phi, data.theta_rad) for each in found] for found in (shots, many))
    found, rival = score(ours[0], true), score(theirs[0], true)
    one = _told(found, agreement_um(*ours), shots[0])
    twelve = _told(rival, agreement_um(*theirs[1:]), many[0])
    return {
        "name": "speckle_lcs",
        "value": found.error,
        "unit": "rms error of delta / rms delta, one exposure an angle",
        "rival": "LCS, 12 exposures an angle",
        "rival_value": rival.error,
        "ratio": rival.error / found.error,
        "size": f"{SIDE} x {SIDE}, {ANGLES} angles, {SAMPLE}, {PHOTONS} photons",
        "cores": cores,
        "device": "cpu",
        "note": f"PWF: {one}; LCS: {twelve}. Expected of the coherence lengths: "
        f"{1e6 * shots[0].finest_m:.2f} um; the paper's: 1.51 um",
    }


def single_shot(reference: np.ndarray, projections: np.ndarray) -> Phases:
    """PWF of one diffuser position, coherence lengths measured, beta/delta of glass given."""
    way_m = OPTICS.diffuser_to_scintillator_m
    fit = coherence_lengths(reference, PIXEL_M, wavelength_m=WAVELENGTH_M, distance_m=way_m)
    optics = SpeckleOptics(
        reference.shape, PIXEL_M, WAVELENGTH_M, OPTICS.sample_to_diffuser_m, way_m, fit.lengths
    )
    glass = optical_constants(GLASS.formula, GLASS.density_g_cm3, ENERGY_EV)
    settings = PwfSettings(optics, glass.beta / glass.delta, PHOTONS, reference_frames=REFERENCE_FRAMES)
    start = time.perf_counter()
    retrieval, fields = Retrieval(settings, reference[None]), []
    for image in projections:
        fields.append(retrieval.retrieve(image, fields[-1] if fields else None))
    seconds = (time.perf_counter() - start) / len(projections)
    rmse = float(np.sqrt(np.mean([np.mean(each.rmse**2) for each in fields])))
    return Phases(np.stack([each.phi for each in fields]), rmse, seconds, resolution_m(fit.lengths))


def low_coherence(references: np.ndarray, projections: np.ndarray) -> Phases:
    """LCS of all diffuser positions given, (K, ny, nx) and (n, K, ny, nx)."""
    start = time.perf_counter()
    method = LowCoherenceSystem(
        references,
        PIXEL_M,
        WAVELENGTH_M,
        OPTICS.diffuser_to_scintillator_m,
        air_columns=AIR_COLUMNS,
    )
    fields = [method(images) for images in projections]
    seconds = (time.perf_counter() - start) / len(projections)
    rmse = float(np.sqrt(np.mean([np.mean(each.rmse**2) for each in fields])))
    return Phases(np.stack([each.phi for each in fields]), rmse, seconds)


def _told(found: Score, pair_um: float, phases: Phases) -> str:
    return (
        f"error {found.error:.3f}, glass {found.glass:.3f} of the truth, {found.resolution_um:.2f} um "
        f"against the truth, {pair_um:.2f} um between two at FSC 1/4, images {phases.rmse:.2%}, "
        f"{phases.seconds:.2f} s an angle"
    )
