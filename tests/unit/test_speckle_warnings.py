"""What the fields of a speckle scan say against themselves."""

import numpy as np
import pytest

from xsn_acq.live import speckle_warnings
from xsn_acq.live.speckle_warnings import BAD_CHI2, BAD_CHI2_OF_SEVERAL


def numbers(count=20, *, chi2=1.0, strained=0, loose=0):
    one, converged = np.ones(count), np.ones(count)
    one[:strained], converged[:loose] = 0.0, 0.0
    return {"chi2": np.full(count, chi2), "one_material": one, "converged": converged}


def of_fields(known, exposures):
    return speckle_warnings.of_fields(known, exposures, 0.0102)


def test_sound_fields_say_nothing():
    assert of_fields(numbers(), 1) == []
    assert of_fields(numbers(0), 1) == []
    assert of_fields(numbers(strained=1), 1) == []  # one angle of twenty
    free = numbers() | {"one_material": np.full(20, np.nan)}
    assert of_fields(free, 3) == []


def test_more_than_one_angle_in_twenty_is_two_materials():
    (said,) = of_fields(numbers(strained=2), 1)
    assert said.startswith("the sample is not of one material: 10% of the angles contradict")
    assert "or 0.0102 is far from its own" in said
    assert said.endswith("give another, or take three diffuser positions or more and mode free")


@pytest.mark.parametrize(("exposures", "limit"), [(1, BAD_CHI2), (3, BAD_CHI2_OF_SEVERAL)])
def test_images_that_are_explained_badly_are_told(exposures, limit):
    assert of_fields(numbers(chi2=limit - 0.01), exposures) == []
    (said,) = of_fields(numbers(chi2=limit + 0.01), exposures)
    assert said.startswith(f"the images are explained badly: chi-square {limit + 0.01:.2f} of a pixel")


def test_speckle_that_has_moved_is_not_taken_for_two_materials():
    badly, strained = of_fields(numbers(chi2=2.6, strained=20), 1)
    assert "has the speckle moved between references" in badly
    assert strained.startswith("100% of the angles contradict one beta/delta")
    assert "take three diffuser positions" not in strained


def test_angles_that_did_not_converge_are_counted():
    assert of_fields(numbers(loose=3), 1) == ["3 of 20 angles did not converge; see pairs/gradients"]
