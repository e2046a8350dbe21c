"""What is said beside the stages; none of it counts for Ready."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ddtas.plan.decision.bind import UNTRIED
from ddtas.plan.decision.view import RevisionView
from ddtas.plan.findings import CREDENTIALS_PASSED_ON, OFFERS_REACHABLE, PRODUCTS_PUBLISHED, UP_TO_DATE, Finding
from ddtas.plan.products import Ref
from ddtas.plan.reasons import Course, Reason
from ddtas.plan.snapshot import Snapshot
from ddtas.plan.versions.choice import Standing


def up_to_date(
    standing: Standing, findings: Iterable[Finding], held_up: Finding | None, serving_version: str | None
) -> Finding:
    """The newest version is what is asked for; it is what there is once it serves."""
    finding = Finding(UP_TO_DATE, standing.status, standing.reason, standing.message)
    stopped = next((f for f in findings if not f.holds), held_up)
    if not finding.holds or stopped is None or serving_version == standing.version:
        return finding
    text = f"version {standing.version} does not serve: {stopped.condition} ({stopped.reason})"
    text += f"; version {serving_version} does" if serving_version is not None else ""
    if stopped.reason.course is Course.STALLED:
        return replace(finding, status="False", reason=Reason.VERSION_FAILED, message=text)
    return replace(finding, status="Unknown", reason=Reason.WAITING, message=text)


def offers_reachable(snapshot: Snapshot) -> Iterator[Finding]:
    """That products are offered to where their addresses lead nowhere; nothing where they are not."""
    if not snapshot.apart:
        return
    named = ", ".join(Ref(*platform).seen_from(snapshot.me.namespace) for platform in snapshot.apart)
    text = (
        f"spec.offers: in another cluster than this app is, where the addresses of its products lead nowhere: {named}."
        " Publish a product behind an address that can be reached from there, have it listed in spec.dataSources"
        " there, and take the platform out of spec.offers"
    )
    yield Finding(OFFERS_REACHABLE, "False", Reason.OTHER_CLUSTER, text)


def credentials_passed_on(views: Iterable[RevisionView]) -> Iterator[Finding]:
    """That apps keep the credentials that they have; nothing where they have those that there are."""
    kept = {b.wiring.source.name: b.wiring for view in views for b in view.bindings if b.kept}
    if not kept:
        return
    each = "; ".join(
        f"data source {name}, Secret {w.source.credentials.secret_name if w.source.credentials else ''}: {w.doubt}"
        for name, w in sorted(kept.items())
    )
    text = f"changed credentials are not passed on, and those of before stay in use: {each}"
    if all(w.doubt == UNTRIED for w in kept.values()):
        yield Finding(CREDENTIALS_PASSED_ON, "Unknown", Reason.CREDENTIALS_UNTRIED, text)
    else:
        yield Finding(CREDENTIALS_PASSED_ON, "False", Reason.CREDENTIALS_REFUSED, text)


def products_published(view: RevisionView | None) -> Iterator[Finding]:
    """That products are withheld because of the data that they are made of; nothing where none is.

    Args:
        view: the revision that serves, else the one that is to.
    """
    if view is None or not view.withheld:
        return
    each = "; ".join(f"{w.product}: {w.message}" for w in view.withheld)
    text = (
        f"not published, for the sake of the data that they are made of: {each}. Choose other data sources in"
        " spec.bindings, correct what the platform says of them, or ask the app builder for `declassified`"
    )
    yield Finding(PRODUCTS_PUBLISHED, "False", Reason.PRODUCT_WITHHELD, text)
