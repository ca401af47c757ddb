"""A tomogram on the fly at each of several energies: one run for each, all of one scan."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bluesky import preprocessors as bpp

from xsn_acq.errors import LedgerError
from xsn_acq.params import HyperspectralTomography, XsnTomography
from xsn_acq.params.progress import NOTHING, PartProgress, Progress
from xsn_acq.plans.beam import Beam
from xsn_acq.plans.checks import check_before
from xsn_acq.plans.empty_run import tell_failure
from xsn_acq.plans.energy_change import EnergyChanger
from xsn_acq.plans.framing import Framing, framing
from xsn_acq.plans.hyperspectral_checks import check_hyperspectral
from xsn_acq.plans.instrument import Instrument
from xsn_acq.plans.rows import neighbours
from xsn_acq.plans.state import State, read_state
from xsn_acq.plans.steps import Interruption, Plan, every_one, in_plain_words
from xsn_acq.plans.xsn_tomography import Tomogram

logger = logging.getLogger(__name__)

PLAN_NAME = "hyperspectral_tomography"


def hyperspectral_tomography(
    devices: Instrument,
    params: HyperspectralTomography,
    *,
    folder: Path,
    md: Mapping[str, Any] | None = None,
    done: Progress | None = None,
) -> Plan:
    """Take a tomogram at each energy, to and fro.

    Parameters
    ----------
    devices : Instrument
        The instrument.
    params : HyperspectralTomography
        What to take.
    folder : Path
        Frames go to ``folder/<first 8 of a run's uid>/<stream>.h5``.
    md : mapping, optional
        More for the start documents.
    done : Progress, optional
        What earlier runs of a scan with the same parameters have: the rest is taken, and is of that scan.

    Raises
    ------
    LimitError
        Before anything moved, with every reason.
    EnergyChangeError
        An energy change failed: which axis, and how the instrument was left.
    LedgerError
        Most of a tomogram failed twice; the energies that follow were not begun.
    DeviceError
        A device failed; the hardware has been left safe and the run is marked.

    Notes
    -----
    Each energy is a run of its own, a tomogram as `xsn_tomography` takes one; its entry ``hyperspectral``
    says of which scan, ``energy_change`` what the change to its energy decided. What fails between two runs
    stands in the journal as a run without frames. At the end the energy is what it was before, unless a
    change failed: then it is left where that says.
    """
    done = done or Progress(str(uuid.uuid4()))
    frame, state = framing(devices.file, params), read_state(devices)
    check_hyperspectral(devices, params, frame, state, folder, done)
    yield from _Scan(devices, params, frame, state, folder, dict(md or {}), done).run()


class _Scan:
    """The energies of one scan."""

    def __init__(
        self,
        devices: Instrument,
        params: HyperspectralTomography,
        frame: Framing,
        state: State,
        folder: Path,
        md: dict[str, Any],
        done: Progress,
    ) -> None:
        self._devices, self._params, self._frame, self._state = devices, params, frame, state
        self._folder, self._md, self._done = folder, md, done
        self._interruption, self._beam = Interruption(), Beam(devices)
        self._changer = EnergyChanger(devices, self._interruption, self._beam)

    def run(self) -> Plan:
        """Take all energies, put the energy back; nothing is replayed."""
        yield from in_plain_words(bpp.rewindable_wrapper(self._run(), False))

    def _run(self) -> Plan:
        yield from self._interruption.watch()
        with self._beam.watched():
            yield from bpp.contingency_wrapper(
                self._energies(),
                except_plan=self._restore_after,
                else_plan=lambda: self._told(None, self._changer.put_back()),
            )

    def _energies(self) -> Plan:
        for number, energy in enumerate(self._params.sequence_ev):
            if self._done.complete(number, self._params.projections):
                continue
            tomogram = yield from self._told(number, self._go_to(number, energy))
            yield from tomogram.run(self._md)
            if tomogram.hopeless:
                raise LedgerError(
                    f"{PLAN_NAME}: {energy:g} eV: most projections failed twice; the energies that follow "
                    "were not begun; mend what the run's reason names, then go on with --resume"
                )

    def _go_to(self, number: int, energy_ev: float) -> Plan:
        """Change the energy; the tomogram to be taken there, whose geometry has been checked."""
        change = yield from self._changer.change(energy_ev)
        yield from self._beam.wait()
        params, state = self._params.tomogram(number), read_state(self._devices)
        check_before(self._devices, params, self._frame, state, self._folder)
        return EnergyTomogram(
            self._devices,
            params,
            self._frame,
            replace(state, sample_x_um=self._state.sample_x_um),
            self._folder,
            before=self._done.at(number),
            more=self._entries(number) | {"energy_change": change},
        )

    def _entries(self, number: int | None) -> dict[str, Any]:
        """What start documents say of the scan, and of the energy in it."""
        energies = self._params.sequence_ev
        before = NOTHING if number is None else self._done.at(number)
        return {
            "plan_name": PLAN_NAME,
            "params": self._params.model_dump(mode="json"),
            "hyperspectral": {
                "scan": self._done.scan,
                "number": number,
                "count": len(energies),
                "energies_ev": list(energies),
                "resumes": list(before.runs),
                "taken": [[group[0], group[-1]] for group in neighbours(sorted(before.good))],
            },
        }

    def _told(self, number: int | None, plan: Plan) -> Plan:
        """Do what is done between runs; a failure stands in the journal as a run without frames."""
        energy = None if number is None else self._params.sequence_ev[number]
        where = "while the energy was put back" if energy is None else f"on the way to {energy:g} eV"

        def tell(error: Exception) -> Plan:
            start = {
                **self._entries(number),
                "energy_change": {"to_ev": energy},
                "beamline": self._devices.file.model_dump(mode="json"),
                "note": self._params.note,
                **self._md,
            }
            yield from tell_failure(start, error, where)

        return (yield from bpp.contingency_wrapper(in_plain_words(plan), except_plan=tell))

    def _restore_after(self, error: Exception) -> Plan:
        """Put the energy back after an abort or a failure, whose own error stays the one that is raised."""
        for another in (yield from every_one(self._changer.put_back)):
            logger.warning("while the energy was put back after %r: %s", error, another)


class EnergyTomogram(Tomogram):
    """The run of one energy.

    Parameters
    ----------
    devices, params, frame, state, folder, before
        See `Tomogram`.
    more : mapping
        The scan's own entries of the start document.
    """

    def __init__(
        self,
        devices: Instrument,
        params: XsnTomography,
        frame: Framing,
        state: State,
        folder: Path,
        *,
        before: PartProgress,
        more: Mapping[str, Any],
    ) -> None:
        super().__init__(devices, params, frame, state, folder, before)
        self._more = more

    def start(self) -> dict[str, Any]:
        """As of a tomogram; ``params`` are those of the scan, ``tomogram`` those of this one."""
        return {**super().start(), "tomogram": self._params.model_dump(mode="json"), **self._more}
