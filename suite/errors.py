"""Errors through no fault of the code, each with the exit code it ends in; a fault has 4 (`suite.core.faults`).

SuiteError
├── RequestError      unknown encoder, experiment, dataset, variant, profile, device
├── ProtocolError     a protocol file with an unknown key or a missing value
├── ExpectedError     an expected file without unit, source or reason for its tolerance
├── DatasetError      a missing, truncated or illegal file of a dataset
├── CheckpointError   a file of weights that is not what it claims to be
├── ContainerError    no Docker daemon, no image, no GPU for it, a build that failed
├── DeviceError       no GPU for what cannot do without one
├── FetchError        a download that failed, or whose file is not what was published
├── EvidenceError     a stored result that is not what was stored, or not what its items score
├── MetricError       input for which a metric is not defined
├── BusyError         a folder or device that another process is at work with
├── ChangedError      source code, data or weights that changed while they were used
└── StorageError      a run folder that cannot be written, a full disk

Messages say where, what, what was expected, what was found, and what to do, on one line.
"""


class SuiteError(Exception):
    """Error that the user can act on: printed as one line, never as a traceback."""

    exit_code = 3


class RequestError(SuiteError):
    """Request for something that does not exist or does not fit together."""


class ProtocolError(SuiteError):
    """Protocol file that breaks its schema."""


class ExpectedError(SuiteError):
    """File of expected values that breaks its schema."""


class DatasetError(SuiteError):
    """Dataset's file that is missing, damaged or holds an illegal value."""

    exit_code = 2


class CheckpointError(SuiteError):
    """Checkpoint that is missing, damaged, unsafe or of another architecture."""

    exit_code = 2


class FetchError(SuiteError):
    """File that cannot be downloaded, unpacked, or is not the one that was published."""

    exit_code = 2


class ContainerError(SuiteError):
    """Container that was asked for and cannot be built or started."""

    exit_code = 2


class DeviceError(SuiteError):
    """GPU that is needed and is not there, or cannot be used."""

    exit_code = 2


class MetricError(SuiteError):
    """Metric that is not defined for this input."""


class EvidenceError(SuiteError):
    """Stored result that is not what was stored, or not what its own items score.

    Attributes:
        problem: where, what was expected, what was found, without what to do about it.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"{problem}: restore the file, or measure again (make reproduce)")
        self.problem = problem

    def __reduce__(self) -> tuple[type["EvidenceError"], tuple[str]]:
        """Send another process what this was made of."""
        return EvidenceError, (self.problem,)


class BusyError(SuiteError):
    """Folder or device that another process is at work with."""


class ChangedError(SuiteError):
    """Source code or another input of a result that changed while the result was made."""

    exit_code = 2


class StorageError(SuiteError):
    """Result that cannot be written."""


def unknown(what: str, got: str, valid: "list[str] | tuple[str, ...]") -> RequestError:
    """Return a `RequestError` that names the valid choices.

    Example:
        >>> str(unknown("profile", "big", ["mini", "paper"]))
        "unknown profile 'big': expected one of mini, paper"
    """
    return RequestError(f"unknown {what} {got!r}: expected one of {', '.join(valid)}")
