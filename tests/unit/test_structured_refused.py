"""What a structured-illumination run is refused for before anything moves, and what it costs."""

import pytest
from small_sweep import MODES, small
from structured_machine import StructuredMachine

from xsn_acq.errors import LimitError
from xsn_acq.params import Roi
from xsn_acq.params.structured import Adaptive, CondenserSetting, Sheets
from xsn_acq.plans.structured_checks import estimate_structured, infeasible_structured
from xsn_acq.plans.structured_illumination import structured_illumination


@pytest.fixture
def machine():
    return StructuredMachine()


def put(name, value):
    """A change of the instrument: ``name`` is the way there, with dots."""
    *way, last = name.split(".")

    def change(devices):
        part = devices
        for each in way:
            part = getattr(part, each)
        setattr(part, last, value)

    return change


def sheets(**places):
    return {"sheets": Sheets(**({"step_mm": 0.004} | places))}


REFUSED = [
    (put("ring.current.value", 50.0), {}, "ring: wanted 100 mA or more, found 50.0 mA"),
    (put("front_end_shutter.word", "closed"), {}, "front_end_shutter: wanted open, found closed"),
    (put("mono.feedback.is_locked", False), {}, "mono feedback: wanted locked"),
    (put("shutter.word", "moving"), {}, "shutter: wanted open or closed, found moving"),
    (put("sample.x.user_readback.value", 99.0), {}, "sample_x: wanted the sample in the beam"),
    (put("mono.energy_ev.value", 12000.0), {}, "energy: wanted 7500.0 to 10500.0 eV"),
    (put("zone_plate.z.user_readback.value", 1.0), {}, "zone_plate_z: wanted"),
    (put("fluorescence_stage.x.user_readback.value", float("nan")), {}, "vortex_x_mm reads nan"),
    (put("condenser.yaw.user_readback.value", float("nan")), {}, "condenser_yaw: nan"),
    (put("camera.cam.is_acquiring", lambda: True), {}, "camera: wanted idle, found acquiring"),
    (put("vortex.cam.is_acquiring", lambda: True), {}, "vortex: wanted idle, found acquiring"),
    (put("position_compare.is_armed", lambda: True), {}, "position_compare: wanted disarmed"),
    (put("sandpaper_fine.x.user_readback.value", 10.1), {}, "sandpaper_fine_x: 10.1 is outside"),
    (put("sandpaper_coarse.y.limit_faults", lambda *places: ["no further"]), {}, "no further"),
    (None, {"roi": Roi(min_x=3150, min_y=0, size_x=64, size_y=64)}, "roi.x: wanted at most 3200 px"),
    (None, {"sample_out_um": 3000.0}, "sample_x: wanted -2000 to 2000 um, found 3000 um"),
    (None, sheets(fine_x_mm=9.996), "sandpaper_fine_x: wanted -10 to 10 mm, found 9.996 to 10.004 mm"),
    (None, sheets(fine_y_mm=-11.0), "sandpaper_fine_y: wanted -10 to 10 mm, found -11 to -10.5 mm"),
    (None, sheets(coarse_x_mm=9.9), "sandpaper_coarse_x: wanted -10 to 10 mm, found 9.9 to 10.06 mm"),
    (None, sheets(coarse_line_mm=10.0, coarse_y_mm=1.0), "sandpaper_coarse_y: wanted -10 to 10 mm"),
    (None, {"settings": (CondenserSetting(x_um=1001.0),)}, "condenser_x: wanted -1000 to 1000 um"),
    (None, {"settings": (CondenserSetting(yaw_urad=-2001.0),)}, "condenser_yaw: wanted -2000 to 2000 urad"),
    (None, {"mode": "fly", "sheets": Sheets()}, "step_mm: wanted a way of at most one grain, 5 um"),
    (None, {"mode": "fly", "exposure_s": 0.0001, **sheets(step_mm=0.01)}, "wanted at most 5 mm/s"),
    (None, {"mode": "fly", **sheets(fine_x_mm=9.985)}, "sandpaper_fine_x: wanted -10 to 10 mm"),
    (None, {"adaptive": Adaptive()}, "adaptive: wanted an assessor"),
    (None, {"elements": ("Ni", "Xx")}, "elements: wanted symbols of elements with K lines, as Ni, found Xx"),
    (None, {"elements": ("Ti",)}, "elements: wanted a K-alpha line above 4600 eV, where the fit begins"),
    # copper's edge is at 8979 eV
    (put("mono.energy_ev.value", 8900.0), {"elements": ("Cu",)}, "wanted a K edge below 8900 eV, found Cu"),
]


@pytest.mark.parametrize(("change", "changes", "fault"), REFUSED, ids=[fault for *_, fault in REFUSED])
def test_refused_with_its_reason_before_anything_moves(machine, tmp_path, change, changes, fault):
    if change is not None:
        change(machine.devices)
    with pytest.raises(LimitError) as caught:
        machine.run(structured_illumination(machine.devices, small(**changes), folder=tmp_path))
    assert any(fault in line for line in caught.value.faults), caught.value.faults
    assert not machine.messages


def test_all_reasons_are_told_at_once(machine, tmp_path):
    put("ring.current.value", 50.0)(machine.devices)
    put("vortex.cam.is_acquiring", lambda: True)(machine.devices)
    blocked = tmp_path / "file"
    blocked.write_text("")
    params = small(**sheets(fine_y_mm=-11.0))
    with pytest.raises(LimitError) as caught:
        machine.run(structured_illumination(machine.devices, params, folder=blocked / "runs"))
    names = [line.partition(":")[0] for line in caught.value.faults]
    assert names == ["vortex", "ring", "sandpaper_fine_y", f"folder {blocked / 'runs'}"]


@MODES
def test_what_the_shipped_beamline_can_take(machine, mode):
    params = small(mode=mode)
    assert infeasible_structured(machine.devices.file, params) == []
    cost = estimate_structured(machine.devices.file, params)
    assert cost.frames == params.frames == 15
    # 15 frames of 32 x 32 x 2 bytes, 7 spectra of 4096 x 4 bytes and 11 scalers of 8
    assert cost.disk_bytes == 15 * 2048 + 7 * (4096 * 4 + 88)
    assert cost.duration_s > 15 * 0.1
    assert 0.5 * cost.duration_s > cost.open_shutter_s > 7 * 0.1


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ("Xx", "found Xx"),
        ("ni", "found ni"),
        ("Ti", "found Ti, 4512"),
        ("Ge", "below 10500 eV, found Ge, 11103 eV"),
        ("Zn", None),
    ],
)
def test_elements_are_looked_at_before_anything_is_connected(machine, element, fault):
    """Light goes to 10500 eV here; zinc's edge is at 9659 eV."""
    found = infeasible_structured(machine.devices.file, small(elements=("Mn", element)))
    assert len(found) == (fault is not None)
    assert all(fault in line for line in found)


def test_a_library_costs_no_dose(machine):
    cost = estimate_structured(machine.devices.file, small(passes="out"))
    assert cost.open_shutter_s == 0.0
    assert "sample out" in cost.summary()
