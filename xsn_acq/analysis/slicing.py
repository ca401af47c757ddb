"""What turns the fields of all angles into slices, whatever technique they come from."""

from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.background import find_air, quadratic_background
from xsn_acq.analysis.rings import NONE, remove_rings
from xsn_acq.analysis.tomography import FilteredBackProjection, index_per_radian
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import ComplexArray


@dataclass(frozen=True)
class Slicing:
    """How slices are made of sinograms.

    Parameters
    ----------
    pixel_size_m, wavelength_m : float
        Pixel at the sample; with the wavelength it turns phase into delta, absorption into beta.
    rings : str
        Ring removal, a method of `xsn_acq.analysis.rings.remove_rings`.
    background : bool
        Whether a quadratic fitted to the air of each slice is subtracted: what retrieves phase from its slope
        hardly sees its slowest part.
    """

    pixel_size_m: float
    wavelength_m: float
    rings: str = NONE
    background: bool = False

    @property
    def factor(self) -> np.float32:
        """Of a back-projected phase, to be delta."""
        return np.float32(index_per_radian(self.pixel_size_m, self.wavelength_m))

    def slices(self, fields: ComplexArray, projection: FilteredBackProjection) -> tuple[ComplexArray, int]:
        """Slices of fields alpha + i phi (angles, rows, nx).

        Returns
        -------
        complex64 (rows, nz, nx)
            beta + i delta.
        int
            How many of them keep their background, for want of air.
        """
        sinogram = remove_rings(fields, self.rings, pixel_size_m=self.pixel_size_m)
        slices = np.multiply(projection.slices(sinogram), self.factor, dtype=np.complex64)
        kept = sum(not _take_background(part) for part in slices) if self.background else 0
        return slices, kept


def _take_background(part: ComplexArray) -> bool:
    """Subtract the slow background of a slice beta + i delta (nz, nx) in place; delta tells what is air.

    False where there is too little air: the slice stays as it is.
    """
    try:
        air = find_air(part.imag)
        slow = quadratic_background(part.real, air), quadratic_background(part.imag, air)
    except ReconstructionError:
        return False
    part.real -= slow[0]
    part.imag -= slow[1]
    return True
