"""The motor records and small instruments of the simulated beamline, from outside."""

import math
import threading

import pytest

pytestmark = pytest.mark.system

X = "7C:SAM:m1"
STEP_UM = 0.001


@pytest.fixture
def motor(ca, no_faults):
    """Sample x at rest at 0 with its usual speed."""
    ca.put(f"{X}.SPMG", "Go")
    ca.put(f"{X}.STOP", 1)
    ca.put(f"{X}.LLM", -2000.0)
    ca.put(f"{X}.HLM", 2000.0)
    ca.put(f"{X}.VELO", 100.0)
    ca.put(X, 0.0)
    return ca


def test_put_with_callback_ends_at_the_target(motor):
    motor.put(X, 12.5)
    assert motor.get(f"{X}.RBV") == pytest.approx(12.5, abs=STEP_UM)
    assert (motor.get(f"{X}.DMOV"), motor.get(f"{X}.MOVN")) == (1, 0)


def test_fields_come_from_the_beamline_file(ca):
    assert ca.get(f"{X}.EGU") == "um"
    assert ca.get(f"{X}.RTYP") == "motor"
    assert ca.get(f"{X}.VMAX") == 200.0
    assert ca.get(f"{X}.PREC") == 3
    assert ca.get(f"{X}.SPMG") == "Go"
    # fields that caproto's own motor record lacks
    for field in ("ACCS", "ACCU", "RHLM", "RLLM", "RSTM"):
        ca.get(f"{X}.{field}")


def test_a_target_beyond_the_soft_limit_does_not_move(motor):
    motor.put(f"{X}.HLM", 10.0)
    motor.put(X, 20.0)
    assert motor.get(f"{X}.LVIO") == 1
    assert motor.get(X) == motor.get(f"{X}.RBV") == 0.0


def test_stop_makes_the_target_where_it_stands(motor):
    motor.put(X, 1900.0, wait=False)
    motor.until(f"{X}.RBV", lambda x: x > 10.0)
    motor.put(f"{X}.STOP", 1)
    assert motor.get(f"{X}.DMOV") == 1
    assert 10.0 < motor.get(X) == motor.get(f"{X}.RBV") < 1900.0


def test_a_new_target_while_moving_is_reached(motor):
    motor.put(X, 1900.0, wait=False)
    motor.until(f"{X}.RBV", lambda x: x > 10.0)
    motor.put(X, -5.0)
    assert motor.get(f"{X}.RBV") == pytest.approx(-5.0, abs=STEP_UM)


def test_velocity_is_kept_to_vmax(motor):
    motor.put(f"{X}.VELO", 1e6)
    assert motor.get(f"{X}.VELO") == 200.0


def test_pause_and_go(motor):
    motor.put(X, 1900.0, wait=False)
    motor.until(f"{X}.RBV", lambda x: x > 10.0)
    motor.put(f"{X}.SPMG", "Pause")
    assert motor.get(f"{X}.DMOV") == 0
    assert motor.get(f"{X}.MOVN") == 0
    motor.put(f"{X}.SPMG", "Go")
    motor.until(f"{X}.DMOV", 1)
    assert motor.get(f"{X}.RBV") == pytest.approx(1900.0, abs=STEP_UM)


def test_with_backlash_the_last_stretch_comes_from_one_side(motor):
    motor.put(f"{X}.BDST", 50.0)
    motor.put(X, -100.0)
    assert motor.get(f"{X}.RBV") == pytest.approx(-100.0, abs=STEP_UM)
    motor.put(f"{X}.BDST", 0.0)


def test_a_hard_limit_stops_it(motor):
    motor.put(f"{X}.DHLM", 0.0)
    motor.put(f"{X}.DLLM", 0.0)  # equal dial limits: no soft limits
    motor.put(X, 1e5)
    assert motor.get(f"{X}.HLS") == 1
    assert int(motor.get(f"{X}.MSTA")) & 0x4
    assert motor.get(f"{X}.RBV") == pytest.approx(2080.0)  # 2 % of the range beyond 2000 um


def test_jog_runs_until_released(motor):
    motor.put(f"{X}.JOGF", 1)
    motor.until(f"{X}.RBV", lambda x: x > 1.0)
    motor.put(f"{X}.JOGF", 0)
    assert motor.get(f"{X}.DMOV") == 1


def test_a_dead_motor_never_says_done(motor, ioc):
    ioc.fault("motor_dead axis=sample_x")
    motor.put(X, 5.0, wait=False)
    motor.until(f"{X}.DMOV", 0)
    threading.Event().wait(0.5)  # ten simulated seconds; the move would take 0.3
    assert motor.get(f"{X}.DMOV") == 0
    assert motor.get(f"{X}.RBV") == 0.0
    motor.put(f"{X}.STOP", 1)
    assert motor.get(f"{X}.DMOV") == 1


