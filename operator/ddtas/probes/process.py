"""A whole probe of a data source in a confined process: its DNS, TLS, sockets and parsers, and nothing of it here.

The credentials go over the child's own socket. What comes back is facts, or a reason and a message, and what the probe
cost; the child had hostile input, so its answer is checked like hostile input.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError

from ddtas import confined
from ddtas.confined import Broke, Exceeded, Job, Limit
from ddtas.confined.job import MIB
from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import DataKind
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import Probe, ProbeSession
from ddtas.data.registry import REGISTRY
from ddtas.data.session import Limits, SourceReason, Target
from ddtas.errors import SourceError, printable

log = logging.getLogger(__name__)

# Libraries that open files, start threads or take address space while they are imported: before the limits.
_LIBRARIES: Mapping[DataKind, tuple[str, ...]] = {
    DataKind.HTTP_PARQUET: ("pyarrow.parquet",),
    DataKind.S3: ("pyarrow.parquet",),  # which may have Parquet
    DataKind.GEOPACKAGE: ("sqlite3",),
    DataKind.POSTGRESQL: ("psycopg",),
}
# A document of 2 MiB takes at most 60 MiB as Python values. libpq takes certificates from files, which are in memory.
JOB = Job(
    module=__name__,
    memory=64 * MIB,
    processor_seconds=10,
    wall_seconds=25,
    answer_bytes=MIB // 4,
    files=48,
    file_bytes=MIB // 16,
)
_GRACE_SECONDS = 2.0  # a probe keeps its own deadline; its process ends this much later
_MESSAGE = 700  # characters


@dataclass(frozen=True)
class _Request:
    target: Target
    limits: Limits
    policy: AddressPolicy


class _Answer(BaseModel):
    """What a child says."""

    reason: SourceReason
    message: Annotated[str, StringConstraints(max_length=4000)] = ""
    facts: SourceFacts | None = None
    requests: Annotated[int, Field(ge=0, le=1000)]
    received: Annotated[int, Field(ge=0, lt=2**40)]


_REQUESTS: TypeAdapter[_Request] = TypeAdapter(_Request)


async def probe(session: ProbeSession) -> SourceFacts:
    """Probe a source in a child process; `session` then has what it cost.

    Raises:
        SourceError: with a Reason.
        ConnectionError: the child was killed, or none could be started; that says nothing about the source.
    """
    request = _REQUESTS.dump_json(_Request(session.target, session.limits, session.policy))
    job = replace(JOB, wall_seconds=session.limits.deadline_seconds + _GRACE_SECONDS)
    try:
        answer = _Answer.model_validate_json(await confined.run(job, request, session.target.kind))
    except Exceeded as error:
        raise _exceeded(session, error.limit, job) from None
    except Broke as error:
        raise _broke(session, error) from None
    except ValidationError:
        log.error("The probe of %r answered something that is no answer", session.target)
        raise _failed(session) from None
    session.requests, session.received = answer.requests, answer.received
    if answer.facts is not None and answer.reason is SourceReason.REACHABLE:
        return answer.facts
    raise SourceError(answer.reason, printable(answer.message, _MESSAGE))


CONFINED: Mapping[DataKind, Probe] = dict.fromkeys(DataKind, probe)
"""The probe of each kind, in a process of its own."""


def _exceeded(session: ProbeSession, limit: Limit, job: Job) -> SourceError:
    if limit is Limit.WALL:
        return session.error(
            SourceReason.TOO_SLOW,
            f"was not read within {session.limits.deadline_seconds:g} seconds: ask its supplier for a faster server, "
            "or for a smaller extract",
        )
    return session.error(
        SourceReason.RESOURCE_EXHAUSTED,
        f"answers with what takes more than {job.memory // MIB} MiB of memory or {job.processor_seconds} s of "
        "processor time to read: ask the data supplier for a smaller extract",
    )


def _broke(session: ProbeSession, error: Broke) -> SourceError:
    if error.signal is not None:
        return session.error(
            SourceReason.MALFORMED_DATA,
            "answers with what breaks the process that reads it: ask the data supplier to correct the data",
        )
    log.error("The probe of %r failed unexpectedly: %s", session.target, error.where)
    return _failed(session)


def _failed(session: ProbeSession) -> SourceError:
    return SourceError(
        SourceReason.INTERNAL_ERROR,
        f"the probe of {session.target.place} failed unexpectedly: report it, with the operator's log",
    )


# ---- in the child ----


def warm() -> None:
    """Import what most probes need."""
    for module in ("wire.http", "kinds.http_csv.probe", "facts.records", "facts.geo"):
        import_module(f"ddtas.data.{module}")


def prepare(kind: str) -> None:
    """Import what this kind needs, and start the one thread that looks names up: later there can be none."""
    for module in _LIBRARIES.get(DataKind(kind), ()):
        import_module(module)
    from ddtas.data.wire.sockets import start_lookups

    start_lookups()


def answer(request: bytes) -> bytes:
    """Facts, or a reason and a message, as JSON; and what it cost."""
    task = _REQUESTS.validate_json(request)
    session = ProbeSession(task.target, task.limits, task.policy)
    facts, reason, message = None, SourceReason.REACHABLE, ""
    try:
        facts = asyncio.run(_probe(session))
    except SourceError as error:
        reason, message = SourceReason(error.reason), error.message
    outcome = _Answer(
        reason=reason, message=message[:_MESSAGE], facts=facts, requests=session.requests, received=session.received
    )
    return outcome.model_dump_json(by_alias=True).encode()


async def _probe(session: ProbeSession) -> SourceFacts:
    return await REGISTRY[session.target.kind](session)
