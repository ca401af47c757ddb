"""A tomogram at each energy, without hardware: order, to and fro, going on, what fails between two runs."""

from itertools import pairwise

import pytest
from bluesky.utils import RequestAbort
from fake_instrument import ENERGY_EV, UID, Machine, instrument

from xsn_acq.config.energy import energy_of_bragg_ev
from xsn_acq.errors import DeviceError, LedgerError, LimitError
from xsn_acq.params import ChangeEnergy, HyperspectralTomography, Roi
from xsn_acq.params.progress import PartProgress, Progress
from xsn_acq.plans import fly
from xsn_acq.plans.framing import framing
from xsn_acq.plans.hyperspectral import hyperspectral_tomography
from xsn_acq.plans.set_energy import change_energy

ENERGIES_EV = (8313.0, 8317.0, 8321.0)
PARAMS = HyperspectralTomography(
    energies_ev=ENERGIES_EV,
    projections=36,
    exposure_s=1.0,
    darks=2,
    flats=2,
    roi=Roi(min_x=1540, min_y=1552, size_x=128, size_y=96),
)


@pytest.fixture
def devices():
    return instrument()


class EnergyMachine(Machine):
    """Axes arrive where they are sent; the experiment shutter and the feedback follow."""

    def _set(self, msg):
        super()._set(msg)
        obj, target = msg.obj, msg.args[0]
        if hasattr(obj, "word"):
            obj.word = target
        elif hasattr(obj, "gap"):
            obj.gap.value = target
        elif hasattr(obj, "user_readback"):
            obj.user_readback.value = target
        if obj is self.devices.mono.bragg:
            self.devices.mono.energy_ev.value = energy_of_bragg_ev(self.devices.file, target)


def machine(devices, **options):
    frame = framing(devices.file, PARAMS)
    return EnergyMachine(
        devices, period_s=frame.period_s, latency_s=frame.exposure_s + frame.readout_s, **options
    )


def starts(messages):
    return [message.kwargs for message in messages if message.command == "open_run"]


def sets(messages, name):
    return [m.args[0] for m in messages if m.command == "set" and getattr(m.obj, "name", "") == name]


def runs(messages):
    """Messages of each run."""
    opened = [index for index, message in enumerate(messages) if message.command == "open_run"]
    closed = [index for index, message in enumerate(messages) if message.command == "close_run"]
    return [messages[first : last + 1] for first, last in zip(opened, closed, strict=True)]


def test_to_and_fro_through_the_energies(devices, tmp_path):
    scanning = machine(devices)
    messages = scanning.run(hyperspectral_tomography(devices, PARAMS, folder=tmp_path))
    assert [(train.start, train.direction) for train in scanning.trains] == [(0, 1), (360, -1), (0, 1)]
    for before, after in pairwise(runs(messages)):
        # nothing is rewound: a tomogram begins where the last one ended
        assert sets(after, "sample_theta")[0] == pytest.approx(sets(before, "sample_theta")[-1])
    inside = [message for run in runs(messages) for message in run]
    assert not sets(inside, "mono_bragg")
    assert len(sets(messages, "undulator")) >= 4
    assert devices.mono.energy_ev.value == pytest.approx(ENERGY_EV)
    assert devices.shutter.word == "closed"


def test_each_run_says_of_which_scan_it_is(devices, tmp_path):
    told = starts(machine(devices).run(hyperspectral_tomography(devices, PARAMS, folder=tmp_path)))
    assert [start["hyperspectral"]["number"] for start in told] == [0, 1, 2]
    assert len({start["hyperspectral"]["scan"] for start in told}) == 1
    for start, energy in zip(told, ENERGIES_EV, strict=True):
        assert start["plan_name"] == "hyperspectral_tomography"
        assert start["technique"] == "xsn"
        assert start["hyperspectral"]["energies_ev"] == list(ENERGIES_EV)
        assert start["energy_change"]["decided"]["energy_ev"] == energy
        assert start["acquisition"]["energy_ev"] == pytest.approx(energy)
        assert start["params"] == PARAMS.model_dump(mode="json")
    assert [start["tomogram"]["direction"] for start in told] == [1, -1, 1]
    assert [start["acquisition"]["step_deg"] for start in told] == [10, -10, 10]


def test_all_is_refused_before_anything_moves(devices, tmp_path):
    devices.cutoff.z.user_readback.value = 9.0
    far = PARAMS.model_copy(update={"energies_ev": (8313.0, 9600.0), "start_deg": 100.0})
    done = Progress("scan", places={"sample_y": 3.0})
    with pytest.raises(LimitError) as refused:
        next(hyperspectral_tomography(devices, far, folder=tmp_path, done=done))
    for words in ("cutoff_z", "9600 eV", "run-up", "sample_y: wanted 3 um, as the scan began"):
        assert words in str(refused.value)


def test_a_scan_goes_on_with_what_is_missing(devices, tmp_path):
    good, earlier = frozenset(range(20)), "00000000-earlier"
    done = Progress(
        "5ca1ab1e",
        {0: PartProgress(frozenset(range(36)), ("11111111",)), 1: PartProgress(good, (earlier,))},
    )
    scanning = machine(devices)
    told = starts(scanning.run(hyperspectral_tomography(devices, PARAMS, folder=tmp_path, done=done)))
    assert [start["hyperspectral"]["number"] for start in told] == [1, 2]
    assert {start["hyperspectral"]["scan"] for start in told} == {"5ca1ab1e"}
    assert told[0]["hyperspectral"] | {"resumes": [earlier], "taken": [[0, 19]]} == told[0]["hyperspectral"]
    first, second = scanning.trains
    assert (first.start, first.count, first.direction) == (160, 16, -1)
    assert (second.start, second.count) == (0, 36)
    of_first = [row for row in scanning.rows["ledger"][:16] if row["status"] == "ok"]
    assert [row["target"] for row in of_first] == list(range(20, 36))
    assert [row["complete"] for row in scanning.rows["ledger_summary"]] == [1, 1]
    assert "20 projections of an earlier run" in scanning.rows["ledger_summary"][0]["message"]


