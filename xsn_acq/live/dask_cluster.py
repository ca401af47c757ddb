"""Chunks on a Dask cluster whose workers see the same files."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from itertools import islice
from typing import Any

from xsn_acq.errors import ConfigError, ConnectError, ReconstructionError
from xsn_acq.live.chunks import let_go
from xsn_acq.live.executors import IN_FLIGHT, Executor, Task

CONNECT_S = 10.0
_GRAPH = "deserialization of the task graph"
"""What the scheduler says of a chunk that it cannot import."""

_log = logging.getLogger(__name__)


class DaskCluster(Executor):
    """The workers of a scheduler. What a worker that dies was doing, another does.

    Parameters
    ----------
    address : str
        Of the scheduler, as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    ConfigError
        When the package is not installed.
    ConnectError
        When the scheduler does not answer, or has no workers.
    """

    threads = 1  # a worker has as many chunks at a time as it has threads

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise ConfigError(
                "--scheduler", ["wanted the package distributed, found none; pip install 'xsn_acq[cluster]'"]
            ) from error
        self._address = address
        self._jobs: set[str] = set()
        try:
            self._client = Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            fault = f"{address}: no Dask scheduler answers: {_first_line(error)}"
            raise ConnectError("--scheduler", [fault]) from error
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError as error:
            self._client.close()
            raise ConnectError("--scheduler", [f"{address}: it has no workers; start some"]) from error

    def map(self, function: Callable[..., Any], tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        """See `Executor.map`."""
        from distributed import KilledWorker, as_completed
        from distributed.comm import CommClosedError

        waiting = iter(enumerate(tasks))
        running: dict[str, int] = {}
        finished = as_completed(loop=self._client.loop)
        try:
            self._submit(function, waiting, running, finished)
            while running:
                future = next(finished)
                position = running.pop(future.key)
                result = future.result()
                del future
                self._submit(function, waiting, running, finished)
                yield position, result
        except KilledWorker as error:
            raise ReconstructionError(
                f"scheduler {self._address}: a chunk was begun by several workers, and all of them died: "
                f"{_first_line(error)}; out of memory?"
            ) from error
        except ImportError as error:
            raise self._other_version(error) from error
        except RuntimeError as error:
            if not isinstance(error.__cause__, ImportError) and _GRAPH not in str(error):
                raise
            raise self._other_version(error.__cause__ or error) from error
        except (CancelledError, CommClosedError) as error:
            raise ConnectError(
                "--scheduler", [f"{self._address}: lost: {_first_line(error)}; start again to go on"]
            ) from error
        finally:
            finished.clear()

    def _other_version(self, error: BaseException) -> ConnectError:
        fault = f"{self._address}: wanted this xsn_acq on scheduler and workers too: {_first_line(error)}"
        return ConnectError("--scheduler", [fault])

    def _submit(
        self, function: Callable[..., Any], waiting: Iterator[Any], running: dict[str, int], finished: Any
    ) -> None:
        """Keep all workers that are there now busy, and no more than that."""
        threads = sum(
            worker["nthreads"] for worker in self._client.scheduler_info(n_workers=-1)["workers"].values()
        )
        for position, task in islice(waiting, max(1, IN_FLIGHT * threads - len(running))):
            self._jobs.add(task[0])
            future = self._client.submit(function, *task, pure=False)
            running[future.key] = position
            finished.add(future)

    def close(self) -> None:
        """Make the workers forget the job, and leave the cluster."""
        try:
            if self._client.status == "running":
                self._client.run(let_go, jobs=self._jobs, on_error="ignore")
        finally:
            self._client.close()


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
