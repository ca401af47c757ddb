"""What the retrieval of a speckle scan must know, taken from its start document and its references."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from xsn_acq.analysis.pwf.diffuser import DiffuserPhase
from xsn_acq.analysis.pwf.forward import SpeckleOptics
from xsn_acq.analysis.pwf.settings import Mode, PwfSettings
from xsn_acq.analysis.rings import NONE, known_method
from xsn_acq.analysis.slicing import Slicing
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.coherence import CoherenceLengths

USUAL_PHOTONS = 20_000.0
"""Of a pixel, where a single flat does not tell the noise."""
UNKNOWN_RATIO = 0.003
"""beta / delta of light matter at 10 keV: where a search for it begins."""


@dataclass(frozen=True)
class SpeckleChoices:
    """What a person may want otherwise than the scan says.

    Parameters
    ----------
    mode : "single_material" or "free", optional
    beta_over_delta : float
        Of a sample of one material; 0: as the scan says, or fitted.
    diffuser_phase : "own_phase" or "zero_phase"
    mu : float, optional
        Weight of the prior; chosen from held-out pixels when left out.
    axis_column : float, optional
        Of the rotation axis in the frames; left out: found from two projections half a turn apart, where
        there are any, else as the scan says.
    rings : str
        Ring removal, a method of `xsn_acq.analysis.rings.remove_rings`.
    background : bool
        Whether a quadratic fitted to the air of each slice is subtracted.
    """

    mode: Mode | None = None
    beta_over_delta: float = 0.0
    diffuser_phase: DiffuserPhase = "own_phase"
    mu: float | None = None
    axis_column: float | None = None
    rings: str = NONE
    background: bool = True


def entry(start: Mapping[str, Any], name: str) -> float:
    """Return a number of a start document's ``acquisition``.

    Raises
    ------
    ReconstructionError
        It is missing, or no number above 0.
    """
    uid = str(start.get("uid", "?"))[:8]
    try:
        value = float(start["acquisition"][name])
    except KeyError as error:
        raise ReconstructionError(f"run {uid}: start document: acquisition: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise ReconstructionError(f"run {uid}: start document: acquisition: {name}: {error}") from error
    if not 0 < value < math.inf:
        raise ReconstructionError(
            f"run {uid}: start document: acquisition: {name}: wanted above 0, found {value}"
        )
    return value


def speckle_optics(
    start: Mapping[str, Any], lengths: CoherenceLengths, shape: tuple[int, int], binned: int = 1
) -> SpeckleOptics:
    """What forms the images; ``binned``: of frames of ``shape`` whose pixels were pooled so many times."""
    return SpeckleOptics(
        shape=shape,
        pixel_m=binned * entry(start, "pixel_size_m"),
        wavelength_m=entry(start, "wavelength_m"),
        sample_to_diffuser_m=entry(start, "sample_to_diffuser_m"),
        diffuser_to_scintillator_m=entry(start, "diffuser_to_scintillator_m"),
        coherence=lengths,
    )


def mode_of(start: Mapping[str, Any], choices: SpeckleChoices) -> Mode:
    """How absorption and phase are tied: as chosen, else as the scan was taken."""
    found: Mode = choices.mode or start["acquisition"].get("mode", "single_material")
    return found


def ratio_of(start: Mapping[str, Any], choices: SpeckleChoices) -> float | None:
    """Beta / delta as chosen, else as the scan says; None where it is to be fitted."""
    known = choices.beta_over_delta or start["acquisition"].get("beta_over_delta")
    return float(known) if known else None


def slicing_of(start: Mapping[str, Any], choices: SpeckleChoices) -> Slicing:
    """How slices are made of the fields."""
    return Slicing(
        entry(start, "pixel_size_m"),
        entry(start, "wavelength_m"),
        known_method(choices.rings),
        background=choices.background,
    )


def photons_of(noise: float | None) -> float:
    """Photons of a pixel in a flat, from the noise of one frame in air.

    >>> photons_of(0.01)
    10000.0
    """
    return USUAL_PHOTONS if noise is None or not noise > 0 else float(np.round(noise**-2, 3))


def plain_settings(settings: PwfSettings) -> dict[str, Any]:
    """Return the settings as plain values, for files and other processes."""
    return asdict(settings)


def settings_from(plain: Mapping[str, Any]) -> PwfSettings:
    """Make the settings of what `plain_settings` returned, in this process or another."""
    optics = dict(plain["optics"])
    optics["shape"] = tuple(optics["shape"])
    optics["coherence"] = CoherenceLengths(**optics["coherence"])
    return PwfSettings(**{**plain, "optics": SpeckleOptics(**optics)})
