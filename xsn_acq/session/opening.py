"""RunEngine, devices, journal and publisher, built in one place."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from typing import Any

from bluesky import RunEngine
from bluesky.utils import RunEngineInterrupted

from xsn_acq import beamline
from xsn_acq.config import AnyBeamline
from xsn_acq.errors import ConfigError
from xsn_acq.params.base import Params
from xsn_acq.params.progress import Progress
from xsn_acq.session.documents import Subscriber, check_pages_by_column, harmless, with_baseline
from xsn_acq.session.library import library_of
from xsn_acq.session.signals import broken_off_by_signals
from xsn_acq.session.table import load, plan_entry
from xsn_acq.storage.feed import Publisher
from xsn_acq.storage.journal import Journal, list_runs
from xsn_acq.storage.layout import DataFolder


@dataclass(frozen=True)
class Session:
    """Everything a run needs; made by `open_session`."""

    RE: RunEngine
    instrument: beamline.AnyInstrument
    data: DataFolder

    def plan(
        self, plan_name: str, params: Params, *, done: Progress | None = None, assessor: Any = None
    ) -> Any:
        """The plan, ready for the RunEngine.

        ``done``: what earlier runs have of it. ``assessor``: of its patterns, for plans that have some.

        Raises
        ------
        ConfigError
            The plan cannot go on with earlier runs.
        StorageError
            There is no run as the parameters name one.
        """
        entry = plan_entry(plan_name)
        if done is not None and not entry.resumes:
            raise ConfigError(f"plan {plan_name}", ["cannot go on with earlier runs"])
        folder = self.data.frames_of_day(date.today())
        more: dict[str, Any] = {"done": done} if entry.resumes else {}
        if entry.assesses:
            more |= {"assessor": assessor, "library": library_of(params, self.data.journal)}
        return load(entry.plan)(self.instrument, params, folder=folder, **more)

    def run(
        self, plan_name: str, params: Params, *, done: Progress | None = None, assessor: Any = None
    ) -> tuple[str, ...]:
        """Run the plan to its end; uids of its runs. Arguments as of `plan`.

        SIGINT (one Ctrl-C), SIGTERM and SIGHUP (a closed terminal) break it off.

        Raises
        ------
        bluesky.utils.RunEngineInterrupted
            After one of these signals; the run has been aborted and its plan has put everything back.
        """
        with broken_off_by_signals(self.RE):
            try:
                uids = self.RE(self.plan(plan_name, params, done=done, assessor=assessor))
            except RunEngineInterrupted:
                self.RE.abort(reason="stopped by the user")
                raise
        return tuple(map(str, uids))


@contextmanager
def open_session(
    file: AnyBeamline,
    data: DataFolder,
    documents_address: str,
    *,
    connect_timeout_s: float = 10.0,
    subscribers: tuple[Subscriber, ...] = (),
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
            RE.subscribe(harmless(subscriber))
        yield Session(RE=RE, instrument=instrument, data=data)
