"""What the reference speckle of a scan tells of its light: coherence, contrast, resolution, photons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xsn_acq.analysis.pwf.coherence import coherence_lengths
from xsn_acq.live.speckle_settings import entry, photons_of
from xsn_acq.optics.arrays import FloatArray
from xsn_acq.optics.coherence import CoherenceLengths, pooled_lengths, resolution_m
from xsn_acq.units import UM

LEAST_CONTRAST = 0.05
"""Speckle fainter than this tells little of the phase."""
LEAST_PIXELS = 2.0
"""The finest detail that can be retrieved should have so many pixels."""


@dataclass(frozen=True)
class Light:
    """What the first references tell of light and diffuser.

    Attributes
    ----------
    lengths_m, errors_m : (x, y)
        Coherence lengths at the detector, and their standard errors.
    contrast : float
        Standard deviation over mean of the speckle, without noise.
    resolution_m : float
        Finest detail that can be retrieved, where the sample's transfer is 0.1.
    photons : float
        Of one exposure, per pixel of the flat.
    """

    lengths_m: tuple[float, float]
    errors_m: tuple[float, float]
    contrast: float
    resolution_m: float
    photons: float

    @property
    def lengths(self) -> CoherenceLengths:
        """Coherence lengths."""
        return CoherenceLengths(*self.lengths_m)

    def pooled_lengths(self, pixel_m: float, times: int) -> CoherenceLengths:
        """Coherence lengths of images whose pixels of ``pixel_m`` were pooled so many times."""
        return pooled_lengths(self.lengths, pixel_m, times)

    def warnings(self, pixel_m: float, *, saturated: bool = False) -> list[str]:
        """What is wrong with the light, one line each; ``saturated``: pixels were at full scale."""
        found = []
        if self.contrast < LEAST_CONTRAST:
            advice = "is the diffuser in place? Choose a finer one, or a longer exposure"
            found.append(
                f"speckle contrast: wanted {LEAST_CONTRAST:.0%} or more, found {self.contrast:.1%}; "
                + ("pixels at full scale show none" if saturated else advice)
            )
        if self.resolution_m < LEAST_PIXELS * pixel_m:
            found.append(
                f"resolution: the light resolves {self.resolution_m / UM:.2f} um, less than two pixels of "
                f"{pixel_m / UM:.2f} um; take less binning"
            )
        return found

    def line(self) -> str:
        """All of it, for a person."""
        x, y = (
            f"{length / UM:.2f} +- {error / UM:.2f}"
            for length, error in zip(self.lengths_m, self.errors_m, strict=True)
        )
        return (
            f"coherence lengths {x} um (x), {y} um (y), speckle contrast {self.contrast:.1%}, "
            f"resolution {self.resolution_m / UM:.2f} um"
        )


def light_of(start: Mapping[str, Any], reference: FloatArray, noise: float | None) -> Light:
    """Measure the light from one reference (ny, nx).

    Raises
    ------
    ReconstructionError
        There is no speckle, or too little.
    """
    fit = coherence_lengths(
        reference,
        entry(start, "pixel_size_m"),
        wavelength_m=entry(start, "wavelength_m"),
        distance_m=entry(start, "diffuser_to_scintillator_m"),
        diffuser_beta_over_delta=entry(start, "diffuser_beta_over_delta"),
    )
    lengths = fit.lengths
    return Light(
        (lengths.x_m, lengths.y_m), fit.errors_m, fit.contrast, resolution_m(lengths), photons_of(noise)
    )
