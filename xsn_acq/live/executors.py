"""Where chunks run: in this process, in others of this machine, or on a Dask cluster.

The same for all three: results come as they are ready, and only so many chunks are in flight that memory does
not grow with their number.
"""

import logging
import os
import signal
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any

from xsn_acq.closing import Closing
from xsn_acq.errors import ReconstructionError
from xsn_acq.live.chunks import let_go

_log = logging.getLogger(__name__)

Task = tuple[Any, ...]
IN_FLIGHT = 2
"""Chunks for each worker: one at work, one waiting."""


class Executor(Closing):
    """Calls a function of plain arguments many times.

    Attributes
    ----------
    threads : int
        Threads that a chunk may use; 0: as many as are worth it.
    """

    threads = 0

    @abstractmethod
    def map(self, function: Callable[..., Any], tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        """Call ``function(*task)`` for each task; yield (position of the task, result) as they are ready.

        Raises
        ------
        ReconstructionError
            When workers die again and again.
        XsnError
            What the function raises.
        """

    def close(self) -> None:
        """Let the workers go."""


class InProcess(Executor):
    """One chunk after the other, here."""

    def map(self, function: Callable[..., Any], tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        """See `Executor.map`."""
        for position, task in enumerate(tasks):
            yield position, function(*task)

    def close(self) -> None:
        """Close what the chunks of this thread kept open."""
        let_go(thread=threading.get_ident())


class LocalProcesses(Executor):
    """Processes of this machine.

    Chunks of a worker that dies are done again by new workers; when workers die twice with no chunk done in
    between, that is told.

    Parameters
    ----------
    workers : int
        How many.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._leash: Connection | None = None
        self.threads = max(1, len(os.sched_getaffinity(0)) // workers)

    def map(self, function: Callable[..., Any], tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        """See `Executor.map`."""
        left = dict(enumerate(tasks))
        died_with = -1
        while left:
            try:
                yield from self._run(function, left)
            except BrokenProcessPool as error:
                if len(left) == died_with:
                    raise ReconstructionError(
                        f"{self._workers} workers: {len(left)} chunks are left, and a worker died twice over "
                        "them; out of memory? try fewer with --workers"
                    ) from error
                died_with = len(left)
                _log.warning("a worker died; %d chunks are left, for new workers", len(left))
                self.close()

    def _run(self, function: Callable[..., Any], left: dict[int, Task]) -> Iterator[tuple[int, Any]]:
        """Do what is left, and take out of it what is done."""
        pool = self._opened()
        waiting = iter(list(left))
        running: dict[Future[Any], int] = {}
        while left:
            for position in islice(waiting, IN_FLIGHT * self._workers - len(running)):
                with _interrupts_held():
                    running[pool.submit(function, *left[position])] = position
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                position = running.pop(future)
                result = future.result()
                del left[position]
                yield position, result

    def _opened(self) -> ProcessPoolExecutor:
        if self._pool is None:
            held, self._leash = Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(
                self._workers, get_context("spawn"), initializer=_begin_worker, initargs=(held,)
            )
        return self._pool

    def close(self) -> None:
        """End the workers, also in the midst of a chunk."""
        if self._pool is not None and self._leash is not None:
            self._leash.close()
            self._pool.shutdown(cancel_futures=True)
            self._pool = self._leash = None


def executor(workers: int | None, scheduler: str | None) -> Executor:
    """Make the executor that was asked for: processes of this machine, a Dask cluster, or this process.

    Raises
    ------
    ConfigError, ConnectError
        See `xsn_acq.live.dask_cluster.DaskCluster`.
    """
    if scheduler:
        from xsn_acq.live.dask_cluster import DaskCluster

        return DaskCluster(scheduler)
    return LocalProcesses(workers) if workers else InProcess()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back; workers started meanwhile never see it: who started them ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker(held: Connection) -> None:
    """A worker ends when the process that started it lets go of the other end of this pipe, or dies."""
    threading.Thread(target=_end_when_let_go, args=(held,), daemon=True).start()


def _end_when_let_go(held: Connection) -> None:
    with suppress(EOFError, OSError):
        held.recv_bytes()
    os._exit(1)
