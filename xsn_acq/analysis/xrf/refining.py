"""Energy scale, width and line shape of a detector, found in a spectrum of many counts."""

from dataclasses import replace

import numpy as np
import scipy.optimize

from xsn_acq.analysis.xrf.model import EnergyScale, SpectrumModel
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.silicon_drift import piled_up

_FEWEST_COUNTS = 2000
_TYPICAL = np.array([10.0, 0.003, 8.0, 0.05, 0.01, 40.0, 0.002, 0.15])
"""How far the scale's zero (eV) and gain (relative), the noise (eV), K-beta (relative), the tail's share and
depth (eV), the shelf's share and the escape peaks (relative) are from where they start."""
_BOUNDED = slice(4, 8)
_LEAST, _MOST = np.array([0.0, 80.0, 0.0, 0.5]), np.array([0.15, 400.0, 0.05, 1.5])
"""Of the last four."""
_SHAPE_ERROR = 0.02
"""Of what a model says of a bin: line energies and widths of the tables."""
_HAT_EV = 4400.0
"""Of the background: with more hats it takes the place of the shelf. For the areas there are more again."""


def with_pile_up(model: SpectrumModel, spectrum: FloatArray) -> FloatArray:
    """Shapes of a model, (fitted bins, parts + 1); the last is that of pairs of a spectrum's own events."""
    fitted = model.fitted(spectrum.size)
    sums = piled_up(np.asarray(spectrum, float), 0.5 + model.scale.zero_ev / model.scale.ev_per_bin)
    return np.column_stack([model.shapes(spectrum.size), sums[fitted]])


def refined(model: SpectrumModel, spectrum: FloatArray) -> SpectrumModel:
    """Fit energy scale, noise, strength of K-beta, tail, shelf and escape, with all counts of lines.

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
    smooth = np.maximum(np.convolve(counts, np.full(5, 0.2), "same"), 1.0)
    root = np.sqrt(smooth + (_SHAPE_ERROR * smooth) ** 2)
    sums = with_pile_up(model, spectrum)[:, -1:]
    stiff = replace(model, hat_ev=_HAT_EV)

    def deviations(steps: FloatArray) -> FloatArray:
        moved = _moved(stiff, steps)
        edges = moved.scale.edges_ev(fitted.start, fitted.stop)
        shapes = np.hstack([moved.shapes_between(edges), sums]) / root[:, None]
        found, _ = scipy.optimize.nnls(shapes, counts / root)
        return np.concatenate([shapes @ found - counts / root, steps])

    start, bounds = _start(model)
    found = scipy.optimize.least_squares(
        deviations, start, bounds=bounds, diff_step=1e-2, xtol=1e-5, x_scale=1.0
    )
    return _moved(model, found.x)


def _start(model: SpectrumModel) -> tuple[FloatArray, FloatArray]:
    """Steps to start from, inside of the bounds, (8,); bounds (2, 8)."""
    known = model.response
    given = np.array([known.tail_share, known.tail_ev, known.shelf_share, known.escape])
    typical = _TYPICAL[_BOUNDED]
    bounds = np.full((2, _TYPICAL.size), ((-np.inf,), (np.inf,)))
    bounds[:, _BOUNDED] = (np.stack([_LEAST, _MOST]) - given) / typical
    return np.clip(np.zeros(_TYPICAL.size), bounds[0] + 0.1, bounds[1] - 0.1), bounds


def _moved(model: SpectrumModel, steps: FloatArray) -> SpectrumModel:
    """Model changed by so many typical steps."""
    zero, gain, noise, kb, *others = (float(step) for step in steps * _TYPICAL)
    known = model.response
    given = (known.tail_share, known.tail_ev, known.shelf_share, known.escape)
    tail, tail_ev, shelf, escape = (float(value) for value in np.clip(np.add(given, others), _LEAST, _MOST))
    response = replace(
        known,
        noise_fwhm_ev=max(known.noise_fwhm_ev + noise, 0.0),
        tail_share=tail,
        tail_ev=tail_ev,
        shelf_share=shelf,
        escape=escape,
    )
    scale = EnergyScale(model.scale.zero_ev + zero, model.scale.ev_per_bin * (1 + gain))
    return replace(model, scale=scale, response=response, kb_weight=max(model.kb_weight * (1 + kb), 0.0))
