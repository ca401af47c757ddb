"""What the fields of a speckle scan say against themselves, one line each."""

from collections.abc import Mapping

import numpy as np

from xsn_acq.optics.arrays import FloatArray

STRAINED_SHARE = 0.05
"""With more of its angles strained than this, a sample is not of one material."""
BAD_CHI2, BAD_CHI2_OF_SEVERAL = 1.3, 1.6
"""Of a pixel, median over the angles: sound runs had up to 1.1 with one exposure at an angle, whose field
takes up what the model lacks, and 1.3 with three of one material. Speckle that had moved by a pixel unseen
gave 2.6 and more."""


def of_fields(numbers: Mapping[str, FloatArray], exposures: int, beta_over_delta: float) -> list[str]:
    """Warnings from what is kept of each angle.

    Parameters
    ----------
    numbers : mapping of (n,)
        See `xsn_acq.live.speckle_chunks.NUMBERS`.
    exposures : int
        Of most angles.
    beta_over_delta : float
        That was used.
    """
    count = len(numbers["chi2"])
    if not count:
        return []
    chi2 = float(np.median(numbers["chi2"]))
    badly = chi2 > (BAD_CHI2 if exposures < 2 else BAD_CHI2_OF_SEVERAL)
    strained = float(np.mean(numbers["one_material"] == 0))
    found = []
    if badly:
        found.append(
            f"the images are explained badly: chi-square {chi2:.2f} of a pixel, noise alone has 1; has the "
            "speckle moved between references, is a distance or the energy wrong, or the sample too fine?"
        )
    if strained > STRAINED_SHARE:
        found.append(_of_two_materials(strained, badly, beta_over_delta))
    loose = int(np.sum(numbers["converged"] == 0))
    if loose:
        found.append(f"{loose} of {count} angles did not converge; see pairs/gradients")
    return found


def _of_two_materials(share: float, badly: bool, beta_over_delta: float) -> str:
    """What to think of angles that contradict one material."""
    contradict = f"{share:.0%} of the angles contradict one beta/delta (docs/speckle.md)"
    if badly:
        return (
            f"{contradict}: the sample is not of one material, {beta_over_delta:.4g} is far from its own, or "
            "what explains its images badly does it"
        )
    return (
        f"the sample is not of one material: {contradict}, or {beta_over_delta:.4g} is far from its own; "
        "phase and absorption are wrong: give another, or take three diffuser positions or more and mode free"
    )
