"""Probes CSV over HTTP: one request."""

from ddtas.data.facts.table import Table
from ddtas.data.kinds.http_csv.dialect import Format
from ddtas.data.kinds.http_csv.reader import ACCEPT, rows
from ddtas.data.kinds.http_csv.values import Values
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.wire import answers, http


async def probe(session: ProbeSession) -> SourceFacts:
    """Read a CSV once and tell its facts.

    When the byte cap ends the reading, `records`, `size_bytes` and the last date (of a table that starts with its
    newest record: the first date) are absent; the other facts are those of the part that was read.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client, client.get(accept=ACCEPT) as answer:
        return session.facts(await facts(answer, session))


async def facts(answer: answers.Answer, session: ProbeSession) -> SourceFacts:
    """The facts of a CSV, of which an answer is read to its end or to the cap.

    Raises:
        SourceError: UnexpectedContent or MalformedData, or what reading raises.
    """
    contract = session.target.contract
    table: Table | None = None
    async for batch in rows(answer, session, Format.of(contract.dialect)):
        if table is None:
            names = batch.pop(0)
            table, values = Table(names, contract, session.target.place), Values(names, contract)
        values.rewrite(batch)
        table.add(batch)
    assert table is not None  # noqa: S101 - there is a header, or an error
    if not answer.complete:
        for fact in ("records", "sizeBytes", "last"):
            session.unknown(fact, f"only the first {session.limits.max_bytes} bytes were read")
    return table.facts(answer.received if answer.complete else None)
