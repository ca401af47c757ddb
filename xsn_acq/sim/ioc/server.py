"""Serve the simulated beamline over Channel Access, on this machine only."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence

from xsn_acq.config import AnyBeamline, Beamline, SpeckleBeamline
from xsn_acq.errors import ConfigError
from xsn_acq.sim.hidden import hidden_truth
from xsn_acq.sim.microscope_truth import FullFieldTruth
from xsn_acq.sim.speckle_truth import SpeckleTruth
from xsn_acq.sim.structured_truth import StructuredTruth
from xsn_acq.sim.truth import Truth

LOOPBACK = "127.0.0.1"


def serve(
    beamline: AnyBeamline,
    *,
    port: int,
    speed: float,
    seed: int,
    sample: str,
    faults: Sequence[str],
    hidden: Sequence[str],
    on_ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Parameters
    ----------
    beamline : Beamline, StructuredBeamline or SpeckleBeamline
        Whose PVs.
    port : int
        Channel Access port, UDP and TCP.
    speed : float
        Simulated seconds in a real second, `xsn_acq.sim.clock.LEAST_SPEED` or more.
    seed : int
        Of every random thing.
    sample : str
        Name of the phantom on the stage.
    faults : sequence of str
        Faults from the start, ``name key=value ...``.
    hidden : sequence of str
        What the beamline file does not know, ``name=value`` each; see `Truth`,
        `StructuredTruth`, `SpeckleTruth`.
    on_ready : callable
        Gets one line when clients can connect.

    Raises
    ------
    ConfigError
        A fault or a hidden truth is written wrongly, there is no such sample, the speed is too low, or
        the port is in use.
    """
    truth = hidden_truth(hidden, _usual_truth(beamline))
    _require_free(port)
    os.environ.update(
        EPICS_CA_SERVER_PORT=str(port),
        EPICS_CAS_SERVER_PORT=str(port),
        EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO",
        EPICS_CAS_BEACON_ADDR_LIST=LOOPBACK,
    )
    _start_repeater()
    asyncio.run(_serve(beamline, port, speed, seed, sample, truth, tuple(faults), on_ready))


def _usual_truth(beamline: AnyBeamline) -> FullFieldTruth:
    """Return what a beamline hides when nothing else is said."""
    if isinstance(beamline, Beamline):
        return Truth()
    return SpeckleTruth() if isinstance(beamline, SpeckleBeamline) else StructuredTruth()


def _require_free(port: int) -> None:
    """Refuse a port on which somebody serves Channel Access already: clients would find either."""
    for kind, reuse in ((socket.SOCK_STREAM, 1), (socket.SOCK_DGRAM, 0)):
        with socket.socket(type=kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
            try:
                probe.bind((LOOPBACK, port))
            except (OSError, OverflowError) as error:
                why = f"cannot be used ({error}): end the xsn-acq sim or IOC that has it, or choose --port"
                raise ConfigError(f"port {port} on {LOOPBACK}", [why]) from error


def _start_repeater() -> None:
    """Serve Channel Access clients on this machine as their repeater, unless there is one already."""
    from caproto.sync import repeater

    threading.Thread(target=repeater.run, kwargs={"host": LOOPBACK}, daemon=True).start()


async def _serve(
    beamline: AnyBeamline,
    port: int,
    speed: float,
    seed: int,
    sample: str,
    truth: FullFieldTruth,
    faults: Sequence[str],
    on_ready: Callable[[str], None],
) -> None:
    from caproto.asyncio.server import Context

    from xsn_acq.sim.ioc.beamline import SimulatedBeamline

    class Server(Context):
        async def broadcast_beacon_loop(self) -> None:
            """Send no beacons: clients on this machine search until they find."""

        async def server_accept_loop(self, sock: socket.socket) -> None:
            """Send answers at once, as EPICS servers do: accepted connections take this over.

            An answer behind a monitor would else wait for an acknowledgement, 40 ms.
            """
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await super().server_accept_loop(sock)

    try:
        simulated = SimulatedBeamline(beamline, speed=speed, seed=seed, sample=sample, truth=truth)
    except ValueError as error:
        raise ConfigError(f"simulated beamline {beamline.name}", [str(error)]) from error
    for text in faults:
        simulated.control.check(text)
    where = f"{len(simulated.channels)} records on {LOOPBACK}:{port}"
    line = f"{beamline.name}: {where}, {speed:g} times real time, sample {sample}"

    async def live(_: object) -> None:
        on_ready(line)
        await simulated.run(faults)

    context = Server(simulated.channels, [LOOPBACK])
    server = asyncio.ensure_future(context.run(startup_hook=live))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.cancel)
    try:
        await server
    except asyncio.CancelledError:
        pass
    finally:
        simulated.close()
