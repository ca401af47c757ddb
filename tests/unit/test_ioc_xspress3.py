"""The simulated Xspress3 without sockets: records, frames and their times, scalers, files, faults."""

import asyncio
from contextlib import suppress

import h5py
import numpy as np
import pytest
from caproto import SkipWrite

from xsn_acq.config.structured import Vortex
from xsn_acq.devices import xspress3 as device
from xsn_acq.sim import spectrometer
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.faults import DropSpectra, Faults, HighRate, LostScalers
from xsn_acq.sim.ioc.frame import SpectrumFrame
from xsn_acq.sim.ioc.scalers import ATTRIBUTES, Scaler
from xsn_acq.sim.ioc.swmr_file import SwmrFile
from xsn_acq.sim.ioc.vortex import SimulatedVortex

BINS = 4096
VORTEX = Vortex(
    bins=BINS,
    ev_per_bin=10.0,
    zero_ev=0.0,
    noise_fwhm_ev=60.0,
    dead_time_s=5e-7,
    most_dead=0.3,
    angle_deg=90.0,
)
WIDTH = 39.0
"""An event costs 0.5 us: 40 ticks of 12.5 ns."""
START = 1.8e9


def scalers(ticks=8e6, events=20_000.0):
    counted = np.zeros(len(Scaler))
    counted[[Scaler.CLOCK_TICKS, Scaler.ALL_EVENTS, Scaler.ALL_GOOD]] = ticks, events, events
    dead = (events * (WIDTH + 1)) / ticks
    counted[Scaler.EVENT_WIDTH :] = WIDTH, 1 / (1 - dead), 100 * dead
    return counted


def test_scalers_have_one_order_in_records_file_device_and_physics():
    names = tuple(scaler.name.lower() for scaler in Scaler)
    assert names == spectrometer.SCALERS == tuple(device.SCALERS)
    assert tuple(device.SCALERS.values()) == ATTRIBUTES


class Bench:
    """A detector whose clock stands still unless it is told; it counts 100 in bin 640."""

    def __init__(self, *faults):
        self.wall = 0.0
        self.clock = SimClock(monotonic=lambda: self.wall, epoch_s=START)
        self.asked, self.frames = [], []
        self.counts = np.zeros((1, BINS), np.uint32)
        self.counts[0, 640] = 100
        self.faults = Faults()
        for fault in faults:
            self.faults.inject(fault)
        self.vortex = SimulatedVortex("V:", VORTEX, self._spectrum, self.clock, self.faults)
        self.det = self.vortex.xspress3
        self.det._plugins = self._push

    async def _push(self, frame):
        self.frames.append(frame)

    async def _spectrum(self, begin_s, end_s, times):
        self.asked.append((begin_s - START, end_s - START))
        self.times = times
        return self.counts, scalers()

    async def start(self, **records):
        for suffix, value in records.items():
            await self.det[suffix].write(value)
        self._tasks = [asyncio.ensure_future(self.det.run())]
        await self.again()

    async def again(self):
        self._tasks.append(asyncio.ensure_future(self._acquire()))
        await self._settle()

    async def _acquire(self):
        with suppress(SkipWrite):
            await self.det["Acquire"].write("Acquire")

    async def to(self, seconds):
        self.wall = seconds
        await self.vortex.advance(self.clock.now())
        await self._settle()

    async def _settle(self):
        for _ in range(60):  # turns of the event loop: more than a frame needs
            await asyncio.sleep(0)

    async def end(self):
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.vortex.close()


def run(bench, work):
    async def whole():
        try:
            await work(bench)
        finally:
            await bench.end()

    asyncio.run(whole())
    return bench


def shown(bench, *suffixes):
    return tuple(bench.det.value(suffix) for suffix in suffixes)


def test_trigger_modes_and_states_are_those_of_the_driver():
    det = Bench().det
    assert det["TriggerMode"].enum_strings == (
        "Software", "Internal", "IDC", "TTL Veto Only", "TTL Both", "LVDS Veto Only", "LVDS Both",
        "Software + Internal",
    )  # fmt: skip
    assert det.value("CTRL_DTC_RBV") == "Enabled"
    for word in ("Disable", "Enable"):  # its readback has words of its own
        asyncio.run(det["CTRL_DTC"].write(word))
        assert det.value("CTRL_DTC_RBV") == f"{word}d"
    with pytest.raises(ValueError, match="NumImages must be 1 to 16384, found 20000"):
        asyncio.run(det["NumImages"].write(20_000))


