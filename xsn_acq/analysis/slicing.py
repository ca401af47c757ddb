"""What turns the fields of all angles into slices, whatever technique they come from."""

from dataclasses import dataclass

import numpy as np

from xsn_acq.analysis.rings import NONE, remove_rings
from xsn_acq.analysis.tomography import FilteredBackProjection, index_per_radian
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
    """

    pixel_size_m: float
    wavelength_m: float
    rings: str = NONE

    @property
    def factor(self) -> np.float32:
        """Of a back-projected phase, to be delta."""
        return np.float32(index_per_radian(self.pixel_size_m, self.wavelength_m))

    def slices(self, fields: ComplexArray, projection: FilteredBackProjection) -> ComplexArray:
        """Slices beta + i delta, complex64 (rows, nz, nx), of fields alpha + i phi (angles, rows, nx)."""
        sinogram = remove_rings(fields, self.rings, pixel_size_m=self.pixel_size_m)
        return np.multiply(projection.slices(sinogram), self.factor, dtype=np.complex64)
