"""The simulated pco.edge: its region about the middle rows, its exposures, its triggers."""

import asyncio

import numpy as np
import pytest

from xsn_acq.config import load_microscope
from xsn_acq.errors import ConfigError
from xsn_acq.sim.ioc.beamline import SimulatedBeamline, technique
from xsn_acq.sim.ioc.pco_region import PcoRegion
from xsn_acq.sim.ioc.table import Records
from xsn_acq.sim.speckle_truth import SpeckleTruth
from xsn_acq.sim.structured_truth import StructuredTruth

BEAMLINE = load_microscope("pls2-6c")
CAM = "6C:PCO:cam1:"


def region_of(*puts):
    """Records and region after these puts."""
    records = Records("", lambda: 0.0, "adpco")
    region = PcoRegion(records, BEAMLINE.detection)

    async def put():
        for suffix, value in puts:
            await records[suffix].write(value)

    asyncio.run(put())
    return records, region


def corners(settings):
    return settings.min_x, settings.min_y, settings.size_x, settings.size_y, settings.binning


def test_the_whole_sensor_at_first():
    records, region = region_of()
    assert corners(region.settings(0.1)) == (0, 0, 2560, 2160, 1)
    assert (records.value("SizeX_RBV"), records.value("MaxSizeY_RBV")) == (2560, 2160)


def test_rows_lie_about_the_middle_and_columns_go_by_four():
    records, region = region_of(("SizeX", 130), ("MinX", 1218), ("SizeY", 100))
    assert corners(region.settings(0.1)) == (1216, 1030, 128, 100, 1)
    assert [records.value(f"{name}_RBV") for name in ("MinX", "MinY", "SizeX", "SizeY")] == [
        1216,
        1030,
        128,
        100,
    ]
    assert records.value("ArraySize_RBV") == 2 * 128 * 100
    assert region.rows_read == 100
    _, region = region_of(("SizeY", 100), ("MinY", 500))
    assert corners(region.settings(0.1))[1::2] == (500, 1160)


def test_a_region_is_in_binned_pixels():
    _, region = region_of(("BinX", 2), ("BinY", 2), ("SizeX", 64), ("MinX", 608), ("SizeY", 32))
    assert corners(region.settings(0.1)) == (1216, 1048, 128, 64, 2)
    _, region = region_of(("BinX", 3), ("BinY", 9))
    with pytest.raises(ValueError, match="BinX 2 and BinY 4 must be equal"):
        region.settings(0.1)


@pytest.mark.parametrize(
    ("put", "found"),
    [
        (("SizeX", 9999), (0, 0, 2560, 2160)),
        (("SizeX", 1), (0, 0, 64, 2160)),
        (("SizeY", 1), (0, 1072, 2560, 16)),
        (("MinX", 9999), (2496, 0, 64, 2160)),
        (("MinY", -5), (0, 0, 2560, 2160)),
    ],
)
def test_what_cannot_be_becomes_what_can(put, found):
    assert corners(region_of(put)[1].settings(0.1))[:4] == found


def simulated(check):
    """Run ``check(simulated beamline)`` 100 times as fast as real time, a small region on."""

    async def run():
        sim = SimulatedBeamline(
            BEAMLINE, speed=100.0, seed=0, sample="few_spheres scale=0.3", truth=SpeckleTruth()
        )
        for suffix, value in (("SizeX", 64), ("MinX", 1248), ("SizeY", 64)):
            await sim.channels[CAM + suffix].write(value)
        sim.world.shutter_open.set(True, sim.clock.now())
        running = asyncio.create_task(sim.run())
        try:
            return await asyncio.wait_for(check(sim), 20.0)
        finally:
            running.cancel()
            sim.close()

    return asyncio.run(run())


def test_frames_run_free_and_are_stamped_twice():
    frames = []

    async def check(sim):
        sim.camera._plugins = keep
        for suffix, value in (("AcquireTime", 0.1), ("ImageMode", "Multiple"), ("NumImages", 3)):
            await sim.channels[CAM + suffix].write(value)
        assert sim.camera.value("FramePeriod_RBV") == pytest.approx(0.1 + 0.01 * 64 / 2160)
        await sim.channels[f"{CAM}Acquire"].write(1)
        assert sim.camera.value("NumImagesCounter_RBV") == 3
        assert (sim.camera.value("DetectorState_RBV"), sim.camera.value("StatusMessage_RBV")) == (
            "Idle",
            "Idle",
        )
        assert sim.camera.value("DataType_RBV") == "UInt16"

    async def keep(frame):
        frames.append(frame)

    simulated(check)
    assert [frame.image.shape for frame in frames] == [(64, 64)] * 3
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx(0.1 + 0.01 * 64 / 2160, abs=1e-6)
    # both stamps count from 1990
    assert frames[0].time_stamp == pytest.approx(frames[0].epics_stamp[0], abs=1.0)
    assert frames[0].image.mean() > 10_000


@pytest.mark.parametrize(
    ("mode", "by_pulse", "by_software"),
    [("Ext + Soft", True, True), ("Ext Only", True, False), ("Soft", False, True)],
)
def test_what_begins_an_exposure(mode, by_pulse, by_software):
    async def check(sim):
        camera = sim.camera
        for suffix, value in (("AcquireTime", 1e-3), ("ImageMode", "Multiple"), ("NumImages", 9)):
            await sim.channels[CAM + suffix].write(value)
        await sim.channels[f"{CAM}TriggerMode"].write(mode)
        acquiring = asyncio.create_task(sim.channels[f"{CAM}Acquire"].write(1))
        while not camera.acquiring:
            await asyncio.sleep(0.001)
        camera.trigger(sim.clock.now(), 0.01)
        pulsed = await counted(camera)
        await sim.channels[f"{CAM}TriggerSoftware"].write(1)
        both = await counted(camera)
        await sim.channels[f"{CAM}Acquire"].write(0)
        await acquiring
        return pulsed, both

    async def counted(camera):
        await asyncio.sleep(0.15)  # 15 simulated seconds for a frame of a millisecond
        return camera.value("NumImagesCounter_RBV")

    assert simulated(check) == (by_pulse, by_pulse + by_software)


def test_exposures_are_those_that_the_camera_makes():
    async def check(sim):
        made = []
        for wanted in (0.1, 0.0123456789, 1e-5, 9.0):
            await sim.channels[f"{CAM}AcquireTime"].write(wanted)
            made.append(sim.camera.value("AcquireTime_RBV"))
        return made

    assert simulated(check) == pytest.approx([0.1, 0.012345, 5e-4, 2.0])


def test_another_techniques_truth_and_an_unknown_sample_are_refused():
    with pytest.raises(TypeError, match="StructuredTruth is another technique's"):
        technique(BEAMLINE, StructuredTruth(), 0)
    with pytest.raises(ValueError, match="sample 'microparticles' is unknown; choose from glass_spheres"):
        SimulatedBeamline(BEAMLINE, speed=1.0, seed=0, sample="microparticles", truth=SpeckleTruth())
    sim = SimulatedBeamline(BEAMLINE, speed=1.0, seed=0, sample="cumin", truth=SpeckleTruth())
    with pytest.raises(ConfigError, match="no axis 'bragg'"):
        sim.control.check("motor_dead axis=bragg")
    sim.close()
