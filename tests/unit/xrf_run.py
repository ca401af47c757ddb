"""Spectra of a run, drawn by the simulator with other lines, shapes and energies than a fit starts with."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from xsn_acq.analysis.xrf.areas import Limits
from xsn_acq.analysis.xrf.model import EnergyScale, SpectrumModel
from xsn_acq.config import load_microscope
from xsn_acq.optics.silicon_drift import Response
from xsn_acq.sim.fluorescence import Fluorescence, FluorescenceTruth, Sample, fluorescence
from xsn_acq.sim.spectrometer import Electronics, counted

VORTEX = load_microscope("ssrl-6-2c").vortex
START = SpectrumModel(
    ("Mn", "Fe", "Co", "Ni", "Cu"),
    9000.0,
    EnergyScale(VORTEX.zero_ev, VORTEX.ev_per_bin),
    Response(VORTEX.noise_fwhm_ev, tail_share=0.01, shelf_share=0.003),
)
LIMITS = Limits(VORTEX.dead_time_s)
LIGHT = np.random.default_rng(11).random((400, 8, 8))


@dataclass(frozen=True, eq=False)
class Run:
    """Spectra (n, bins), scalers (n, 11), and the true counts a second by element (n,)."""

    spectra: np.ndarray
    scalers: np.ndarray
    truth: dict


@lru_cache(maxsize=1)
def particle() -> Fluorescence:
    """8 x 8 pixels of manganese, cobalt and nickel oxide in different parts, up to 5 um thick."""
    rng = np.random.default_rng(2)
    mass = 2e-3 * rng.random((8, 8))
    parts = rng.dirichlet([2.0, 2.0, 2.0], (8, 8))
    densities = {element: 0.6 * mass * parts[..., i] for i, element in enumerate(("Mn", "Co", "Ni"))}
    return fluorescence(
        Sample(densities | {"O": 0.4 * mass}, 4.7, 25e-9), 9000.0, VORTEX, FluorescenceTruth()
    )


def measured(rate, exposure_s, number, seed=3, **electronics) -> Run:
    """So many patterns of random light; on the average so many counts arrive a second."""
    rng = np.random.default_rng(seed)
    settings = Electronics(**{"dead_s": VORTEX.dead_time_s} | electronics)
    source = particle()
    whole = source.spectrum(np.full((8, 8), 0.5)).sum()
    arriving = np.array([source.arriving(light * rate / whole) for light in LIGHT[:number]])
    drawn = [counted(sent @ source.shapes, exposure_s, settings, VORTEX.ev_per_bin, rng) for sent in arriving]
    truth = {name: arriving[:, i] for i, name in enumerate(source.names)}
    return Run(np.array([one.spectrum for one in drawn]), np.array([one.scalers for one in drawn]), truth)
