"""Energy scale, width and line shape of a detector, found in a spectrum of many counts."""

from dataclasses import replace

import numpy as np
import scipy.optimize

from xsn_acq.analysis.xrf.model import EnergyScale, SpectrumModel
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.silicon_drift import piled_up

_FEWEST_COUNTS = 2000
_LARGEST_TAIL = 0.15
_TYPICAL = np.array([10.0, 0.003, 8.0, 0.05, 0.01])
"""How far zero (eV), gain (relative), noise (eV), K-beta (relative) and tail are from where they start."""


def with_pile_up(model: SpectrumModel, spectrum: FloatArray) -> FloatArray:
    """Shapes of a model, (fitted bins, parts + 1); the last is that of pairs of a spectrum's own events."""
    fitted = model.fitted(spectrum.size)
    sums = piled_up(np.asarray(spectrum, float), 0.5 + model.scale.zero_ev / model.scale.ev_per_bin)
    return np.column_stack([model.shapes(spectrum.size), sums[fitted]])


def refined(model: SpectrumModel, spectrum: FloatArray) -> SpectrumModel:
    """Fit zero and gain of the energy scale, noise, strength of K-beta, and tail, with all counts of lines.

    Each is held near where it starts by how far it usually is from there, which matters only where a spectrum
    says little of it. Use the sum of all spectra of a run.

    Parameters
    ----------
    model : SpectrumModel
        Where to start.
    spectrum : (bins,)
        Counts.

    Raises
    ------
    ReconstructionError
        There are too few counts.
    """
    spectrum = np.asarray(spectrum, float)
    fitted = model.fitted(spectrum.size)
    counts = spectrum[fitted]
    if counts.sum() < _FEWEST_COUNTS:
        raise ReconstructionError(
            f"energy calibration: wanted {_FEWEST_COUNTS} or more counts from {model.low_ev:g} to "
            f"{model.high_ev:g} eV, found {counts.sum():.0f}; count longer"
        )
    root = np.sqrt(np.maximum(np.convolve(counts, np.full(5, 0.2), "same"), 1.0))
    sums = with_pile_up(model, spectrum)[:, -1:]

    def deviations(steps: FloatArray) -> FloatArray:
        moved = _moved(model, steps)
        edges = moved.scale.edges_ev(fitted.start, fitted.stop)
        shapes = np.hstack([moved.shapes_between(edges), sums]) / root[:, None]
        found, _ = scipy.optimize.nnls(shapes, counts / root)
        return np.concatenate([shapes @ found - counts / root, steps])

    tail = (np.array([0.0, _LARGEST_TAIL]) - model.response.tail_share) / _TYPICAL[-1]
    bounds = np.full((2, _TYPICAL.size), ((-np.inf,), (np.inf,)))
    bounds[:, -1] = tail
    start = np.zeros(_TYPICAL.size)
    start[-1] = np.clip(0.0, tail[0] + 0.1, tail[1] - 0.1)
    found = scipy.optimize.least_squares(
        deviations, start, bounds=bounds, diff_step=1e-2, xtol=1e-5, x_scale=1.0
    )
    return _moved(model, found.x)


def _moved(model: SpectrumModel, steps: FloatArray) -> SpectrumModel:
    """Model changed by so many typical steps."""
    zero, gain, noise, kb, tail = (float(step) for step in steps * _TYPICAL)
    scale = EnergyScale(model.scale.zero_ev + zero, model.scale.ev_per_bin * (1 + gain))
    response = replace(
        model.response,
        noise_fwhm_ev=max(model.response.noise_fwhm_ev + noise, 0.0),
        tail_share=float(np.clip(model.response.tail_share + tail, 0.0, _LARGEST_TAIL)),
    )
    return replace(model, scale=scale, response=response, kb_weight=max(model.kb_weight * (1 + kb), 0.0))
