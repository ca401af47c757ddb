"""A session: RunEngine, devices, journal and publisher, built in one place.

The command line, IPython and a queue server all open the same session.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bluesky import RunEngine
from bluesky import plan_stubs as bps
from bluesky.preprocessors import plan_mutator
from bluesky.utils import Msg, RunEngineInterrupted, TransitionError
from event_model import DocumentNames, schema_validators

from xsn_acq import beamline
from xsn_acq.config import Beamline
from xsn_acq.errors import ConfigError, LimitError
from xsn_acq.params.base import Params
from xsn_acq.params.progress import Progress
from xsn_acq.storage.feed import Publisher
from xsn_acq.storage.journal import Journal, list_runs
from xsn_acq.storage.layout import DataFolder

logger = logging.getLogger(__name__)

Plan = Generator[Msg, Any, Any]
_BREAKING_OFF = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class PlanEntry:
    """Where a plan is found: its parameters, what it costs, what forbids it, itself, as ``module:name``.

    ``reconstructs``: its runs can be worked on while they go on. ``resumes``: it can go on with what
    earlier runs have.
    """

    parameters: str
    estimate: str
    infeasible: str
    plan: str
    reconstructs: bool = False
    resumes: bool = False


def _calibration(name: str, parameters: str) -> PlanEntry:
    return PlanEntry(
        parameters=f"xsn_acq.params.calibration:{parameters}",
        estimate="xsn_acq.plans.stills_checks:estimate_stills",
        infeasible="xsn_acq.plans.stills_checks:infeasible_stills",
        plan=f"xsn_acq.plans.calibrations:{name}",
    )


PLANS: Mapping[str, PlanEntry] = {
    "xsn_tomography": PlanEntry(
        parameters="xsn_acq.params.tomography:XsnTomography",
        estimate="xsn_acq.plans.estimate:estimate",
        infeasible="xsn_acq.plans.feasible:infeasible",
        plan="xsn_acq.plans.xsn_tomography:xsn_tomography",
        reconstructs=True,
    ),
    "hyperspectral_tomography": PlanEntry(
        parameters="xsn_acq.params.energy:HyperspectralTomography",
        estimate="xsn_acq.plans.hyperspectral_checks:estimate_hyperspectral",
        infeasible="xsn_acq.plans.hyperspectral_checks:infeasible_hyperspectral",
        plan="xsn_acq.plans.hyperspectral:hyperspectral_tomography",
        reconstructs=True,
        resumes=True,
    ),
    "change_energy": PlanEntry(
        parameters="xsn_acq.params.energy:ChangeEnergy",
        estimate="xsn_acq.plans.set_energy:estimate_energy",
        infeasible="xsn_acq.plans.set_energy:infeasible_energy",
        plan="xsn_acq.plans.set_energy:change_energy",
    ),
    "energy_scan": PlanEntry(
        parameters="xsn_acq.params.energy:EnergyScan",
        estimate="xsn_acq.plans.energy_checks:estimate_energy_scan",
        infeasible="xsn_acq.plans.energy_checks:infeasible_energy_scan",
        plan="xsn_acq.plans.energy_scan:energy_scan",
        reconstructs=True,
    ),
    "undulator_calibration": PlanEntry(
        parameters="xsn_acq.params.energy:UndulatorCalibration",
        estimate="xsn_acq.plans.gap_checks:estimate_undulator_calibration",
        infeasible="xsn_acq.plans.gap_checks:infeasible_undulator_calibration",
        plan="xsn_acq.plans.undulator_calibration:undulator_calibration",
    ),
    "mono_calibration": PlanEntry(
        parameters="xsn_acq.params.energy:MonoCalibration",
        estimate="xsn_acq.plans.energy_checks:estimate_energy_scan",
        infeasible="xsn_acq.plans.mono_calibration:infeasible_mono_calibration",
        plan="xsn_acq.plans.mono_calibration:mono_calibration",
    ),
    "knife_edge": _calibration("knife_edge", "KnifeEdgeScan"),
    "foucault_test": _calibration("foucault_test", "FoucaultTest"),
    "focus_scan": PlanEntry(
        parameters="xsn_acq.params.calibration:FocusScan",
        estimate="xsn_acq.plans.focus_energies:estimate_focus_scan",
        infeasible="xsn_acq.plans.focus_energies:infeasible_focus_scan",
        plan="xsn_acq.plans.calibrations:focus_scan",
    ),
    "find_rotation_axis": _calibration("find_rotation_axis", "FindRotationAxis"),
    "pixel_size": _calibration("pixel_size", "PixelSize"),
}
"""The plans by name."""


def _load(reference: str) -> Any:
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def plan_parameters(plan_name: str, path: Path) -> Params:
    """Read the parameters of a plan from YAML.

    Raises
    ------
    ConfigError
        If there is no such plan, or for every fault of the file at once.
    """
    return _load(_entry(plan_name).parameters).from_yaml(path)


def plan_summary(plan_name: str, file: Beamline, params: Params, *, speed: float = 1.0) -> str:
    """Frames, time, dose and disk of a plan, in lines for a person; ``speed``: of a simulated clock."""
    return _load(_entry(plan_name).estimate)(file, params).summary(speed=speed)


def refuse_infeasible(plan_name: str, file: Beamline, params: Params) -> None:
    """Refuse what the beamline file alone forbids.

    Raises
    ------
    LimitError
        With every reason.
    """
    faults = _load(_entry(plan_name).infeasible)(file, params)
    if faults:
        raise LimitError(plan_name, faults)


def _entry(plan_name: str) -> PlanEntry:
    if plan_name not in PLANS:
        raise ConfigError(f"plan {plan_name}", [f"no such plan; there are {', '.join(sorted(PLANS))}"])
    return PLANS[plan_name]


@dataclass(frozen=True)
class Session:
    """Everything a run needs; made by `open_session`."""

    RE: RunEngine
    instrument: beamline.Instrument
    data: DataFolder

    def plan(self, plan_name: str, params: Params, *, done: Progress | None = None) -> Any:
        """The plan, ready for the RunEngine; ``done``: what earlier runs have of it.

        Raises
        ------
        ConfigError
            The plan cannot go on with earlier runs.
        """
        entry = _entry(plan_name)
        if done is not None and not entry.resumes:
            raise ConfigError(f"plan {plan_name}", ["cannot go on with earlier runs"])
        folder = self.data.frames_of_day(date.today())
        more = {"done": done} if entry.resumes else {}
        return _load(entry.plan)(self.instrument, params, folder=folder, **more)

    def run(self, plan_name: str, params: Params, *, done: Progress | None = None) -> tuple[str, ...]:
        """Run the plan to its end; uids of its runs.

        SIGINT (one Ctrl-C), SIGTERM and SIGHUP (a closed terminal) break it off.

        Raises
        ------
        bluesky.utils.RunEngineInterrupted
            After one of these signals; the run has been aborted and its plan has put everything back.
        """
        with _broken_off_by_signals(self.RE):
            try:
                uids = self.RE(self.plan(plan_name, params, done=done))
            except RunEngineInterrupted:
                self.RE.abort(reason="stopped by the user")
                raise
        return tuple(map(str, uids))


@contextmanager
def open_session(
    file: Beamline,
    data: DataFolder,
    documents_address: str,
    *,
    connect_timeout_s: float = 10.0,
    subscribers: tuple[Callable[[str, dict[str, Any]], None], ...] = (),
) -> Iterator[Session]:
    """Connect the devices and open journal and publisher; all is closed at exit.

    The journal is the first subscriber and may stop a run: what cannot be recorded must not be measured.
    Other ``subscribers`` cannot: their errors are dropped after the first, which is logged.
    """
    check_pages_by_column()
    with (
        beamline.connected(file, timeout_s=connect_timeout_s) as instrument,
        Publisher(documents_address) as publisher,
        closing(Journal(data.journal, on_line=publisher.send)) as journal,
    ):
        RE = RunEngine({"beamline_name": file.name, "versions": {"xsn_acq": version("xsn_acq")}})
        RE.md["scan_id"] = len(list_runs(data.journal))
        RE.preprocessors.append(with_baseline(beamline.baseline(instrument)))
        RE.subscribe(journal)
        for subscriber in subscribers:
            RE.subscribe(_harmless(subscriber))
        yield Session(RE=RE, instrument=instrument, data=data)


def with_baseline(devices: Sequence[Any]) -> Callable[[Plan], Plan]:
    """Preprocessor that reads ``devices`` after a run has opened and before it closes, as bluesky's own does.

    But a last reading that fails is only told: it must not take the place of what really ended the run.
    """

    def first() -> Plan:
        yield from bps.declare_stream(*devices, name="baseline")
        yield from bps.trigger_and_read(devices, name="baseline")

    def last(close: Msg) -> Plan:
        try:
            yield from bps.trigger_and_read(devices, name="baseline")
        except Exception as error:
            logger.warning("the baseline at the end of the run could not be read: %s", error)
        return (yield close)

    def insert(msg: Msg) -> tuple[Plan | None, Plan | None]:
        if msg.command == "open_run":
            return None, first()
        return (last(msg), None) if msg.command == "close_run" else (None, None)

    return lambda plan: plan_mutator(plan, insert)


@contextmanager
def _broken_off_by_signals(RE: RunEngine) -> Iterator[None]:
    """Pause the run at once when a signal asks this process to end; further ones then change nothing.

    Bluesky's own handler waits for a checkpoint at the first Ctrl-C, and our plans have none.
    """

    def pause() -> None:
        with suppress(TransitionError):
            RE.request_pause()

    def asked(number: int, _: object) -> None:
        if number == signal.SIGHUP:  # the terminal is gone: what is printed must fail nothing
            sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        threading.Thread(target=pause, name="break off", daemon=True).start()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers, RE.context_managers = RE.context_managers, []
    before = {number: signal.signal(number, asked) for number in _BREAKING_OFF}
    try:
        yield
    finally:
        RE.context_managers = handlers
        for number, handler in before.items():
            signal.signal(number, handler)


def _harmless(subscriber: Callable[[str, dict[str, Any]], None]) -> Callable[[str, dict[str, Any]], None]:
    """A subscriber whose first error is logged and which is then left out: it never stops a run."""
    failed = False

    def guarded(name: str, doc: dict[str, Any]) -> None:
        nonlocal failed
        if failed:
            return
        try:
            subscriber(name, doc)
        except Exception:
            failed = True
            logger.exception("a subscriber failed and is left out for the rest of the session")

    return guarded


def check_pages_by_column() -> None:
    """Let event_model check the columns of an event page, no longer every value in them.

    Its schema allows any value (``items: {}``), yet the check visits each one: 0.2 ms for a ledger row,
    more than all else a frame costs. What the schema does ask for is still refused.
    """
    schema = deepcopy(schema_validators[DocumentNames.event_page].schema)
    columns = schema["$defs"]["PartialEventPage"]["properties"]
    for part in ("data", "timestamps"):
        columns[part]["additionalProperties"].pop("items", None)
    checker = type(schema_validators[DocumentNames.event_page])
    schema_validators[DocumentNames.event_page] = checker(schema)
