from dataclasses import replace

import numpy as np
import pytest

from xsn_acq.analysis.calibration.knife_edge import knife_edge_curve
from xsn_acq.config import load_beamline
from xsn_acq.errors import CalibrationError
from xsn_acq.sim import illumination
from xsn_acq.sim.microscope import Microscope
from xsn_acq.sim.nominal import nominal_state
from xsn_acq.sim.phantoms import phantom
from xsn_acq.sim.state import CameraSettings
from xsn_acq.sim.truth import Truth

BEAMLINE = load_beamline("pls2-7c-xni")
STATE = replace(nominal_state(BEAMLINE), shutter_open=True, sample_x_um=60.0)
CAMERA = CameraSettings(1.0, 1604 - 64, 1600 - 32, 128, 64, 2)
CUTOFF_UM = np.linspace(-40.0, 40.0, 61)
FINE = np.linspace(-4.6e6, 4.6e6, 3001)


def microscope_scan(truth, cutoff_um, passes="positive", seed=3, seconds_each=2.5):
    """Counts above dark per mA, all noise and drift of the simulator on, the ring meter good to 0.02 %."""
    geometry = BEAMLINE.geometry.model_copy(update={"cutoff_passes": passes})
    scope = Microscope(BEAMLINE.model_copy(update={"geometry": geometry}), phantom("empty"), truth, seed)
    rng = np.random.default_rng(seed)
    shut = replace(STATE, shutter_open=False)
    dark = np.mean([scope.frame(shut, CAMERA, 1000 + k).mean() for k in range(10)])
    light, error = [], []
    for k, cutoff in enumerate(cutoff_um):
        time_s = 500.0 + k * seconds_each
        current = 400.0 * np.exp(-(time_s % 180.0) / 36000.0)
        state = replace(STATE, cutoff_x_um=cutoff, ring_current_ma=current, time_s=time_s)
        frame = scope.frame(state, CAMERA, k).astype(float) - dark
        light.append(frame.mean() / (current * (1 + 2e-4 * rng.standard_normal())))
        error.append(max(frame.std() / frame.size**0.5, 0.05) / current)
    kappa = np.array([BEAMLINE.cutoff_frequency_per_m(cutoff, 8300.0) for cutoff in cutoff_um])
    return kappa, np.array(light), np.array(error)


def there_and_back(values):
    return np.concatenate([values, values[::-1]])


def true_curve(truth):
    return illumination.knife_edge(BEAMLINE, truth, STATE, 8300.0)


def ideal_scan(curve, noise=0.0, seed=1, low=-4.4e6, high=4.4e6, points=61):
    kappa = there_and_back(np.linspace(low, high, points))
    light = 900.0 * curve(kappa)
    sigma = noise * np.maximum(light, 9.0) + 1e-3
    return kappa, light + sigma * np.random.default_rng(seed).standard_normal(kappa.size), sigma


def errors(result, curve):
    off = result.curve(FINE) - curve(FINE)
    return np.abs(off).max(), np.sqrt(np.mean(off**2))


@pytest.mark.parametrize(
    ("passes", "hidden"),
    [
        ("positive", {}),
        ("negative", {}),
        ("positive", {"condenser_na": 0.16, "illumination_skew": -0.4}),
        ("positive", {"condenser_na": 0.18, "illumination_softness": 0.1, "stray_light": 0.03}),
    ],
)
def test_the_curve_of_the_microscope_comes_back(passes, hidden):
    truth = Truth(**hidden)
    result = knife_edge_curve(*microscope_scan(truth, there_and_back(CUTOFF_UM), passes), passes=passes)
    largest, rms = errors(result, true_curve(truth))
    # the bar is 1 %; 0.03 % of noise in each of 122 frames leaves 0.01 to 0.02 % rms, most at the soft ends
    assert largest < 0.002
    assert rms < 0.0005
    stray = truth.stray_light / (1 + truth.stray_light)
    assert result.stray_fraction == pytest.approx(stray, abs=5e-4)  # read noise of the closed end


