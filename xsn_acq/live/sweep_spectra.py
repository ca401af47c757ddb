"""Which lines are looked for in the spectra of a sweep, and how all of its spectra fit together."""

from collections.abc import Mapping
from typing import Any

from xsn_acq.analysis.xrf.areas import Limits
from xsn_acq.analysis.xrf.model import EnergyScale, SpectrumModel
from xsn_acq.analysis.xrf.poisson import poisson_fit
from xsn_acq.analysis.xrf.refining import with_pile_up
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.edges import edge_energy_ev
from xsn_acq.optics.silicon_drift import Response

ALWAYS = ("Mn", "Fe", "Co", "Ni", "Cu")
"""Elements of cathodes and of what stands around: fitted where light excites them, mapped where asked for."""
_TAIL, _SHELF = 0.01, 0.003
"""Shares of a line's counts from which their refining starts: usual ones of silicon drift detectors."""


def limits_of(acquisition: Mapping[str, Any]) -> Limits:
    """What is known of the detector, from ``acquisition`` of a start document."""
    vortex = acquisition["vortex"]
    return Limits(vortex["dead_time_s"], most_dead=vortex["most_dead"])


def model_of(acquisition: Mapping[str, Any]) -> SpectrumModel:
    """The model from which the refining starts, from ``acquisition`` of a start document."""
    vortex, energy_ev = acquisition["vortex"], float(acquisition["energy_ev"])
    others = [name for name in ALWAYS if edge_energy_ev(name, "K") < energy_ev]
    return SpectrumModel(
        tuple(dict.fromkeys([*acquisition["elements"], *others])),
        energy_ev,
        EnergyScale(vortex["zero_ev"], vortex["ev_per_bin"]),
        Response(vortex["noise_fwhm_ev"], tail_share=_TAIL, shelf_share=_SHELF),
        angle_deg=vortex["angle_deg"],
    )


def fit_of_sum(model: SpectrumModel, total: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sum of spectra (bins,), what is fitted to it, energies of the bins in keV; (fitted bins,) each."""
    bins = model.fitted(total.size)
    shapes = with_pile_up(model, total)
    fit = poisson_fit(total[None, bins], shapes)
    edges = model.scale.edges_ev(bins.start, bins.stop)
    return total[bins], shapes @ fit.counts[0], 0.5 * (edges[1:] + edges[:-1]) / 1000
