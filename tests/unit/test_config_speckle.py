"""The beamline file of speckle microtomography: what it says, and its own faults."""

from datetime import date

import pytest

from xsn_acq.config import beamline_path, load_microscope
from xsn_acq.config.calibration import PixelSizeCalibration
from xsn_acq.errors import ConfigError

FILE = "pls2-6c"


def test_the_paper_s_geometry():
    """650 nm a pixel and a field of 1.664 x 1.404 mm (paper, Experimental setup)."""
    file = load_microscope(FILE)
    assert file.pixel_size_m(1) == pytest.approx(650e-9, rel=1e-12)  # 6.5 um / 10, rounding only
    assert file.pixel_size_m(4) == pytest.approx(2.6e-6, rel=1e-12)
    field = file.detection.sensor_columns * file.pixel_size_m(1), file.detection.sensor_rows * 650e-9
    assert field == pytest.approx((1.664e-3, 1.404e-3), rel=1e-12)


def test_the_measured_pixel_size_counts():
    file = load_microscope(FILE)
    measured = PixelSizeCalibration(date=date(2026, 11, 20), energy_ev=10000.0, ratio=1.01)
    calibration = file.calibration.model_copy(update={"pixel_size": measured})
    other = file.model_copy(update={"calibration": calibration})
    assert other.pixel_size_m(1) == pytest.approx(1.01 * 650e-9, rel=1e-12)  # exact but for rounding


def test_pitch_and_energy_of_the_multilayer():
    """lambda = 2 d sin(theta): 1.23984 angstrom at 10 keV, 2 d = 50 angstrom: 1.42090 degrees."""
    multilayer = load_microscope(FILE).multilayer
    assert multilayer.pitch_deg(10000.0) == pytest.approx(1.42090, abs=1e-5)  # as many digits as given
    assert multilayer.energy_ev(multilayer.pitch_deg(12345.0)) == pytest.approx(12345.0, rel=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("energy_low_ev = 8000.0", "energy_low_ev = 31000.0", "must be below energy_high_ev 30000.0 eV"),
        ("energy_low_ev = 8000.0", "energy_low_ev = 200.0", "reflects only above 248 eV"),
        ("energy_low_ev = 8000.0", "energy_low_ev = 4000.0", "multilayer_1 at 4000 eV: 3.55"),
        ("x_out_mm = 15.0", "x_out_mm = 25.0", "diffuser.x_out_mm: 25.0 mm is outside -20.0 to 20.0 mm"),
        (
            "sample_out_um = 3000.0",
            "sample_out_um = 1600.0",
            "1600 um must be 1664 um or more",
        ),
        ("column = 1279.5", "column = 2560.0", "calibration.rotation_axis.column: 2560.0 px is outside"),
        ('pv = "6C:DIF:m2"', 'pv = "6C:DIF:m1"', "axes.diffuser_y.pv: 6C:DIF:m1 is the motor of"),
        ("readout_s = 0.010", "readout_s = 0.0", "detection.readout_s: wanted more than 0"),
        ("grain_um = 6.0", 'grain_um = "P3000"', "diffuser.grain_um: wanted a number"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, old, new, words):
    text = beamline_path(FILE).read_text()
    assert text.count(old) == 1
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_microscope(str(path))
    assert any(words in fault for fault in caught.value.faults), caught.value.faults
