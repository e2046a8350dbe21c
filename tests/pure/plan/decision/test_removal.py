"""What becomes of an Installation that is being deleted."""

from typing import Any

import pytest
from builders import installation_body

from ddtas import names
from ddtas.api.installation import Installation
from ddtas.plan.decision.removal import (
    Deleted,
    RemovalPlan,
    after_removal,
    kept_notices,
    plan_removal,
    refused_removal,
)
from ddtas.plan.products import Ref
from ddtas.plan.reasons import Reason, Refusal

AWAY = Refusal(Reason.CLUSTER_UNREACHABLE, "platform oup: it does not answer")
CONNECTING = Refusal(Reason.CLUSTER_CONNECTING, "platform oup: it has not answered yet")
OTHER = Ref("delft", "dike")


def deleted(*finalizers: str, readable: bool = True, spec: dict[str, Any] | None = None, **known: Any) -> Deleted:
    body = installation_body()
    body["metadata"]["finalizers"] = list(finalizers)
    body["spec"] |= spec or {}
    parsed = Installation.parse(body)
    return Deleted(parsed.metadata, parsed.spec if readable else None, "oup", **known)


def test_at_home_there_is_nothing_to_do() -> None:
    assert plan_removal(deleted()) == RemovalPlan()
    assert plan_removal(deleted("somebody.else/finalizer", obstacle=AWAY)) == RemovalPlan()


def test_it_stays_for_its_consumers_where_its_spec_says_so() -> None:
    known: dict[str, Any] = {"consumers": (OTHER,)}
    wait = {"removal": "Wait"}
    assert plan_removal(deleted(names.FINALIZER_CONSUMERS, spec=wait, **known)) == RemovalPlan(consumers=(OTHER,))
    goes = RemovalPlan(release=(names.FINALIZER_CONSUMERS,))
    assert plan_removal(deleted(names.FINALIZER_CONSUMERS, spec=wait)) == goes
    assert plan_removal(deleted(names.FINALIZER_CONSUMERS, spec={"removal": "Warn"}, **known)) == goes
    assert plan_removal(deleted(names.FINALIZER_CONSUMERS, readable=False, **known)) == goes, (
        "nobody knows what it says"
    )


def test_while_it_stays_nothing_in_the_city_is_removed() -> None:
    both = (names.FINALIZER_CONSUMERS, names.FINALIZER)
    plan = plan_removal(deleted(*both, spec={"removal": "Wait"}, consumers=(OTHER,), abandoned=True, obstacle=AWAY))
    assert plan == RemovalPlan(consumers=(OTHER,))


@pytest.mark.parametrize(
    ("spec", "readable", "volumes"), [({"volumes": "Delete"}, True, True), ({}, True, False), ({}, False, False)]
)
def test_what_is_in_the_city_is_removed(spec: dict[str, Any], readable: bool, volumes: bool) -> None:
    plan = plan_removal(deleted(names.FINALIZER, spec=spec, readable=readable))
    assert plan == RemovalPlan(remove=True, volumes=volumes)


def test_it_waits_for_a_cluster_that_is_away_and_says_the_way_out() -> None:
    plan = plan_removal(deleted(names.FINALIZER, obstacle=AWAY))
    assert plan.blocked is not None
    assert plan.blocked.reason is Reason.CLUSTER_UNREACHABLE
    assert plan.blocked.message.startswith(AWAY.message)
    assert f"{names.ANNOTATION_ABANDON}=true" in plan.blocked.message
    assert (plan.release, plan.remove) == ((), False)


def test_an_abandoned_one_is_let_go_and_that_is_told() -> None:
    plan = plan_removal(deleted(names.FINALIZER, obstacle=AWAY, abandoned=True))
    assert plan.release == (names.FINALIZER,)
    assert [(n.type, n.reason) for n in plan.notices] == [("Warning", Reason.ABANDONED)]
    assert AWAY.message in plan.notices[0].message


@pytest.mark.parametrize("abandoned", [False, True])
def test_nothing_is_said_or_let_go_while_the_cluster_is_being_connected_to(abandoned: bool) -> None:
    assert plan_removal(deleted(names.FINALIZER, obstacle=CONNECTING, abandoned=abandoned)) == RemovalPlan()


def test_an_abandoned_one_whose_cluster_answers_is_removed_properly() -> None:
    assert plan_removal(deleted(names.FINALIZER, abandoned=True)).remove


def test_it_goes_once_nothing_is_left() -> None:
    left = [("Job", f"flood-{n}") for n in range(7)]
    plan = after_removal(deleted(names.FINALIZER), left, ["flood-web.data"], "city")
    assert plan.blocked is not None
    assert plan.blocked.message == (
        "7 object(s) are being removed from the cluster of platform oup: "
        "Job flood-0, Job flood-1, Job flood-2, Job flood-3, Job flood-4"
    )
    assert plan.blocked.reason is Reason.REMOVING
    assert (plan.release, plan.notices) == ((), ())
    assert plan.again_after

    plan = after_removal(deleted(names.FINALIZER), [], ["flood-web.data"], "city")
    assert (plan.release, plan.again_after) == ((names.FINALIZER,), None)
    assert "flood-web.data in namespace city of the city's cluster" in plan.notices[0].message
    assert after_removal(deleted(names.FINALIZER), [], [], "city").notices == ()


def test_a_refusal_of_the_citys_api_server_is_said() -> None:
    plan = refused_removal(deleted(names.FINALIZER), "forbidden")
    assert plan.blocked is not None
    assert plan.blocked.message.startswith("the cluster of platform oup refuses: forbidden")
    assert (plan.blocked.reason, plan.release) == (Reason.APPLY_FAILED, ())


def test_volumes_that_stay_are_named_at_most_eight() -> None:
    assert kept_notices([]) == ()
    (notice,) = kept_notices([f"claim-{n}" for n in range(10)])
    assert ("claim-7" in notice.message, "claim-8" in notice.message) == (True, False)