def test_internal_frames_follow_each_other_and_end():
    async def work(bench):
        await bench.start(TriggerMode="Internal", AcquireTime=0.5, NumImages=3, CTRL_DTC="Disable")
        assert shown(bench, "Acquire_RBV", "DetectorState_RBV") == ("Acquiring", "Acquire")
        await bench.to(1.0)
        assert bench.det.value("FRAME_COUNT_RBV") == 1
        await bench.to(2.0)

    bench = run(Bench(), work)
    begins = 0.5 * np.arange(3) + 1e-6 * np.arange(3)
    # the float64 epoch resolves 0.24 us
    np.testing.assert_allclose(bench.asked, np.stack([begins, begins + 0.5], 1), atol=5e-7)
    assert shown(bench, "FRAME_COUNT_RBV", "Acquire_RBV", "DetectorState_RBV") == (3, "Done", "Idle")
    assert [frame.unique_id for frame in bench.frames] == [1, 2, 3]
    assert bench.frames[0].image.dtype == np.uint32


def test_a_gate_makes_one_frame_of_its_own_length():
    async def work(bench):
        await bench.start(TriggerMode="TTL Veto Only", AcquireTime=9.0, NumImages=2, CTRL_DTC="Disable")
        bench.vortex.gate(START + 1.0, 0.25)
        await bench.to(1.2)
        assert bench.det.value("FRAME_COUNT_RBV") == 0
        await bench.to(1.3)
        bench.vortex.gate(START + 2.0, 0.75)
        await bench.to(3.0)
        bench.vortex.gate(START + 4.0, 0.25)
        await bench.to(5.0)

    bench = run(Bench(), work)
    np.testing.assert_allclose(bench.asked, [(1.0, 1.25), (2.0, 2.75)], atol=5e-7)
    assert shown(bench, "FRAME_COUNT_RBV", "StatusMessage_RBV") == (2, "Completed Acquisition")


def counted(bench):
    """Counts in bin 640, events of this frame and of all frames."""
    channel = bench.det.channel
    events = [channel.value(f"C1SCA:3:{suffix}_RBV") for suffix in ("Value", "ValueSum")]
    return channel.value("MCA1:ArrayData")[640], *events


def test_a_stop_is_told_and_what_was_counted_stays_until_it_is_erased():
    async def work(bench):
        await bench.start(TriggerMode="TTL Veto Only", NumImages=5, CTRL_DTC="Disable")
        bench.vortex.gate(START, 0.1)
        await bench.to(0.2)
        await bench.det["Acquire"].write("Done")
        assert shown(bench, "DetectorState_RBV", "StatusMessage_RBV") == ("Aborted", "Stopped Acquiring")
        assert bench.det.value("FRAME_COUNT_RBV") == 1
        assert counted(bench) == (100, 20_000, 20_000)
        await bench.det["ERASE"].write("Erase")
        assert bench.det.value("FRAME_COUNT_RBV") == 0
        assert counted(bench) == (0, 0, 0)

    run(Bench(), work)


@pytest.mark.parametrize(("erase", "kept"), [("Yes", 0), ("No", 1)])
def test_a_start_erases_if_it_is_told_to(erase, kept):
    async def work(bench):
        records = {"TriggerMode": "TTL Veto Only", "NumImages": 2, "CTRL_DTC": "Disable"}
        await bench.start(**records, EraseOnStart=erase)
        for number in range(2):
            bench.vortex.gate(START + number, 0.1)
            await bench.to(number + 0.5)
        assert counted(bench) == (100, 20_000, 40_000)
        await bench.again()
        assert shown(bench, "Acquire_RBV", "FRAME_COUNT_RBV") == ("Acquiring", 0)
        assert counted(bench) == (100 * kept, 20_000 * kept, 40_000 * kept)
        bench.vortex.gate(START + 3, 0.1)
        await bench.to(3.5)
        assert counted(bench) == (100, 20_000, 20_000 + 40_000 * kept)

    run(Bench(), work)


def test_while_it_acquires_it_is_neither_disconnected_nor_erased():
    async def work(bench):
        await bench.start(TriggerMode="TTL Veto Only", NumImages=2, CTRL_DTC="Disable")
        bench.vortex.gate(START, 0.1)
        await bench.to(0.5)
        for suffix, value in (("DISCONNECT", 1), ("ERASE", "Erase")):
            with suppress(SkipWrite):
                await bench.det[suffix].write(value)
        assert shown(bench, "CONNECTED", "DetectorState_RBV") == ("Connected", "Acquire")
        assert (bench.det.value("FRAME_COUNT_RBV"), *counted(bench)) == (1, 100, 20_000, 20_000)
        bench.vortex.gate(START + 1, 0.1)
        await bench.to(1.5)
        assert shown(bench, "FRAME_COUNT_RBV", "StatusMessage_RBV") == (2, "Completed Acquisition")

    run(Bench(), work)