def test_a_motor_that_stops_short_says_done(motor, ioc):
    ioc.fault("motor_stops_short axis=sample_x by=2.0")
    motor.put(X, 50.0)
    assert motor.get(f"{X}.DMOV") == 1
    assert motor.get(f"{X}.RBV") == pytest.approx(48.0, abs=STEP_UM)


def test_nan_hides_a_value_until_cleared(motor, ioc):
    ioc.fault("nan pv=SR:Current")
    assert math.isnan(motor.get("SR:Current"))
    ioc.clear_faults()
    motor.until("SR:Current", lambda found: 390 < found <= 400)


def test_beam_dump(ca, ioc, no_faults):
    ioc.fault("beam_dump")
    ca.until("SR:Current", 0.0)
    ca.until("7C:DCM:FB:Locked", "No")
    ioc.clear_faults()
    ca.until("SR:Current", lambda found: found > 390)
    ca.until("7C:DCM:FB:Locked", "Yes")


@pytest.mark.parametrize("prefix", ["7C:SHT:", "7C:FES:"])
def test_shutters(ca, prefix):
    for command, status in (("Close", "Closed"), ("Open", "Open")):
        ca.put(f"{prefix}Cmd", command)
        assert ca.get(f"{prefix}Sts") == status


def test_undulator_moves_on_start_only(ca, no_faults):
    prefix = "7C:ID:"
    before = ca.get(f"{prefix}GapM")
    ca.put(f"{prefix}GapSetC", before + 0.1)
    assert ca.get(f"{prefix}GapM") == before
    ca.put(f"{prefix}StartC", "Start")
    assert ca.get(f"{prefix}GapM") == pytest.approx(before + 0.1, abs=1e-4)
    assert ca.get(f"{prefix}BusyM") == "Done"
    ca.put(f"{prefix}DeadbandGapC", 1.0)
    ca.put(f"{prefix}GapSetC", before)
    ca.put(f"{prefix}StartC", "Start")
    assert ca.get(f"{prefix}GapM") == pytest.approx(before + 0.1, abs=1e-4)  # within the dead band
    ca.put(f"{prefix}DeadbandGapC", 0.0)
    ca.put(f"{prefix}StartC", "Start")
    assert ca.get(f"{prefix}GapM") == pytest.approx(before, abs=1e-4)


def test_a_limit_switch_stops_the_zone_plate(ca, ioc, no_faults):
    z = "7C:ZP:m3"
    before = ca.get(f"{z}.RBV")
    ioc.fault(f"hard_limit axis=zone_plate_z at={before + 0.05:.5f}")
    ca.put(z, before + 0.2)
    assert (ca.get(f"{z}.HLS"), ca.get(f"{z}.DMOV")) == (1, 1)
    assert ca.get(f"{z}.RBV") == pytest.approx(before + 0.05, abs=2e-5)  # steps of 1e-5 mm
    ca.put(z, before)
    assert (ca.get(f"{z}.HLS"), ca.get(f"{z}.RBV")) == (0, pytest.approx(before, abs=1e-5))


def test_the_beam_monitor_counts_for_the_preset_time(ca):
    prefix = "7C:I0:"
    ca.put("7C:FES:Cmd", "Open")
    ca.put(f"{prefix}Preset", 2.0)
    ca.put(f"{prefix}Count", "Count")
    assert ca.get(f"{prefix}Count") == "Done"
    # 1e6 a second when all is aligned; other tests may have left the gap a little off
    assert 0.5e6 < ca.get(f"{prefix}Counts") < 2.1e6
    ca.put("7C:FES:Cmd", "Close")
    ca.put(f"{prefix}Count", 1)
    assert ca.get(f"{prefix}Counts") == 0
    ca.put("7C:FES:Cmd", "Open")
    ca.put(f"{prefix}Preset", 0.1)


def test_feedback_that_never_locks(ca, ioc, no_faults):
    ioc.fault("feedback_no_lock")
    ca.until("7C:DCM:FB:Locked", "No")
    ioc.clear_faults()
    ca.until("7C:DCM:FB:Locked", "Yes")


def test_diffuser_spins_up_and_down(ca):
    for command, running in (("Stop", "No"), ("Run", "Yes")):
        ca.put("7C:DIF:ROT:Run", command)
        assert ca.get("7C:DIF:ROT:Running") == running
