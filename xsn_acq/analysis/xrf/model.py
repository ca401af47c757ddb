"""What a spectrum is made of: lines of elements, scattered light, pile-up, background.

The background is a sum of hats (linear splines), fitted with the lines and not below 0, rather than stripped
from each spectrum beforehand (SNIP): stripping takes the lower half of the noise and part of the tails for
background, which in weak spectra costs a line some per cent, and it says nothing of its own error. The hats
end at the energy of the light: above it there are only pairs of events counted as one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.detector import FWHM_PER_SIGMA
from xsn_acq.optics.fluorescence import LOWEST_FITTED_EV, compton_energy_ev, k_lines
from xsn_acq.optics.silicon_drift import Response, fwhm_ev, line_shape

_COMPTON_WIDTH_EV = 150.0
"""What the electrons' momenta add to the width of the Compton line, FWHM."""
_CLEAR_EV = 400.0
"""So far above the elastic line nothing is left of it."""
_PART_OF_SIGMA = 0.4
_SCATTERED = ("elastic", "compton")


@dataclass(frozen=True)
class EnergyScale:
    """Energies of the bins: bin n holds those from ``zero_ev + n ev_per_bin`` to ``ev_per_bin`` more."""

    zero_ev: float
    ev_per_bin: float

    def edges_ev(self, first: int, last: int) -> FloatArray:
        """Energies between which the bins first to last - 1 lie, (last - first + 1,)."""
        return self.zero_ev + self.ev_per_bin * np.arange(first, last + 1)

    def bin_of(self, energy_ev: float) -> int:
        """Bin that holds an energy.

        >>> EnergyScale(0.0, 10.0).bin_of(5899.0)
        589
        """
        return int(np.floor((energy_ev - self.zero_ev) / self.ev_per_bin))


@dataclass(frozen=True)
class SpectrumModel:
    """What is looked for in spectra, and how the detector shows it.

    Parameters
    ----------
    elements : tuple of str
        Whose K lines are fitted; all that may be there, or the others get their counts.
    energy_ev : float
        Of the light.
    scale : EnergyScale
    response : Response
    angle_deg : float
        From the beam to the detector.
    kb_weight : float
        K-beta lines are so many times as strong as the tables say.
    low_ev, high_ev : float
        What is fitted. It should reach to the sum of the strongest lines, where pile-up stands alone.
    hat_ev : float
        From one hat of the background to the next.
    """

    elements: tuple[str, ...]
    energy_ev: float
    scale: EnergyScale
    response: Response
    angle_deg: float = 90.0
    kb_weight: float = 1.0
    low_ev: float = LOWEST_FITTED_EV
    high_ev: float = 17_500.0
    hat_ev: float = 900.0

    def fitted(self, bins: int) -> slice:
        """Bins that are fitted, of a spectrum of so many.

        Raises
        ------
        ReconstructionError
            They are none, an element is named twice, or the light's energy is not among those fitted.
        """
        if not self.low_ev < self.energy_ev < self.high_ev:
            raise ReconstructionError(
                f"spectra: wanted the energy of the light between {self.low_ev:g} and {self.high_ev:g} eV, "
                f"found {self.energy_ev:g} eV; fit another range"
            )
        first = max(self.scale.bin_of(self.low_ev), 0)
        last = min(self.scale.bin_of(self.high_ev), bins)
        if last - first < self.columns:
            raise ReconstructionError(
                f"spectra: wanted {self.columns} or more bins from {self.low_ev:g} to {self.high_ev:g} eV, "
                f"found {max(last - first, 0)}; check the calibration"
            )
        if len(set(self.elements)) < len(self.elements) or not self.elements:
            raise ReconstructionError(f"elements: wanted one or more, each once, found {self.elements}")
        return slice(first, last)

    @property
    def columns(self) -> int:
        """Number of parts without pile-up."""
        return len(self.elements) + len(_SCATTERED) + self._knots_ev().size

    def first_bins(self, bins: int) -> NDArray[np.intp]:
        """First of each group of fitted bins that are added up before a fit, counted from the first fitted.

        A third of a line's standard deviation is wide enough, and above the energy of the light, where only
        pile-up is, one of them: a fourth of the work, with nothing lost.
        """
        fitted = self.fitted(bins)
        above = min(self.scale.bin_of(self.energy_ev + _CLEAR_EV), fitted.stop) - fitted.start
        sigma_ev = fwhm_ev(self.low_ev, self.response.noise_fwhm_ev, self.response.fano) / FWHM_PER_SIGMA
        fine, coarse = (
            max(int(width / self.scale.ev_per_bin), 1) for width in (_PART_OF_SIGMA * sigma_ev, sigma_ev)
        )
        return np.r_[0:above:fine, above : fitted.stop - fitted.start : coarse]

    def shapes(self, bins: int) -> FloatArray:
        """Counts in the fitted bins of each part of area 1, (fitted bins, parts): elements, scatter, hats."""
        fitted = self.fitted(bins)
        return self.shapes_between(self.scale.edges_ev(fitted.start, fitted.stop))

    def shapes_between(self, edges_ev: FloatArray) -> FloatArray:
        """Counts of each part of area 1 in bins between the given energies, (bins, parts)."""
        parts = [self._element(element, edges_ev) for element in self.elements]
        parts.append(line_shape(edges_ev, self.energy_ev, self.response))
        parts.append(self._compton(edges_ev))
        return np.stack([*parts, *self._hats(edges_ev)], axis=1)

    def _element(self, element: str, edges_ev: FloatArray) -> FloatArray:
        lines = k_lines(element)
        weights = [line.share * (self.kb_weight if line.name.startswith("Kb") else 1.0) for line in lines]
        shape = np.zeros(edges_ev.size - 1)
        for line, weight in zip(lines, weights, strict=True):
            shape += weight / sum(weights) * line_shape(edges_ev, line.energy_ev, self.response)
        return shape

    def _compton(self, edges_ev: FloatArray) -> FloatArray:
        noise = float(np.hypot(self.response.noise_fwhm_ev, _COMPTON_WIDTH_EV))
        broad = Response(noise, self.response.fano)
        return line_shape(edges_ev, compton_energy_ev(self.energy_ev, self.angle_deg), broad)

    def _knots_ev(self) -> FloatArray:
        number = max(round((self.energy_ev - self.low_ev) / self.hat_ev), 1)
        return np.linspace(self.low_ev, self.energy_ev, number + 1)

    def _hats(self, edges_ev: FloatArray) -> list[FloatArray]:
        centres, knots = 0.5 * (edges_ev[1:] + edges_ev[:-1]), self._knots_ev()
        hats = [np.interp(centres, knots, row, right=0.0) for row in np.eye(knots.size)]
        return [hat / hat.sum() for hat in hats]
