r"""Fluorescence of a thin sample under a pattern of light, as a detector at its side sees it.

What arrives at the detector of an element e, counts a second, is the sum over pixels p of light times yield:

.. math:: Y_e(p) = m_e(p) \sigma_e(E) A_{in}(p) A_{out}(p) \frac{\Omega}{4 \pi} T_e \epsilon_e

with the areal density m, the production sigma, what the way in and the way out (sideways, towards larger x)
leave, the solid angle Omega, and the detector's window, air and thickness. Scattered light is alike. The
yields are maps, made once for a sample; a pattern then costs one product of them with the light.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xsn_acq.config.structured import Vortex
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.fluorescence import (
    AIR,
    AIR_G_CM3,
    compton_energy_ev,
    k_production_cm2_g,
    scattering_cm2_g,
    transmission,
)
from xsn_acq.optics.silicon_drift import Response, stopped_share
from xsn_acq.sim.absorption import Absorption
from xsn_acq.sim.fluorescence_shapes import (
    GROUPS,
    bin_edges_ev,
    continuum,
    element_shape,
    group_share,
    mean_energy_ev,
    scatter_shape,
)

ELASTIC, COMPTON, CONTINUUM = "elastic", "compton", "continuum"
_BERYLLIUM_G_CM3 = 1.85
_TYPICAL_EV = 7000.0
_SOFTEST_EV = 1200.0


@dataclass(frozen=True)
class FluorescenceTruth:
    """What the detector and its surroundings hide.

    Parameters
    ----------
    distance_mm, area_mm2 : float
        Of the detector from the sample, when it is all the way in, and its collimated area.
    beryllium_um, silicon_um : float
        Its window and its crystal.
    collimator_mm : float
        The way through air begins so far from the sample.
    polarisation : float
        Part of the light that is polarised towards the detector, and so not scattered to it.
    stray : mapping of element to float
        Counts for each photon on the sample from what stands around: the holder, the air.
    stray_elastic : float
        The same, of elastic scatter.
    continuum : float
        Counts of the continuous background for each photon on the sample.
    response : Response
    gain_error, zero_ev : float
        Energies are read larger by this fraction and by so much.
    """

    distance_mm: float = 20.0
    area_mm2: float = 50.0
    beryllium_um: float = 12.5
    silicon_um: float = 1000.0
    collimator_mm: float = 5.0
    polarisation: float = 0.95
    stray: Mapping[str, float] = field(
        default_factory=lambda: {"Cu": 4e-8, "Fe": 1.5e-8, "Ar": 4e-8}, hash=False
    )
    stray_elastic: float = 3e-7
    continuum: float = 1.5e-7
    response: Response = field(
        default=Response(63.0, tail_share=0.012, tail_ev=170.0, shelf_share=0.004, escape=1.1)
    )
    gain_error: float = 4e-4
    zero_ev: float = 3.0

    def seen_share(self, energy_ev: float, retracted_mm: float = 0.0) -> float:
        """Return the part of light sent evenly into all directions that the detector counts."""
        distance_mm = self.distance_mm + max(retracted_mm, 0.0)
        air_g_cm2 = (distance_mm - self.collimator_mm) / 10 * AIR_G_CM3
        window_g_cm2 = self.beryllium_um * 1e-4 * _BERYLLIUM_G_CM3
        passed = transmission(AIR, air_g_cm2, energy_ev) * transmission({"Be": 1}, window_g_cm2, energy_ev)
        stopped = stopped_share(energy_ev, self.silicon_um)
        return float(self.area_mm2 / (4 * np.pi * distance_mm**2) * passed * stopped)

    def retracted_share(self, retracted_mm: float) -> float:
        """Return what is left of the counts when the detector stands further away than its nearest place."""
        return self.seen_share(_TYPICAL_EV, retracted_mm) / self.seen_share(_TYPICAL_EV)


@dataclass(frozen=True, eq=False)
class Sample:
    """What the sample is made of.

    Parameters
    ----------
    densities_g_cm2 : mapping of element to (ny, nx)
        Mass of each element, also of those that send nothing, along the beam.
    density_g_cm3 : float
        Of the solid: with it the mass along the beam tells how thick the sample is.
    pixel_size_m : float
    """

    densities_g_cm2: Mapping[str, FloatArray]
    density_g_cm3: float
    pixel_size_m: float


@dataclass(frozen=True, eq=False)
class Fluorescence:
    """What a sample sends to the detector, for each photon on each pixel.

    Attributes
    ----------
    names : tuple of str
        Elements, then ``elastic``, ``compton``, ``continuum``: one source each.
    yields : float32 (sources, ny, nx)
        Counts for each photon.
    everywhere : float64 (sources,)
        Counts for each photon, wherever it falls: the surroundings.
    shapes : float64 (sources, bins)
        Counts in each bin of a source of one count.
    """

    names: tuple[str, ...]
    yields: NDArray[np.float32]
    everywhere: NDArray[np.float64]
    shapes: NDArray[np.float64]

    def arriving(self, light: FloatArray, beam: float | None = None) -> NDArray[np.float64]:
        """Return counts a second of each source, (sources,).

        Parameters
        ----------
        light : (ny, nx)
            Photons/s in each pixel of the sample.
        beam : float, optional
            Photons/s that the surroundings meet; by default those on the sample.
        """
        flat = np.ascontiguousarray(light, np.float32).ravel()
        sums = self.yields.reshape(len(self.names), -1) @ flat
        met = float(flat.sum(dtype=np.float64)) if beam is None else beam
        return sums.astype(np.float64) + self.everywhere * met

    def spectrum(self, light: FloatArray, beam: float | None = None) -> NDArray[np.float64]:
        """Return counts a second in each bin, (bins,), of a detector without dead time or pile-up."""
        return np.asarray(self.arriving(light, beam) @ self.shapes)


def fluorescence(sample: Sample, energy_ev: float, vortex: Vortex, truth: FluorescenceTruth) -> Fluorescence:
    """Return what a sample sends under light of an energy: the slow part, once for a sample and an energy.

    Parameters
    ----------
    sample : Sample
    energy_ev : float
    vortex : Vortex
        The beamline file's detector: bins and angle.
    truth : FluorescenceTruth
    """
    masses = sample.densities_g_cm2
    excited = [name for name in {**masses, **truth.stray} if _is_seen(name, energy_ev)]
    scattered_ev = {ELASTIC: energy_ev, COMPTON: compton_energy_ev(energy_ev, vortex.angle_deg)}
    sent_ev = [*(mean_energy_ev(name, group) for name in excited for group in GROUPS), *scattered_ev.values()]
    absorption = Absorption(masses, sample.density_g_cm3, sample.pixel_size_m, energy_ev)
    seen = absorption.leaving(sent_ev)
    seen *= absorption.entering * np.array([truth.seen_share(sent) for sent in sent_ev])[:, None, None]
    edges = bin_edges_ev(vortex, truth.gain_error, truth.zero_ev)
    sources = [
        _element(name, masses.get(name), energy_ev, seen[2 * i : 2 * i + 2], edges, truth)
        for i, name in enumerate(excited)
    ]
    for (kind, sent), left in zip(scattered_ev.items(), seen[2 * len(excited) :], strict=True):
        shape = scatter_shape(edges, sent, truth.response, compton=kind == COMPTON)
        sources.append((_scattered(masses, energy_ev, kind, truth) * left, shape))
    sources.append((np.zeros(seen.shape[1:]), continuum(edges, energy_ev)))
    around = [*(truth.stray.get(name, 0.0) for name in excited), truth.stray_elastic, 0.0, truth.continuum]
    return Fluorescence(
        (*excited, *scattered_ev, CONTINUUM),
        np.array([made for made, _ in sources], np.float32),
        np.array(around),
        np.array([shape for _, shape in sources]),
    )


def _is_seen(name: str, energy_ev: float) -> bool:
    """Whether an element sends lines that pass the detector's window."""
    return k_production_cm2_g(name, energy_ev) > 0 and mean_energy_ev(name, GROUPS[0]) > _SOFTEST_EV