def test_a_drift_of_the_light_is_taken_out_by_the_way_back():
    curve = true_curve(Truth())
    kappa, light, sigma = ideal_scan(curve)
    drift = 0.005 * np.linspace(-1, 1, kappa.size)
    result = knife_edge_curve(kappa, light * (1 + drift), sigma, passes="positive")
    assert errors(result, curve)[0] < 0.001  # 0.25 % if it stayed in
    # what is even about the middle of the scan belongs to the curve as well as to the drift
    assert result.drift == pytest.approx(drift, abs=5e-4)


@pytest.mark.parametrize("noise", [3e-4, 3e-3])
def test_the_standard_errors_tell_the_errors(noise):
    curve = true_curve(Truth())
    pulls, edges = [], []
    for seed in range(4):
        result = knife_edge_curve(*ideal_scan(curve, noise, seed), passes="positive")
        flank = (result.curve.transmitted > 0.02) & (result.curve.transmitted < 0.98)
        off = result.curve.transmitted - curve(result.curve.frequency_per_m)
        pulls.append(np.sqrt(np.mean((off[flank] / result.sigma[flank]) ** 2)))
        half = np.interp(-0.5, -curve(FINE), FINE)
        edges.append((result.edge_per_m - half) / result.edge_sigma_per_m)
    # four scans with about ten independent values each
    assert 0.5 < np.mean(pulls) < 1.7
    assert np.abs(edges).max() < 3.5


def test_noise_leaves_no_wiggle():
    curve = true_curve(Truth())
    kappa, light, sigma = ideal_scan(curve, 1e-3)
    result = knife_edge_curve(kappa, light, sigma, passes="positive")
    # the noise of the scan itself is 0.1 % of the light
    assert errors(result, curve)[1] < 0.6e-3
    # between the points' differences the density would scatter by 1e-3 / step = 2 % of its width; its own
    # scale is 1 / (2 half widths)
    inner = np.abs(result.density_frequency_per_m) < 0.85 * 0.22 / 60e-9
    u = result.density_frequency_per_m[inner] / (0.22 / 60e-9)
    true = np.sqrt(1 - u**2) * (1 + 0.25 * u) / (0.22 / 60e-9 * np.pi / 2)
    assert result.density[inner] == pytest.approx(true, rel=0.06)
    assert np.trapezoid(result.density, result.density_frequency_per_m) == pytest.approx(1.0, rel=1e-6)


def test_any_order_gives_the_same_curve():
    curve = true_curve(Truth())
    kappa, light, sigma = ideal_scan(curve, 1e-3)
    order = np.random.default_rng(5).permutation(kappa.size)
    shuffled = knife_edge_curve(kappa[order], light[order], sigma[order], passes="positive")
    assert errors(shuffled, curve)[0] < 0.004  # the drift's cubic sees other noise


def test_frames_that_lie_off_are_left_out():
    curve = true_curve(Truth())
    kappa, light, sigma = ideal_scan(curve, 3e-4)
    light[[20, 100]] *= (0.95, 0.0)
    result = knife_edge_curve(kappa, light, sigma, passes="positive")
    assert np.flatnonzero(~result.used).tolist() == [20, 100]
    assert errors(result, curve)[1] < 0.0004  # as without them; the first alone would cost 0.2 %


def scan_with(**change):
    kappa, light, sigma = ideal_scan(true_curve(Truth()), 3e-4, **change)
    return {"frequency_per_m": kappa, "counts": light, "sigma": sigma, "passes": "positive"}


def wobbling():
    scan = scan_with()
    return scan | {"counts": scan["counts"] + 60 * np.sin(scan["frequency_per_m"] * 4e-6) ** 2}


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        (scan_with(low=-2.5e6), "ends before the filter is open"),
        (scan_with(high=3.3e6), "ends before the filter is closed"),
        (scan_with(points=12), "wanted 15 or more positions of the edge, found 12"),
        (scan_with() | {"passes": "negative"}, "enter from the other side"),
        (scan_with() | {"sigma": np.zeros(122)}, "sigma must be above 0"),
        (scan_with() | {"counts": np.full(122, np.nan)}, "finite"),
        (scan_with() | {"counts": np.ones(5)}, "equal lists"),
        (wobbling(), "does not change steadily"),
        ({**(s := scan_with()), "counts": s["counts"] + 200.0}, "with the filter closed 18.2% of the light"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_scans_that_show_no_curve_are_refused(scan, message):
    with pytest.raises(CalibrationError, match=message):
        knife_edge_curve(**scan)
