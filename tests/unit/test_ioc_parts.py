"""Tables, faults and files of the simulated IOC, without sockets."""

import asyncio

import h5py
import numpy as np
import pytest

from xsn_acq.config import load_beamline
from xsn_acq.errors import ConfigError
from xsn_acq.sim.clock import SimClock
from xsn_acq.sim.ioc.camera import readout_s
from xsn_acq.sim.ioc.faults import KINDS, DropFrames, Faults, MotorStopsShort, parse_fault
from xsn_acq.sim.ioc.frame import Frame, epics_time
from xsn_acq.sim.ioc.hdf5_plugin import UNPRIMED, Hdf5Plugin
from xsn_acq.sim.ioc.motor_fields import MotorFields
from xsn_acq.sim.ioc.readout import Readout
from xsn_acq.sim.ioc.swmr_file import SwmrFile
from xsn_acq.sim.ioc.table import Records, read_table

BEAMLINE = load_beamline("pls2-7c-xni")


def now():
    return 1.8e9


def frame(number, value=7):
    return Frame(np.full((3, 4), value, np.uint16), number, 1.8e9 + number)


@pytest.mark.parametrize(
    ("table", "count"),
    [
        ("adkinetix", 174),
        ("ndfilehdf5", 336),
        ("motor_fields", 127),
        ("xspress3", 212),  # 197 of the template, two of them the writer's, and 17 of the channel
    ],
)
def test_tables_hold_every_record_of_the_templates(table, count):
    # counts from the running IOCs that the tables were read from
    assert len(read_table(table)) == count


@pytest.mark.parametrize("table", ["adkinetix", "ndfilehdf5", "xspress3", "xspress3_channel", "xspress3_roi"])
def test_every_table_row_becomes_a_record(table):
    records = Records("P:", now, table)
    assert set(records.channels()) == {f"P:{row['suffix']}" for row in read_table(table)}


@pytest.mark.parametrize(
    ("suffix", "states"),
    [
        ("TriggerMode", ("Internal", "Rising Edge", "Exp. Gate")),
        ("ReadoutPortIdx", ("1", "2", "3", "4")),
        ("MinExpRes", ("s", "ms", "us")),
        ("ImageMode", ("Single", "Multiple", "Continuous")),
        ("Acquire_RBV", ("Done", "Acquiring")),
    ],
)
def test_enumerations_are_those_of_the_driver(suffix, states):
    assert Records("", now, "adkinetix")[suffix].enum_strings == states


def test_a_put_shows_in_the_readback():
    records = Records("", now, "adkinetix")
    asyncio.run(records["AcquireTime"].write(0.25))
    assert records.value("AcquireTime_RBV") == 0.25


def test_our_own_post_does_not_call_the_hook():
    records = Records("", now, "adkinetix")
    asyncio.run(records["AcquireTime"].post(0.25))
    assert records.value("AcquireTime_RBV") == 0.0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no fault ''"),
        ("melt", "no fault 'melt'"),
        ("motor_dead", "axis= is missing"),
        ("drop_frames count=many", "is not int"),
        ("drop_frames colour=red", "no key 'colour'"),
        ("motor_stops_short axis=x by=nan", "must be finite"),
        ("hard_limit axis=zone_plate_z", "at= is missing"),
    ],
)
def test_wrong_faults_say_what_is_wrong(text, problem):
    with pytest.raises(ConfigError, match=problem):
        parse_fault(text)


def test_every_fault_says_what_it_does():
    assert all(kind.__doc__ for kind in KINDS.values())
    assert parse_fault("motor_stops_short axis=bragg by=0.5") == MotorStopsShort("bragg", 0.5)


def test_a_fault_that_is_taken_happens_once():
    faults = Faults()
    faults.inject(DropFrames())
    assert faults.take(DropFrames) == [DropFrames()]
    assert faults.take(DropFrames) == []


def test_file_has_the_layout_of_area_detector(tmp_path):
    path = tmp_path / "f.h5"
    file = SwmrFile(path, frame(1), swmr=True)
    assert file.append([frame(1), frame(2)]) == 2
    with h5py.File(path, "r", libver="latest", swmr=True) as seen:
        assert seen["entry/data/data"].shape == (2, 3, 4)
        assert seen["entry/data/data"].chunks == (1, 3, 4)
        attributes = seen["entry/instrument/NDAttributes"]
        assert list(attributes["NDArrayEpicsTSSec"]) == [1_168_848_001, 1_168_848_002]
        assert file.append([frame(3)]) == 3
        seen["entry/data/data"].refresh()
        assert seen["entry/data/data"].shape == (3, 3, 4)
    file.close()


def test_file_is_never_overwritten(tmp_path):
    path = tmp_path / "f.h5"
    SwmrFile(path, frame(1), swmr=True).close()
    with pytest.raises(OSError, match="exists"):
        SwmrFile(path, frame(1), swmr=True)


def test_capture_needs_a_first_array_unless_lazy(tmp_path):
    async def check():
        plugin = Hdf5Plugin("HDF1:", SimClock(), Faults())
        await plugin["FilePath"].write(str(tmp_path))
        await plugin["FileWriteMode"].write("Stream")
        await plugin["Capture"].write("Capture")
        found = plugin.value("WriteStatus"), plugin.value("WriteMessage"), plugin.value("Capture_RBV")
        plugin.close()
        return found

    assert asyncio.run(check()) == ("Write error", UNPRIMED, "Done")


def test_epics_time_counts_from_1990():
    assert epics_time(631_152_000.5) == (0, 500_000_000)


def test_exposure_is_cut_to_whole_units():
    records = Records("", now, "adkinetix")
    readout = Readout(records, BEAMLINE.detection)
    records["AcquireTime"].preset(0.0125)
    assert readout.exposure_s() == 0.012
    records["MinExpRes"].preset("us")
    assert readout.exposure_s() == 0.0125


def test_readout_time_follows_rows_and_port():
    records = Records("", now, "adkinetix")
    readout = Readout(records, BEAMLINE.detection)
    assert readout_s(BEAMLINE.detection, readout.settings()) == 0.0114
    records["MinY"].preset(1600)
    assert readout_s(BEAMLINE.detection, readout.settings()) == pytest.approx(0.0057)


def test_user_and_dial_coordinates():
    fields = MotorFields(BEAMLINE.axes.sample_x, 5.0, now)
    fields["OFF"].preset(100.0)
    fields["DIR"].preset("Neg")
    assert fields.user(5.0) == 95.0
    assert fields.dial(95.0) == 5.0
    assert fields.violates_limits(2001.0)
    assert not fields.violates_limits(-2000.0)
