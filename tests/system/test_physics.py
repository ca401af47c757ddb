"""Images obey physics, through the plan layer: what a plan forgets to set, the images show."""

from types import SimpleNamespace

import h5py
import pytest
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp

from tests.system.running import DONE_S, engine, put_right
from xsn_acq.analysis.frc import fourier_ring_correlation
from xsn_acq.devices.camera_setup import CameraSetup
from xsn_acq.plans.stills import take_frames

pytestmark = pytest.mark.system

ROI = (1476, 1472, 256, 256)
"""128 x 128 binned pixels: most of the sample."""
FRAMES = 2
OUT_UM = 60.0


@pytest.fixture(scope="module")
def images(devices, tmp_path_factory):
    """``images(*moves)``: two frames after moves of (device, target), undone later; with the shutter open."""
    RE, documents = engine()
    put_right(RE, devices)
    folder = tmp_path_factory.mktemp("frames")

    @bpp.run_decorator(md={"plan_name": "stills"})
    def stills(moves, setup):
        for device, target in moves:
            yield from bps.abs_set(device, target, wait=True)
        yield from take_frames(devices.camera, setup)

    def position(device):
        if hasattr(device, "state"):
            return device.state()
        return device.gap.get() if hasattr(device, "gap") else device.position

    def take(*moves):
        moves = (
            moves
            if any(device is devices.shutter for device, _ in moves)
            else (
                (devices.shutter, "open"),
                *moves,
            )
        )
        before = [(device, position(device)) for device, _ in moves]
        name = f"still{len(documents.all)}"
        setup = CameraSetup(
            stream="stills",
            folder=folder,
            filename=name,
            frames=FRAMES,
            exposure_s=2.0,
            trigger="internal",
            binning=2,
            roi=ROI,
        )
        try:
            RE(stills(moves, setup))
        finally:
            for device, target in before:
                device.set(target).wait(DONE_S)
        with h5py.File(setup.path, "r") as file:
            return file["/entry/data/data"][()].astype(float)

    return take


@pytest.fixture(scope="module")
def aligned(images, devices):
    """Dark, flat and image of the aligned microscope."""
    dark = images((devices.shutter, "closed"))
    flat = images((devices.sample.x, OUT_UM))
    return SimpleNamespace(dark=dark, flat=flat, image=images())


def normalised(image, aligned):
    dark = aligned.dark.mean(0)
    return (image - dark) / (aligned.flat.mean(0) - dark)


def coarse(image):
    """4 x 4 pixels pooled, against photon noise."""
    return image.reshape(*image.shape[:-2], 32, 4, 32, 4).mean(axis=(-1, -3))


def test_shutter_shut_gives_a_dark(aligned):
    assert aligned.dark.mean() == pytest.approx(100.0, abs=1.0)  # the camera's pedestal in ADU
    assert aligned.dark.std() < 5.0  # read noise of a few ADU, no structure
    assert aligned.flat.mean() > 1000.0


def test_sample_out_gives_a_flat(aligned):
    """Nothing but photon noise is left of a flat divided by another; the sample shows far above it."""
    noise = coarse(aligned.flat[0] - aligned.flat[1]) / (aligned.flat.mean(0) - aligned.dark.mean(0)).mean()
    assert noise.std() < 0.01
    assert coarse(normalised(aligned.image, aligned)).std() > 3 * noise.std()


def test_wrong_zone_plate_z_blurs(images, devices, aligned):
    """Four depths of focus (24 um each) off, fine detail is another; twenty off, it is gone."""

    def own_flat(frames):  # no flat is shared, so that its noise does not correlate
        dark = aligned.dark.mean(0)
        return (frames - dark) / (aligned.flat - dark)

    def fine(first, second):  # rings from a quarter to half of Nyquist
        correlation = fourier_ring_correlation(first, second, 1.0).correlation
        return correlation[len(correlation) // 4 : len(correlation) // 2].mean()

    stage = devices.zone_plate.z
    sharp = own_flat(aligned.image)
    near = own_flat(images((stage, stage.position + 0.1)))
    far = own_flat(images((stage, stage.position + 0.5)))
    # about 0.55, 0 and 0; a correlation of pure noise scatters by 0.05 over these rings
    assert fine(*sharp) > 0.4
    assert fine(sharp[0], near[1]) < fine(*sharp) - 0.25
    assert fine(*far) < 0.2


def test_cutoff_out_kills_the_phase_contrast(images, devices, aligned):
    """With all of the pupil open a thin phase object in focus is nearly invisible."""
    open_pupil = (devices.cutoff.x, -300.0)
    image, flat = images(open_pupil), images(open_pupil, (devices.sample.x, OUT_UM))
    dark = aligned.dark.mean(0)
    assert (flat - dark).mean() > 1.5 * (aligned.flat - dark).mean()  # about half the light was cut
    weak = coarse((image - dark) / (flat.mean(0) - dark)).std()
    assert weak < 0.5 * coarse(normalised(aligned.image, aligned)).std()


def test_wrong_gap_loses_flux(images, devices, aligned):
    gap = devices.undulator
    detuned = images((gap, gap.gap.get() + 0.5), (devices.sample.x, OUT_UM))
    dark = aligned.dark.mean()
    assert detuned.mean() - dark < 0.5 * (aligned.flat.mean() - dark)