def played(plan, devices, failures):
    """Messages of a plan at some of which errors are thrown, and the error it ended with.

    ``failures`` are (condition, error), in order.
    """
    scanning, messages, waiting = machine(devices), [], list(failures)
    message = plan.send(None)
    while True:
        messages.append(message)
        try:
            if waiting and waiting[0][0](message):
                message = plan.throw(waiting.pop(0)[1])
                continue
            if message.command in ("set", "prepare", "kickoff", "collect"):
                getattr(scanning, f"_{message.command}")(message)
            message = plan.send(UID if message.command == "open_run" else None)
        except StopIteration:
            raise AssertionError("the error was swallowed") from None
        except Exception as raised:
            return messages, raised


def second_energy(devices):
    """True of the first move of the gap after the first tomogram."""
    closed = []

    def condition(message):
        closed.extend([message] if message.command == "close_run" else [])
        return bool(closed) and message.command == "set" and message.obj is devices.undulator

    return condition


def test_an_energy_change_that_fails_stands_in_the_journal(devices, tmp_path):
    gap = DeviceError("undulator", "move", 7.7, 7.6, "mm", "the motor is dead")
    plan = hyperspectral_tomography(devices, PARAMS, folder=tmp_path)
    messages, raised = played(plan, devices, [(second_energy(devices), gap)])
    _, second = runs(messages)
    assert "energy change to 8317 eV: undulator: move" in str(raised)
    assert second[0].kwargs["hyperspectral"]["number"] == 1
    assert "technique" not in second[0].kwargs
    assert not [message for message in second if message.command == "prepare"]
    closing = second[-1].kwargs
    assert (closing["exit_status"], closing["reason"]) == ("fail", str(raised))
    assert messages[-2] is second[-1]  # the energy is left where the change left it
    assert devices.mono.energy_ev.value == pytest.approx(8313.0)


def test_an_abort_puts_the_energy_back(devices, tmp_path):
    flying = (lambda m: m.command == "kickoff" and m.obj is devices.position_compare, RequestAbort())
    messages, raised = played(hyperspectral_tomography(devices, PARAMS, folder=tmp_path), devices, [flying])
    (run,) = runs(messages)
    assert raised is flying[1]
    assert run[-1].kwargs["exit_status"] == "abort"
    assert devices.mono.energy_ev.value == pytest.approx(ENERGY_EV)


def test_an_abort_between_two_runs_stands_in_the_journal(devices, tmp_path):
    plan = hyperspectral_tomography(devices, PARAMS, folder=tmp_path)
    messages, raised = played(plan, devices, [(second_energy(devices), RequestAbort())])
    assert isinstance(raised, RequestAbort)
    closing = runs(messages)[1][-1].kwargs
    assert closing["exit_status"] == "abort"
    assert closing["reason"] == "broken off: on the way to 8317 eV"
    assert devices.mono.energy_ev.value == pytest.approx(ENERGY_EV)


def test_a_tomogram_that_fails_as_a_whole_ends_the_scan(devices, tmp_path, monkeypatch):
    monkeypatch.setattr(fly, "PATIENCE_S", 0.0)
    monkeypatch.setattr(fly, "PATIENCE_PERIODS", 0)
    blind = machine(devices, lose=lambda train, angles: range(len(angles)))
    with pytest.raises(LedgerError, match=r"8313 eV: most projections failed twice"):
        blind.run(hyperspectral_tomography(devices, PARAMS, folder=tmp_path))
    assert len(blind.trains) == 2
    assert devices.mono.energy_ev.value == pytest.approx(ENERGY_EV)


def test_change_energy_is_a_run_without_frames(devices, tmp_path):
    changing = machine(devices)
    changing.rows["energy_changes"] = []
    messages = changing.run(change_energy(devices, ChangeEnergy(energy_ev=8333.0), folder=tmp_path))
    (start,) = starts(messages)
    assert start["energy_change"]["decided"]["energy_ev"] == 8333.0
    assert devices.mono.energy_ev.value == pytest.approx(8333.0)
    (row,) = changing.rows["energy_changes"]
    assert row["bragg_found_deg"] == pytest.approx(start["energy_change"]["decided"]["bragg_deg"])
    assert not [message for message in messages if message.command in ("prepare", "kickoff")]


def test_change_energy_that_fails_says_so_in_its_run(devices, tmp_path):
    stuck = (lambda m: m.command == "set" and m.obj is devices.mono.bragg, DeviceError("bragg", "move", 1, 0))
    plan = change_energy(devices, ChangeEnergy(energy_ev=8333.0), folder=tmp_path)
    messages, raised = played(plan, devices, [stuck])
    (run,) = runs(messages)
    assert run[-1].kwargs == {"exit_status": "fail", "reason": str(raised)}
    assert "rolled back to 8300.0 eV" in str(raised)


def test_change_energy_is_refused_without_beam(devices, tmp_path):
    devices.ring.current.value = 0.0
    with pytest.raises(LimitError, match="50 mA or more"):
        next(change_energy(devices, ChangeEnergy(energy_ev=8333.0), folder=tmp_path))
