"""What is sent, removed and only reported, object by object."""

from typing import Any

import pytest

from ddtas.api.installation_status import DriftedItem
from ddtas.plan.children.desired import Desired
from ddtas.plan.children.diff import Diff, Send, desired_digest, diff
from ddtas.plan.snapshot import Child, Key

KEY: Key = ("Service", "flood-web")
MANIFEST: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "flood-web", "namespace": "voorbeeldstad", "labels": {"app": "flood"}},
    "spec": {"selector": {"app": "flood"}},
}
DIGEST = desired_digest(MANIFEST)
AS_WANTED = Child(*KEY, applied=DIGEST, asked=DIGEST)
EDITED = Child(*KEY, applied="by hand", asked=DIGEST)
OF_BEFORE = Child(*KEY, applied="before", asked="before")
GOING = Child(*KEY, applied="before", asked="before", deleting=True)
CREATE = (Send(Desired(MANIFEST), DIGEST, exists=False),)
CHANGE = (Send(Desired(MANIFEST), DIGEST, exists=True),)


def compare(child: Child | None, correct: bool = True, once: bool = False, made: bool = False, prune: Any = ()) -> Diff:
    there = {KEY: child} if child is not None else {}
    return diff([Desired(MANIFEST, once=once)], prune, there, [KEY] if made else [], correct)


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize(
    ("child", "sends"),
    [(None, CREATE), (AS_WANTED, ()), (EDITED, CHANGE), (OF_BEFORE, CHANGE), (GOING, ())],
    ids=["missing", "as wanted", "edited by hand", "of an older plan", "being deleted"],
)
def test_what_is_sent(child: Child | None, sends: tuple[Send, ...], made: bool) -> None:
    assert compare(child, made=made) == Diff(sends)


@pytest.mark.parametrize(
    ("child", "made", "expected"),
    [
        (None, False, Diff(CREATE)),
        (None, True, Diff(drifted=(DriftedItem(kind="Service", name="flood-web", change="Missing"),))),
        (AS_WANTED, True, Diff()),
        (EDITED, True, Diff(drifted=(DriftedItem(kind="Service", name="flood-web", change="Edited"),))),
        (OF_BEFORE, True, Diff(CHANGE)),
        (GOING, True, Diff()),
    ],
    ids=["new", "deleted by hand", "as wanted", "edited by hand", "of an older plan", "being deleted"],
)
def test_what_is_only_reported(child: Child | None, made: bool, expected: Diff) -> None:
    assert compare(child, correct=False, made=made) == expected


@pytest.mark.parametrize("correct", [False, True])
def test_what_is_made_once_is_made_again_only_when_it_is_gone(correct: bool) -> None:
    assert [send.exists for send in compare(None, correct, once=True, made=True).sends] == [False]
    assert compare(EDITED, correct, once=True, made=True) == Diff()


def test_what_is_desired_is_not_removed() -> None:
    """A Service goes back to the revision that serves, while the one that it points to is pruned."""
    other: Key = ("ConfigMap", "flood-old")
    gone: Key = ("ConfigMap", "flood-gone")
    there = {KEY: OF_BEFORE, other: Child(*other)}
    assert diff([Desired(MANIFEST)], [other, KEY, gone], there, [], True) == Diff(CHANGE, removes=(other,))


def test_drift_is_in_the_order_of_names() -> None:
    """Its order in a status must not depend on that of a plan."""
    wanted = [Desired(MANIFEST | {"metadata": {"name": name, "labels": {}}}) for name in ("b", "a")]
    drifted = diff(wanted, [], {}, [w.key for w in wanted], False).drifted
    assert [item.name for item in drifted] == ["a", "b"]


def test_where_an_object_is_is_no_part_of_what_is_asked_for() -> None:
    elsewhere = MANIFEST | {"metadata": MANIFEST["metadata"] | {"namespace": "elsewhere", "name": "other"}}
    assert desired_digest(elsewhere) == DIGEST
    assert desired_digest(MANIFEST | {"spec": {}}) != DIGEST
    assert desired_digest(MANIFEST | {"metadata": MANIFEST["metadata"] | {"labels": {}}}) != DIGEST
