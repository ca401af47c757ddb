"""Exit statuses, the same for every subcommand."""

from xsn_acq.errors import CalibrationError, ConfigError, LimitError, ReconstructionError

WELL = 0
FAILED = 1
REFUSED = 2
INCOMPLETE = 3
BROKEN_OFF = 130

MEANING = (
    "exit status: 0 all is well; 1 failed; 2 refused, nothing was done: wrong arguments, parameters or "
    "beamline file, beyond a limit, or frames that do not do for a reconstruction or calibration; 3 the run "
    "came to its end, but frames are missing; 130 broken off by a signal"
)


def of_error(error: Exception) -> int:
    """Exit status of a subcommand that ended with an error."""
    refusals = CalibrationError | ConfigError | LimitError | ReconstructionError
    return REFUSED if isinstance(error, refusals) else FAILED
