"""What the diffuser does to the wave, from its reference speckle.

Of its own phase: the sandpaper is of one material, so that its transmission follows from one image as a
sample's does, its own blur and free space included. Of zero phase, as in the paper: the root of the deblurred
reference, taken back from the scintillator.
"""

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from xsn_acq.analysis.pwf.deblurring import Deblurring, photon_noise
from xsn_acq.analysis.pwf.fitting import fit
from xsn_acq.analysis.pwf.forward import ImageModel
from xsn_acq.analysis.pwf.objective import Assumption, Objective
from xsn_acq.analysis.pwf.paganin import paganin
from xsn_acq.analysis.pwf.preconditioner import Preconditioner
from xsn_acq.errors import ReconstructionError
from xsn_acq.optics.arrays import FloatArray

DiffuserPhase = Literal["own_phase", "zero_phase"]
_MU = 30.0
"""Weight of the prior: between 10 and 100 the sample's phase does not depend on it; at 1 the grains take up
noise and samples of fine powder come out 5 % too strong."""
_ENOUGH = 0.05
_MOST = 200


def own_phase(model: ImageModel, reference: FloatArray, weight: FloatArray, beta_over_delta: float) -> Any:
    """Transmission, complex (Ny, Nx), of a diffuser of one material.

    Parameters
    ----------
    model : ImageModel
    reference : (ny, nx)
        Over the flat.
    weight : (ny, nx)
        Inverse variance of its root; 0 for a pixel without a value.
    beta_over_delta : float
        Of the diffuser.

    Raises
    ------
    ReconstructionError
        No pixel has a value.
    """
    if not np.any(weight > 0):
        raise ReconstructionError("diffuser: wanted a reference speckle, found no pixel with a value")
    optics = replace(
        model.optics,
        sample_to_diffuser_m=model.optics.diffuser_to_scintillator_m,
        diffuser_to_scintillator_m=0.0,
    )
    alone = model.like(optics)
    one = (model.array(np.ones(model.grid.padded, complex)),)
    objective = Objective(alone, one, Assumption(beta_over_delta, True), _MU)
    data = alone.data(reference[None], weight[None])
    seen = np.where(weight > 0, reference, np.nan)[None]
    start = paganin(optics, model.grid, seen, np.ones_like(seen), beta_over_delta)
    x = alone.array(start[None])
    precondition = Preconditioner(objective, data, objective.wave(x))
    return objective.wave(fit(objective, data, x, precondition, enough=_ENOUGH, most=_MOST).x)


def zero_phase(model: ImageModel, reference: FloatArray, weight: FloatArray) -> Any:
    """Transmission, complex (Ny, Nx), if the deblurred reference had no phase at the scintillator.

    Parameters
    ----------
    model : ImageModel
    reference, weight : (ny, nx)
        See `own_phase`.
    """
    optics, good = model.optics, weight > 0
    deblur = Deblurring(optics.shape, optics.pixel_m, optics.coherence, good=good)
    noise = photon_noise(np.where(good, reference, 1.0), float(2 * np.median(weight[good]) ** -0.5))
    intensity = deblur(np.where(good, reference, 1.0), noise).intensity
    return model.from_scintillator(model.array(model.grid.extend(np.sqrt(intensity)) + 0j))
