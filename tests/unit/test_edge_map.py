"""Edge energies of images: as those of their pixels one by one, and as noisy as they say."""

import numpy as np
import pytest
from edge_spectra import EDGE_EV, JUMP, LONG_EV, SHORT_EV, Edge, absorbance

from xsn_acq.analysis import edge_map as module
from xsn_acq.analysis.edge_map import edge_map
from xsn_acq.analysis.xanes import edge_energy
from xsn_acq.errors import ReconstructionError

SHAPE = (6, 40)


def middles():
    return 8343.5 + 2 * np.linspace(0, 1, SHAPE[0] * SHAPE[1]).reshape(SHAPE)


def stack_of(energy_ev, noise, *, thickness=1.0, seed=0):
    rng = np.random.default_rng(seed)
    clean = np.stack([absorbance(energy, middles()) for energy in energy_ev])
    return (thickness * clean + noise * rng.standard_normal(clean.shape)).astype(np.float32)


@pytest.mark.parametrize("energy", [SHORT_EV, LONG_EV], ids=["short", "long"])
def test_it_is_the_edge_of_each_pixel(energy, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK", 37)  # chunks that end inside a row
    stack, sigma = stack_of(energy, 2e-3), np.linspace(1.5e-3, 2.5e-3, energy.size)
    found = edge_map(energy, stack, sigma=sigma, edge_ev=EDGE_EV)
    assert found.edge_ev.dtype == np.float32
    for at in [(0, 0), (2, 17), (5, 39)]:
        one = edge_energy(energy, stack[:, *at], sigma=sigma, edge_ev=EDGE_EV)
        assert found.method == one.method
        # 8345 eV in float32 is in steps of 0.001 eV
        assert found.edge_ev[at] == pytest.approx(one.energy_ev, abs=2e-3)
        assert found.sigma_ev[at] == pytest.approx(one.sigma_ev, rel=1e-3)


@pytest.mark.parametrize("noise", [0.01, 0.02])  # 5000 and 2000 photons, flats aside
def test_its_noise_is_what_it_says(noise):
    found = edge_map(SHORT_EV, stack_of(SHORT_EV, noise), sigma=noise, edge_ev=EDGE_EV, pre_slope=False)
    off = found.edge_ev - middles() - Edge().crossing("half_height")
    assert np.isfinite(off).all()
    # 240 pixels know their scatter to 5 %; the worst phase of the steps is off by 0.09 eV
    assert off.std() == pytest.approx(np.sqrt(np.mean(found.sigma_ev**2)), rel=0.15)
    assert abs(off.mean()) < 0.1
    # of the falling pre-edge a constant leaves 0.3 %
    assert found.jump.mean() == pytest.approx(JUMP * Edge().top()[1], rel=0.02)


def test_pixels_with_little_or_nothing_in_them_are_nan():
    thick, thin = stack_of(LONG_EV, 0.01), stack_of(LONG_EV, 0.01, thickness=0.02, seed=1)
    stack = np.concatenate([thick, thin], axis=1)
    stack[3, 0, 5] = np.nan
    found = edge_map(LONG_EV, stack, sigma=0.01, edge_ev=EDGE_EV)
    assert np.isnan(found.edge_ev[SHAPE[0] :]).all()
    assert np.isnan(found.sigma_ev[SHAPE[0] :]).all()
    assert np.isfinite(found.jump[SHAPE[0] :]).all()
    assert [np.isnan(each[0, 5]) for each in (found.edge_ev, found.sigma_ev, found.jump)] == [True] * 3
    assert np.isfinite(found.edge_ev[: SHAPE[0]]).mean() > 0.85  # jumps of 6.8 errors, 5 are asked for


def test_without_sigma_the_pixels_scatter_tells_it():
    stack = stack_of(LONG_EV, 0.005)
    given, told = (edge_map(LONG_EV, stack, sigma=each, edge_ev=EDGE_EV) for each in (0.005, None))
    # 240 pixels with 6 spare points each: 2 %
    np.testing.assert_allclose(told.sigma_ev, given.sigma_ev, rtol=0.08)
    np.testing.assert_array_equal(told.edge_ev, given.edge_ev)


def test_a_stack_that_does_not_fit_its_energies_is_refused():
    with pytest.raises(ReconstructionError, match="an image for each of 11 energies"):
        edge_map(SHORT_EV, np.zeros((10, 4, 4)), edge_ev=EDGE_EV)
