r"""Schlieren image formation in partially coherent light, exact and without a sum over modes.

The image of a thin object t = exp(alpha + i phi) is (Hugonnet et al., Eq. 1)

.. math:: I(r) = \sum_j w_j \, |F^{-1}\{P(u) \, F\{e^{2 \pi i k_j r} t(r)\}\}|^2

with the pupil P, a disc of radius NA/lambda cut by a straight edge at u_x = kc. The edge makes the
transmission cross-coefficient depend on two numbers only, TCC(k1, k2) = min(W(k1), W(k2)), where W(k) =
sum_j w_j [k + k_j passes] is the normalised knife-edge curve W(k) = S(kc - k). With G(y, k) the spectrum
along x inside the disc,

- A = F^-1 of G where W = 1, B = F^-1 of W G where 0 < W < 1 (the edge band),
- C(q) = sum_k G(k + q) conj(W(k) G(k)) over the edge band, q >= 0, C(-q) = conj C(q),

the image is I = |A|^2 + 2 Re(conj(A) B) + F^-1[C], whatever the number of modes: exact for the edge.

The disc is kept centred for all modes, while in truth mode k_j sees it shifted by k_j, which changes what is
scattered to the rim of the pupil (`Schlieren.rim`). Pixels above 1 / (2 (NA/lambda - k_max)), 38 nm for zones
of 30 nm and an illumination of 0.22 NA, show of that rim only the corners of the spectrum. On finer pixels
the rim of a sphere of 4 rad is 1 % of the maximum wrong (0.1 % once the scintillator has blurred it);
``rim_groups`` then gives the true aperture, see `xsn_acq.optics.rim`.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xsn_acq.errors import ConfigError
from xsn_acq.optics.arrays import ComplexArray, FloatArray
from xsn_acq.optics.fourier import Fourier
from xsn_acq.optics.knife_edge import KnifeEdge
from xsn_acq.optics.rim import Rim


@dataclass(frozen=True)
class Schlieren:
    """What forms the image.

    Parameters
    ----------
    shape : (ny, nx)
        Grid of the image, pixels.
    pixel_size_m : float
        Pixel at the sample, metres.
    aperture_per_m : float
        Radius of the pupil, NA / lambda, cycles per metre.
    cutoff_per_m : float
        Position kc of the cutoff edge in the pupil, cycles per metre.
    knife_edge : KnifeEdge
        Measured curve of the illumination.
    passes : "positive" or "negative"
        Frequencies u_x >= kc pass, or u_x <= kc.
    double : bool
        float64 instead of float32.
    rim_groups : int
        0 keeps the pupil's disc where it is for all modes. More shift it, as in truth, with each of so many
        groups of modes; with as many as there are frequency bins in the illumination that is exact.

    Raises
    ------
    ConfigError
        A size is not positive.
    """

    shape: tuple[int, int]
    pixel_size_m: float
    aperture_per_m: float
    cutoff_per_m: float
    knife_edge: KnifeEdge
    passes: Literal["positive", "negative"] = "positive"
    double: bool = False
    rim_groups: int = 0

    def __post_init__(self) -> None:
        sizes = {
            "shape": min(self.shape),
            "pixel_size_m": self.pixel_size_m,
            "aperture_per_m": self.aperture_per_m,
        }
        faults = [f"{name} must be above 0, found {value}" for name, value in sizes.items() if not value > 0]
        if self.passes not in ("positive", "negative"):
            faults.append(f"passes must be 'positive' or 'negative', found {self.passes!r}")
        if self.rim_groups < 0:
            faults.append(f"rim_groups must be 0 or more, found {self.rim_groups}")
        if faults:
            raise ConfigError("schlieren optics", faults)

    def passing(self, frequency_per_m: FloatArray | float) -> FloatArray:
        """W(k): fraction of the light that passes when the object shifts it by ``frequency_per_m``."""
        curve = self.knife_edge(self.cutoff_per_m - np.asarray(frequency_per_m, dtype=float))
        return curve if self.passes == "positive" else 1.0 - curve

    @property
    def background(self) -> float:
        """I_tot = W(0): the intensity without a sample, as a fraction of the light without the cutoff."""
        return float(self.passing(0.0))

    @property
    def frequencies_per_m(self) -> tuple[FloatArray, FloatArray]:
        """Frequency axes (v (ny,), u (nx,)) in FFT order, cycles per metre."""
        ny, nx = self.shape
        return scipy.fft.fftfreq(ny, self.pixel_size_m), scipy.fft.fftfreq(nx, self.pixel_size_m)

    def within(self, radius_per_m: float) -> NDArray[np.bool_]:
        """Which frequencies are not farther than ``radius_per_m`` from 0, (ny, nx) in FFT order."""
        v, u = self.frequencies_per_m
        return np.hypot(v[:, None], u) <= radius_per_m

    @property
    def rim(self) -> float:
        """Half width of the rim of the pupil that some modes see open and others shut, cycles per metre."""
        return max(abs(end) for end in self.knife_edge.support_per_m)

    @property
    def real(self) -> np.dtype:
        """The real type computed with."""
        return np.dtype(np.float64 if self.double else np.float32)

    @property
    def complex(self) -> np.dtype:
        """The complex type computed with."""
        return np.dtype(np.complex128 if self.double else np.complex64)


def mirrored(spectrum: FloatArray) -> FloatArray:
    """Value at -k for each k along the last axis, in FFT order (the Nyquist bin is its own mirror)."""
    return np.roll(spectrum[..., ::-1], 1, axis=-1)


def transfer_functions(optics: Schlieren) -> tuple[ComplexArray, ComplexArray]:
    """Linear response to weak absorption and phase: I = I_tot + F^-1[H_alpha F alpha + H_phi F phi].

    H_alpha(u) = TCC(u, 0) + TCC(-u, 0) and H_phi(u) = i [TCC(u, 0) - TCC(-u, 0)]; the factor before the
    paper's integrals (Eq. 8) is 2, not 4 (it follows from d|E|^2 = 2 Re conj(E) dE and is checked by finite
    differences).

    Returns
    -------
    (H_alpha, H_phi) : complex (ny, nx) in FFT order
    """
    forward = _with_background(optics)
    backward = mirrored(forward)
    alpha = forward + backward
    phi = 1j * (forward - backward)
    return alpha.astype(optics.complex), phi.astype(optics.complex)


def _with_background(optics: Schlieren) -> FloatArray:
    """TCC(u, 0), (ny, nx): light that passes both scattered by u and not scattered."""
    v, u = optics.frequencies_per_m
    if not optics.rim_groups:
        return np.minimum(optics.passing(u), optics.background) * optics.within(optics.aperture_per_m)
    chord = np.sqrt(np.maximum(optics.aperture_per_m**2 - v[:, None] ** 2, 0))
    low, high = np.maximum(-chord - u, -optics.aperture_per_m), np.minimum(chord - u, optics.aperture_per_m)
    edge = np.array([optics.cutoff_per_m - u, np.full_like(u, optics.cutoff_per_m)])
    if optics.passes == "positive":
        low = np.maximum(low, edge.max(axis=0))
    else:
        high = np.minimum(high, edge.min(axis=0))
    return np.maximum(optics.knife_edge(low) - optics.knife_edge(np.maximum(high, low)), 0.0)


class _Edge:
    """The image on one side of the cutoff, from the row spectra G(y, k)."""

    def __init__(
        self, passing: FloatArray, order: NDArray[np.intp], optics: Schlieren, rising: bool, fourier: Fourier
    ) -> None:
        band = order[(passing[order] > 0) & (passing[order] < 1)]
        self._fourier = fourier
        self._size = band.size
        self._band = fourier.indices(band)
        self._weights = fourier.array(passing[band], optics.real)
        self._full = fourier.array((passing >= 1).astype(float), optics.real)
        self._partial = fourier.array(np.where(passing < 1, passing, 0), optics.real)
        self._columns = passing.size
        self._length = scipy.fft.next_fast_len(max(2 * band.size - 1, 1), real=True)
        self._oversampling = 1 if 2 * band.size <= passing.size else 2
        self._rising = rising

    def intensity(self, spectra: Any) -> Any:
        """Image (..., ny, nx) of the row spectra (..., ny, nx)."""
        xp = self._fourier.xp
        whole = self._fourier.ifft(spectra * self._full)
        if not self._size:
            return xp.real(whole) ** 2 + xp.imag(whole) ** 2
        partial = self._fourier.ifft(spectra * self._partial)
        image = self._within_band(xp.take(spectra, self._band, axis=-1))
        for part in (xp.real, xp.imag):  # |A|^2 + 2 Re(conj(A) B) = A (A + 2 B), real and imaginary parts
            image += part(whole) * (part(whole) + 2 * part(partial))
        return image

    def _within_band(self, band: Any) -> Any:
        """F^-1[C]: what the edge band makes with itself, by one zero-padded correlation."""
        xp, fourier = self._fourier.xp, self._fourier
        plain = fourier.fft(band, self._length)
        weighted = fourier.fft(band * self._weights, self._length)
        product = plain * xp.conj(weighted) if self._rising else weighted * xp.conj(plain)
        correlation = fourier.ifft(product)[..., : self._size]
        step = self._oversampling
        image = fourier.irfft(correlation, step * self._columns)[..., ::step]
        return image * (step / self._columns)


class ImageFormation:
    """The image of an object, with all that depends on the optics alone computed once.

    Parameters
    ----------
    optics : Schlieren
    workers : int
        Threads for the FFTs of NumPy arrays.
    xp : module
        Array library of the objects: ``numpy``, or one for GPUs (array API standard).
    device
        Of that library; None: its default.
    """

    def __init__(
        self, optics: Schlieren, *, workers: int = 1, xp: ModuleType = np, device: Any = None
    ) -> None:
        self.optics = optics
        self.fourier = fourier = Fourier(xp, device=device, workers=workers)
        inside = optics.within(optics.aperture_per_m + (optics.rim if optics.rim_groups else 0.0))
        cut = np.flatnonzero(~inside.all(axis=0))
        self._cut = slice(int(cut[0]), int(cut[-1]) + 1) if cut.size else None
        self._inside = fourier.array(inside[:, self._cut].astype(float), optics.real) if cut.size else None
        passing = optics.passing(optics.frequencies_per_m[1])
        rising = optics.passes == "positive"
        order = np.argsort(optics.frequencies_per_m[1])
        self._edge = _Edge(passing, order, optics, rising, fourier)
        self._mirror = _Edge(mirrored(passing), -order[::-1] % order.size, optics, not rising, fourier)
        self._rim = Rim(optics, fourier) if optics.rim_groups else None

    def intensity(self, transmission: Any) -> Any:
        """Image of the transmission t(y, x).

        Parameters
        ----------
        transmission : complex (..., ny, nx)

        Returns
        -------
        real (..., ny, nx), background ``optics.background`` where t = 1
        """
        spectra = self._row_spectra(transmission)
        image = self._edge.intensity(spectra)
        return image if self._rim is None else image + self._rim.intensity(spectra)

    def pair(self, transmission: Any) -> tuple[Any, Any]:
        """Images at 0 and at 180 degrees, the latter flipped back about the centre column.

        Half a turn mirrors the object about the rotation axis; flipped back, the object stands still and the
        filter is mirrored. Both images, (..., ny, nx) each, share the spectra of the object.
        """
        spectra = self._row_spectra(transmission)
        images = self._edge.intensity(spectra), self._mirror.intensity(spectra)
        if self._rim is None:
            return images
        return images[0] + self._rim.intensity(spectra), images[1] + self._rim.intensity(spectra, mirror=True)

    def _row_spectra(self, transmission: Any) -> Any:
        """G(y, k): along x the spectrum, along y the field, limited to the pupil's disc.

        Columns of the spectrum that the disc does not cut need no transform along y.
        """
        field = self.fourier.array(transmission, self.optics.complex)
        if tuple(field.shape[-2:]) != tuple(self.optics.shape):
            raise ValueError(f"transmission: wanted (..., {self.optics.shape}), found {tuple(field.shape)}")
        spectra = self.fourier.fft(field)
        if self._cut is not None:
            columns = self.fourier.fft(spectra[..., self._cut], axis=-2) * self._inside
            spectra[..., self._cut] = self.fourier.ifft(columns, axis=-2)
        return spectra
