"""The paper's plain descent: it goes downhill, stops by its rule, and one shot does not hold its phase."""

import numpy as np
import pytest
from speckle_scenes import GLASS, PHOTONS, SAND, scene

from xsn_acq.analysis.pwf.descent import STILL, PlainDescent
from xsn_acq.analysis.pwf.retrieval import Retrieval
from xsn_acq.analysis.pwf.settings import PwfSettings
from xsn_acq.errors import ReconstructionError


@pytest.fixture(scope="module")
def ours():
    one, sand = scene("beads"), SAND.beta / SAND.delta
    return Retrieval(
        PwfSettings(
            one.optics,
            GLASS.beta / GLASS.delta,
            PHOTONS,
            reference_frames=20,
            mu=10.0,
            diffuser_beta_over_delta=sand,
        ),
        one.references,
    )


def descend(ours, most, **changed):
    given = {"mu_alpha": 1.0, "mu_phi": 1.0, **changed}
    descent = PlainDescent(ours.model, ours.diffusers, **given)
    phi = ours.guess(scene("beads").projections)[-1]
    return descent.retrieve(ours.data(scene("beads").projections), 0 * phi, 0 * phi, most=most)


def test_it_goes_downhill(ours):
    found = descend(ours, 40, still=1.0)
    assert len(found.values) == 40
    assert not found.converged
    wave = np.exp(np.asarray(found.alpha) + 1j * found.phi)
    loss, _ = ours.model.loss(wave, ours.diffusers, ours.data(scene("beads").projections))
    assert loss < min(found.values) < 0.1 * found.values[0]  # the prior is the rest
    empty = ours.model.array(np.ones(ours.model.grid.padded, complex))
    data = ours.data(scene("beads").projections)
    assert found.values[0] == pytest.approx(
        ours.model.loss(empty, ours.diffusers, data)[0]
    )  # no prior on nothing


def test_it_stops_when_the_field_is_still(ours):
    found = descend(ours, 200)
    assert found.converged
    assert len(found.values) < 200
    assert pytest.approx(0.99997697) == STILL
    assert scene("beads").slope(found.phi[ours.model.grid.window])[0] < 0.9  # it had stopped far too soon


def test_a_retrieval_says_what_it_has_prepared(ours):
    objective, precondition = ours.prepared
    assert objective.mu == 10.0
    assert 0 < precondition.degrees_of_freedom < 96 * 96
    undecided = ours.like(PwfSettings(scene().optics, 0.01, PHOTONS))
    with pytest.raises(ReconstructionError, match="give mu, or retrieve a projection"):
        _ = undecided.prepared