def test_a_mode_that_is_not_there_and_a_detector_not_connected_are_refused():
    async def work(bench):
        await bench.start(TriggerMode="IDC")
        assert "IDC is not simulated" in bench.det.value("StatusMessage_RBV")
        await bench.det["DISCONNECT"].write(1)
        await bench.det["TriggerMode"].write("Internal")
        await bench._acquire()
        assert bench.det.value("StatusMessage_RBV") == "ERROR: Not Connected"
        assert not bench.det.acquiring

    run(Bench(), work)


def test_plugins_show_scalers_and_regions():
    async def work(bench):
        region = bench.det.channel.region(2)
        for suffix, value in {"Use": "Yes", "MinX": 630, "SizeX": 20, "BgdWidth": 2}.items():
            await region[suffix].write(value)
        await bench.start(TriggerMode="TTL Veto Only", NumImages=1, CTRL_DTC="Disable")
        bench.vortex.gate(START, 0.1)
        await bench.to(0.2)
        channel = bench.det.channel
        assert channel.value("C1SCA:0:Value_RBV") == 8e6
        assert channel.value("C1SCA:3:Value_RBV") == 20_000
        # 20000 events of 40 ticks in 8e6 ticks
        assert channel.value("C1:DeadTime_RBV") == pytest.approx(10.0)
        assert channel.value("C1:DTFactor_RBV") == pytest.approx(1 / 0.9)
        assert (region.value("Total_RBV"), region.value("MaxValue_RBV")) == (100.0, 100.0)
        assert "V:MCA1ROI:48:Total_RBV" in bench.vortex.channels()

    run(Bench(), work)


@pytest.mark.parametrize(("width", "net"), [(0, 180.0), (2, 100.0)])
def test_the_net_counts_of_a_region_are_above_the_mean_of_its_ends(width, net):
    async def work(bench):
        bench.counts[0, 630:640] += 2
        bench.counts[0, 640:650] += 6
        region = bench.det.channel.region(2)
        for suffix, value in {"Use": "Yes", "MinX": 630, "SizeX": 20, "BgdWidth": width}.items():
            await region[suffix].write(value)
        await bench.start(TriggerMode="TTL Veto Only", NumImages=1, CTRL_DTC="Disable")
        bench.vortex.gate(START, 0.1)
        await bench.to(0.2)
        assert (region.value("Total_RBV"), region.value("Net_RBV")) == (180.0, net)
        assert (region.value("MinValue_RBV"), region.value("MeanValue_RBV")) == (2.0, 9.0)

    run(Bench(), work)


def test_correction_in_hardware_makes_other_numbers():
    async def work(bench):
        await bench.start(TriggerMode="TTL Veto Only", NumImages=1)
        bench.vortex.gate(START, 0.1)
        await bench.to(0.2)

    frame = run(Bench(), work).frames[0]
    assert frame.image.dtype == np.float64
    assert frame.image[0, 640] == pytest.approx(100 / 0.9)


def test_faults_lose_spectra_scalers_and_time():
    async def twelve(bench):
        await bench.start(TriggerMode="TTL Veto Only", NumImages=12, CTRL_DTC="Disable")
        for number in range(12):
            bench.vortex.gate(START + number, 0.1)
            await bench.to(number + 0.5)

    bench = run(Bench(DropSpectra(count=2)), twelve)
    assert shown(bench, "FRAME_COUNT_RBV", "Acquire_RBV") == (10, "Acquiring")  # it waits for two more gates
    assert [frame.unique_id for frame in bench.frames] == list(range(1, 11))
    lost = run(Bench(LostScalers()), twelve).frames[0]
    assert set(lost.attributes.values()) == {0.0}
    assert lost.image[0, 640] == 100
    assert run(Bench(HighRate(times=50)), twelve).times == 50
    assert bench.times == 1


def test_the_file_has_spectra_scalers_and_the_stamp_this_driver_sets(tmp_path):
    frames = [
        SpectrumFrame(
            np.full((1, BINS), number, np.uint32),
            number,
            START + number,
            dict(zip(ATTRIBUTES, scalers(events=number), strict=True)),
        )
        for number in (1, 2)
    ]
    file = SwmrFile(tmp_path / "s.h5", frames[0], swmr=True)
    file.append(frames)
    with h5py.File(tmp_path / "s.h5", "r", libver="latest", swmr=True) as seen:
        assert seen["entry/data/data"].shape == (2, 1, BINS)
        assert seen["entry/data/data"].dtype == np.uint32
        attributes = seen["entry/instrument/NDAttributes"]
        assert list(attributes["CHAN1SCA3"]) == [1.0, 2.0]
        assert list(attributes["CHAN1EventWidth"]) == [WIDTH, WIDTH]
        # seconds since 1990
        assert list(attributes["NDArrayTimeStamp"]) == [1_168_848_001.0, 1_168_848_002.0]
        assert list(attributes["NDArrayEpicsTSSec"]) == [0, 0]
    file.close()
