"""The errors of this package.

DdtasError
├── InvalidObject        a custom resource does not fit its model
├── TemplateError        a listing's template was refused (reason: TemplateInvalid or TemplateForbidden)
├── ResultError          a run's termination message is not a result (reason: ResultMissing, ResultTooLarge, …)
├── KubeconfigError      a kubeconfig was refused (reason: KubeconfigInvalid, KubeconfigForbidden)
├── SourceError           a data source could not be read as what it claims to be (reason: Unreachable, TooSlow, …)
└── ClusterError         an API server refused a request, or did not answer it
    ├── NotFound         404
    ├── Conflict         409: another field manager, or another owner, has it
    ├── Garbled          its answer is none of Kubernetes
    ├── TooLarge         its answer is larger than is read
    └── Fenced           not sent: this replica may not lead any more

No kopf here: an error says what happened, and the caller decides whether to retry.
"""

import traceback
from pathlib import Path

_PACKAGE = Path(__file__).parent
_MOST_STEPS = 12


def printable(text: str, length: int = 300) -> str:
    """Text from outside, fit for a message: one line of at most `length` characters, without control characters."""
    near = text[: 8 * length]  # it may be megabytes
    line = "".join(c if c.isprintable() else "�" for c in " ".join(near.split()))
    return line if len(line) <= length and near == text else f"{line[: length - 1]}…"


def trail(error: BaseException) -> str:
    """Type of an unexpected error and the way to it through our own code: never its text, which may hold a secret.

    Such as "KeyError in reconcile.py:310 (_installation), plan/decide.py:120 (decide)".
    """
    steps = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE):
            steps.append(f"{path.relative_to(_PACKAGE)}:{frame.lineno} ({frame.name})")
    if len(steps) > _MOST_STEPS:  # a recursion
        steps = [*steps[: _MOST_STEPS // 2], "…", *steps[-_MOST_STEPS // 2 :]]
    return f"{type(error).__name__} in {', '.join(steps) or 'code of others'}"


class DdtasError(Exception):
    """Base of all errors raised on purpose."""


class InvalidObject(DdtasError):
    """A custom resource does not fit its model (an older or newer CRD, or admission was bypassed)."""


class Reasoned(DdtasError):
    """An error with a reason from a documented, closed list, and a message for a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TemplateError(Reasoned):
    """A listing's template cannot be rendered, or renders something that an app may not have."""


class ResultError(Reasoned):
    """A calibration or validation run did not report a usable result."""


class KubeconfigError(Reasoned):
    """A kubeconfig cannot be read, or asks for what the operator does not do."""


class SourceError(Reasoned):
    """A data source could not be reached or read as what it claims to be."""


class ClusterError(DdtasError):
    """The API server refused a request.

    Attributes:
        status: HTTP status code; 0 where no answer came.
        message: the `message` of the Status object, bounded to 500 characters, never the request's body.
        retry_after: seconds that the API server asks to wait, at most a minute; 0 where it does not ask.
    """

    def __init__(self, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(f"{message} (HTTP {status})" if status else message)
        self.status = status
        self.message = message[:500]
        self.retry_after = retry_after


class NotFound(ClusterError):
    """There is no such object, or no such kind."""


class Conflict(ClusterError):
    """Another field manager owns a field, or the object changed meanwhile."""


class Garbled(ClusterError):
    """What was answered is no JSON, or has not the shape that Kubernetes gives it."""


class TooLarge(ClusterError):
    """What was answered is larger than is read, or has more values."""


class Fenced(ClusterError):
    """A write that was not sent: the Lease was not renewed for so long that another replica may have it."""
