"""Who uses which data source of a platform, and for what: as the statuses of its Installations say it."""

from collections.abc import Iterable, Mapping, Sequence

from ddtas.api.installation import Installation
from ddtas.api.platform import DataSourceStatus, DataUse

_MOST_OF_ONE, _MOST_OF_ALL = 32, 500  # in one status

Uses = tuple[tuple[str, DataUse], ...]
"""Names of data sources, each with one use."""


def uses_of(installation: Installation) -> Uses:
    """What the revision that an Installation serves with is bound to, and the one that its spec asks for."""
    name, status = installation.metadata.name, installation.status
    used = {
        (source.data_source, DataUse(installation=name, requirement=source.requirement, purpose=source.purpose)): None
        for revision in status.revisions
        if revision.id in (status.revision, status.serving_revision)
        for source in revision.sources
    }
    return tuple(sorted(used, key=_rank))


def _rank(use: tuple[str, DataUse]) -> tuple[str, ...]:
    source, it = use
    return (it.installation, it.requirement, source, it.purpose or "")


def by_source(uses: Iterable[Uses]) -> dict[str, tuple[DataUse, ...]]:
    """The uses of each data source, in an order that does not depend on who came first."""
    found: dict[str, list[DataUse]] = {}
    for source, use in sorted((use for each in uses for use in each), key=_rank):
        found.setdefault(source, []).append(use)
    return {source: tuple(each) for source, each in found.items()}


def with_uses(
    sources: Sequence[DataSourceStatus], uses: Mapping[str, tuple[DataUse, ...]]
) -> tuple[DataSourceStatus, ...]:
    """What is known of data sources, and who uses them; of very many uses the first ones, and how many there are."""
    room, answer = _MOST_OF_ALL, []
    for source in sources:
        used = uses.get(source.name, ())
        shown = used[: min(_MOST_OF_ONE, room)]
        room -= len(shown)
        answer.append(source.model_copy(update={"used_by": shown, "uses": len(used)}))
    return tuple(answer)
