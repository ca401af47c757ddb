"""What every run has in common, with a camera or without: opened, measured, all put back, closed."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Generic

from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp
from bluesky.utils import FailedStatus, RunEngineControlException

from xsn_acq.params.base import Params
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.instrument import AnyInstrument
from xsn_acq.plans.steps import Interruption, Plan, every_one, in_plain_words

logger = logging.getLogger(__name__)


class Run(ABC, Generic[AnyInstrument]):
    """One run of a plan. What is measured, and what is put back, is the plan's own.

    Parameters
    ----------
    devices : ImagingInstrument
        The instrument.
    params : Params
        What to take.
    """

    def __init__(self, devices: AnyInstrument, params: Params) -> None:
        self._devices, self._given = devices, params
        self._interruption = Interruption()
        self._beam = Beam(devices)
        self._uid = self._reason = ""
        self._not_put_back: list[Exception] = []

    def run(self, md: Mapping[str, Any] | None) -> Plan:
        """Open the run, measure, put everything back, close the run with its reason; nothing is replayed."""
        yield from in_plain_words(bpp.rewindable_wrapper(self._run(dict(md or {})), False))

    @abstractmethod
    def start(self) -> dict[str, Any]:
        """Return the start document's own part."""

    @abstractmethod
    def measure(self) -> Plan:
        """Take everything."""

    @abstractmethod
    def parts_to_put_back(self) -> tuple[Callable[[], Plan], ...]:
        """Return what leaves all safe and as it was found, in order; each is done whatever fails before."""

    @abstractmethod
    def how_far(self) -> str:
        """Say how far a run came that is broken off."""

    def _run(self, md: dict[str, Any]) -> Plan:
        uid = yield from bps.open_run({**self._common_start(), **self.start(), **md})
        self._uid = str(uid)
        measured = bpp.contingency_wrapper(
            in_plain_words(self._measure()), except_plan=self._restore_after, else_plan=self._restore
        )
        yield from bpp.contingency_wrapper(measured, except_plan=self._close_after, else_plan=self._close)

    def _common_start(self) -> dict[str, Any]:
        params = self._given.model_dump(mode="json")
        return {
            "params": params,
            "beamline": self._devices.file.model_dump(mode="json"),
            "note": params.get("note", ""),
        }

    def _measure(self) -> Plan:
        yield from self._interruption.watch()
        with self._beam.watched():
            yield from self.measure()

    def _restore(self) -> Plan:
        """Leave the hardware safe and as it was found."""
        errors = yield from every_one(*self.parts_to_put_back())
        self._not_put_back = errors[1:]
        if errors:
            raise errors[0]

    def _restore_after(self, error: Exception) -> Plan:
        """Do the same after an abort or a failure, whose own error stays the one that is raised."""
        errors = yield from every_one(*self.parts_to_put_back())
        self._not_put_back = [another for another in errors if str(another) != str(error)]
        for another in self._not_put_back:
            logger.warning("while putting things back after %r: %s", error, another)

    def _close(self) -> Plan:
        yield from bps.close_run(reason=self._reason or None)

    def _close_after(self, error: Exception) -> Plan:
        if isinstance(error, RunEngineControlException):
            reason, status = f"broken off: {self.how_far()}", error.exit_status
        else:
            reason, status = str(error), "fail"
        lines = dict.fromkeys(map(str, self._not_put_back))
        left = "".join(f"; NOT PUT BACK: {line}" for line in lines)
        try:
            yield from bps.close_run(exit_status=status, reason=reason + left)
        except FailedStatus as late:  # of an operation that nobody waits for any more
            logger.warning("after %r: %s", error, late)
