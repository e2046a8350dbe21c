"""The page of reasons: those of conditions, and those of data sources."""

import ast
import inspect

from ddtas.data.session import SourceReason
from ddtas.plan.reasons import Course, Reason
from ddtas.reference.markdown import code, page, table

# The first reason of each group of `Reason`, and the heading of that group.
_GROUPS = {
    Reason.ACCEPTED: "Accepted",
    Reason.BOUND: "DataBound",
    Reason.PROVISIONED: "Provisioned",
    Reason.PASSED: "Calibrated and Validated",
    Reason.SERVING: "Serving",
    Reason.CLUSTER_REACHABLE: "A city's own cluster",
    Reason.WAITING: "Any condition",
    Reason.LISTED: "AppListing and MunicipalityPlatform",
}
_COURSES = {
    Course.DONE: "Ready can be True.",
    Course.WORKING: "Reconciling is True.",
    Course.WAITING: "Reconciling is True (not for `Suspended`). The message names the cause, which may need a person.",
    Course.STALLED: "Stalled is True.",
}
_ABOUT = """
The reason of a condition is one of these. The message beside it says what is wrong, on which object, and what to do.
The headings say which condition usually has the reason. Ready, Reconciling and Stalled repeat the reason of the first
condition that is not True.
"""
_ABOUT_SOURCES = """
The outcome of a probe: `status.dataSources[].reason` of a MunicipalityPlatform, and part of the message of
`DataSourceUnreachable`. Two reasons from above are used there too: `CredentialsMissing`, and `Probing` before the first
probe. A source that was `Reachable` changes only after three failed probes in a row.
"""


def text() -> str:
    """The page."""
    lines = page("Reasons", _ABOUT)
    lines += table(("who acts", "which means"), [(c.value, _COURSES[c]) for c in Course])
    groups: dict[str, list[tuple[str, ...]]] = {}
    heading = ""
    for reason in Reason:
        heading = _GROUPS.get(reason, heading)
        groups.setdefault(heading, []).append((code(reason.value), reason.course.value, reason.meaning))
    for heading, rows in groups.items():
        lines += ["", f"## {heading}", "", *table(("reason", "who acts", "meaning"), rows)]
    lines += ["", "## Data sources", "", _ABOUT_SOURCES.strip(), ""]
    lines += table(("reason", "meaning"), [(code(name), meaning) for name, meaning in _source_reasons()])
    return "\n".join(lines) + "\n"


def _source_reasons() -> list[tuple[str, str]]:
    """Value and docstring of each reason of a probe. Python keeps no docstrings of members, so the source is read."""
    (enum,) = ast.parse(inspect.getsource(SourceReason)).body
    assert isinstance(enum, ast.ClassDef)  # noqa: S101
    texts = [n.value.value for n in enum.body if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)]
    return [(reason.value, str(text)) for reason, text in zip(SourceReason, texts[1:], strict=True)]
