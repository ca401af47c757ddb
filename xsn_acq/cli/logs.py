"""What other packages log, in lines: no tracebacks, and nothing that the command tells itself."""

import logging

NOTHING_NEW = (
    "Run aborted",  # with every failed run; the command says why in its own line
    "No open traces left to close!",
    "High load. Batched",  # caproto's, of a simulated beamline that is faster than real time
    "Exception occurred during callback",  # ophyd's own, of records let go while they connect
)
"""What other packages log without need. Errors in our callbacks read "Subscription ..."."""


class _OneLine(logging.Formatter):
    """``logger: message: what went wrong``."""

    def format(self, record: logging.LogRecord) -> str:
        """Leave the traceback out, keep the error."""
        error = record.exc_info[1] if record.exc_info else None
        cause = f": {type(error).__name__}: {error}" if error is not None else ""
        return f"{record.name.partition('.')[0]}: {record.getMessage()}{cause}"


def _worth_telling(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return bool(message.strip()) and not message.startswith(NOTHING_NEW)


def handler() -> logging.Handler:
    """Warnings and errors to stderr, one line each."""
    made = logging.StreamHandler()
    made.setLevel(logging.WARNING)
    made.setFormatter(_OneLine())
    made.addFilter(_worth_telling)
    return made


def in_lines() -> None:
    """Print warnings and errors of all packages in lines."""
    logging.basicConfig(handlers=[handler()])


def take_over(package: str) -> None:
    """Let messages of a package that has handlers of its own go the way of all others."""
    for name in [package, *logging.root.manager.loggerDict]:
        if name.partition(".")[0] == package:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