def _element(
    name: str,
    mass: FloatArray | None,
    energy_ev: float,
    seen: FloatArray,
    edges: FloatArray,
    truth: FluorescenceTruth,
) -> tuple[FloatArray, FloatArray]:
    """Yield (ny, nx) and shape (bins,) of an element: the mean over the sample where it is in it.

    ``seen`` (2, ny, nx) is what the detector sees of K-alpha and of K-beta light made in a pixel.
    """
    shares = np.array([group_share(name, group) for group in GROUPS])
    if mass is None or not np.any(mass):
        return np.zeros(seen.shape[1:]), element_shape(edges, name, shares, truth.response)
    made = mass * k_production_cm2_g(name, energy_ev)
    weights = shares * np.tensordot(seen, made, axes=2)
    return made * np.tensordot(shares, seen, axes=1), element_shape(edges, name, weights, truth.response)


def _scattered(
    masses: Mapping[str, FloatArray], energy_ev: float, kind: str, truth: FluorescenceTruth
) -> FloatArray:
    """Photons scattered for each that comes, (ny, nx), as if sent evenly into all directions.

    At 90 degrees unpolarised light has 3/4 of the mean over directions; what is polarised towards the
    detector is not sent there.
    """
    which = 0 if kind == ELASTIC else 1
    total = sum(mass * scattering_cm2_g(name, energy_ev)[which] for name, mass in masses.items())
    return np.asarray(total) * 0.75 * (1 - truth.polarisation)
