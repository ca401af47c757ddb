"""What an XSN reconstruction needs to know beyond the frames, and what follows from it."""

from dataclasses import dataclass
from typing import Literal

from xsn_acq.analysis.deconvolution import Deconvolution
from xsn_acq.analysis.retrieval import XsnRetrieval, tikhonov_weight
from xsn_acq.analysis.rings import NONE
from xsn_acq.analysis.slicing import Slicing
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.schlieren import Schlieren


@dataclass(frozen=True)
class XsnSettings:
    """What a reconstruction needs to know beyond the frames.

    Parameters
    ----------
    wavelength_m, pixel_size_m : float
        Pixel at the sample.
    aperture_per_m : float
        NA / lambda, cycles per metre.
    cutoff_per_m : float
        Edge of the cutoff filter, cycles per metre.
    passes : "positive" or "negative"
        Side of the edge that is open.
    knife_edge : KnifeEdge
    axis_column : float
        Column of the rotation axis in the frames, pixel centres at integers: 0.01 pixel changes beta by 1 %.
    step_deg : float
        Angle between frames; a partner may be off by a quarter of it.
    iterations : int
        See `XsnRetrieval`.
    epsilon : float, optional
        See `XsnRetrieval`; left out, it follows from the noise.
    rings : str
        Ring removal, a method of `xsn_acq.analysis.rings.remove_rings`.
    beta_over_delta : float
        Of the sample, where it is of one material: frames without a partner are then retrieved alone. 0
        leaves them out.
    detector_fwhm_m : float
        Point spread function of the detector at the sample, full width at half maximum; 0 leaves the blur in.
    stray_fraction : float
        Part of the light that passes the cutoff filter wherever it stands, and does not image.
    noise : float
        Of one frame in air, standard deviation over mean: it sets how far blur is taken out.
    air_fraction : float
        Part of each row, at both ends, that sees only air at all angles. It sets phase offsets and follows
        the beam since the flats.
    """

    wavelength_m: float
    pixel_size_m: float
    aperture_per_m: float
    cutoff_per_m: float
    passes: Literal["positive", "negative"]
    knife_edge: KnifeEdge
    axis_column: float
    step_deg: float
    iterations: int = 7
    epsilon: float | None = None
    air_fraction: float = 1 / 32
    rings: str = NONE
    beta_over_delta: float = 0.0
    detector_fwhm_m: float = 0.0
    stray_fraction: float = 0.0
    noise: float = 0.014

    @property
    def slicing(self) -> Slicing:
        """How slices are made of the fields."""
        return Slicing(self.pixel_size_m, self.wavelength_m, self.rings)

    def optics(self, shape: tuple[int, int]) -> Schlieren:
        """Return what forms images of ``shape`` (ny, nx) pixels."""
        return Schlieren(
            shape, self.pixel_size_m, self.aperture_per_m, self.cutoff_per_m, self.knife_edge, self.passes
        )

    def retrieval(self, shape: tuple[int, int], *, workers: int = 1) -> XsnRetrieval:
        """Return what turns images of ``shape`` into fields."""
        optics = self.optics(shape)
        epsilon = tikhonov_weight(self.noise, optics.background) if self.epsilon is None else self.epsilon
        return XsnRetrieval(
            optics,
            iterations=self.iterations,
            epsilon=epsilon,
            air_fraction=self.air_fraction,
            workers=workers,
        )

    def deconvolution(self, shape: tuple[int, int], *, workers: int = 1) -> Deconvolution | None:
        """Return what takes the detector's blur out of images of ``shape``; None where it is to stay."""
        if not self.detector_fwhm_m:
            return None
        return Deconvolution(shape, self.pixel_size_m, self.detector_fwhm_m, self.noise, workers=workers)
