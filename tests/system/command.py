"""``xsn-acq`` as a person starts it, in a process of its own against a simulated beamline of its own."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from tests.system.ioc import Ioc
from xsn_acq.sim.process import free_ports


@contextmanager
def own_beamline(**options):
    """A simulated beamline on its own port, and the environment in which commands find it."""
    ioc = Ioc(**options).start()
    try:
        yield {**os.environ, **ioc.environment, "OMP_NUM_THREADS": "1"}
    finally:
        ioc.stop()
        ioc.log.unlink()


def command(*arguments):
    """The command line of ``xsn-acq ARGUMENTS``."""
    return [sys.executable, "-m", "xsn_acq.cli", *map(str, arguments)]


def run_command(parameters, data, *options, plan="xsn_tomography", beamline="pls2-7c-xni"):
    """The command line of a run, its messages on ports of their own."""
    documents, results = free_ports(2)
    addresses = ["--documents", f"tcp://127.0.0.1:{documents}", "--results", f"tcp://127.0.0.1:{results}"]
    return command("run", beamline, plan, parameters, "--data", data, *addresses, *options)


def hardware(environment, *pvs):
    """Values of PVs as text, read by a process of its own."""
    code = "import sys, epics; print(*(epics.caget(pv, as_string=True) for pv in sys.argv[1:]), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code, *pvs], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split("\n")[:-1]


def put_in_force(environment, fault):
    """Put a fault in force now, in a beamline that `own_beamline` made."""
    code = "import sys, epics; sys.exit(epics.caput('SIM:Fault', sys.argv[1], wait=True) != 1)"
    subprocess.run([sys.executable, "-c", code, fault], env=environment, check=True, capture_output=True)


def children(pid, word):
    """Processes that ``pid`` started with ``word`` on their command line."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if word.encode() in words:
                found.append(int(child))
    return found


def kill(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def finished(process, timeout_s):
    """Exit status and output of a process that ends by itself."""
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output
