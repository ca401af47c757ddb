"""Ctrl-C, SIGTERM and a closed terminal break a run off, and it puts everything back."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bluesky import RunEngine
from bluesky.utils import TransitionError

_BREAKING_OFF = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def broken_off_by_signals(RE: RunEngine) -> Iterator[None]:
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
