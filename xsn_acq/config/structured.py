"""The beamline file of a microscope with structured illumination and a fluorescence detector."""

from typing import Annotated, Literal

from pydantic import Field

from xsn_acq.config.axes import StructuredAxes
from xsn_acq.config.base import Finite, Frozen, NotNegative, Positive
from xsn_acq.config.microscope import Microscope
from xsn_acq.config.parts import StructuredPrefixes


class Sandpaper(Frozen):
    """A sheet of sandpaper: the mean diameter of its grains. Where it may go is its axes'."""

    grain_um: Positive


class Vortex(Frozen):
    """Silicon drift detector: the scale of its spectra, and how much it bears.

    Bin n of ``bins`` holds energies from ``zero_ev + n ev_per_bin`` on. ``dead_time_s`` is what an event
    costs. With more than ``most_dead`` of the time dead, a spectrum is flagged. ``angle_deg`` to the beam.
    """

    bins: Annotated[int, Field(gt=0, le=16384)]
    ev_per_bin: Positive
    zero_ev: Finite
    noise_fwhm_ev: NotNegative
    dead_time_s: Positive
    most_dead: Annotated[float, Field(gt=0, lt=1)]
    angle_deg: Annotated[float, Field(gt=0, lt=180)]


class StructuredBeamline(Microscope):
    """One beamline for structured-illumination chemical imaging: the whole file.

    Two sheets of sandpaper, a coarse and a fine one, stand before the condenser.
    """

    technique: Literal["nxsci"]
    pvs: StructuredPrefixes
    axes: StructuredAxes
    sandpaper_coarse: Sandpaper
    sandpaper_fine: Sandpaper
    vortex: Vortex
