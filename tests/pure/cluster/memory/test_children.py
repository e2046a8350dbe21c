"""What is known of children, when answers and events cross."""

from typing import Any

from ddtas import names
from ddtas.cluster.memory.children import Children
from ddtas.cluster.rest.resources import BY_KIND

JOB = BY_KIND["Job"]
OWNER = ("city", "flood")


def job(version: str, uid: str = "u", **more: Any) -> dict[str, Any]:
    """A Job of ours."""
    labels = {names.LABEL_INSTALLATION: "flood"}
    metadata = {"name": "run", "namespace": "city", "uid": uid, "resourceVersion": version, "labels": labels}
    return {"metadata": metadata} | more


def there(children: Children) -> dict[str, int]:
    """Uid and version of what is known."""
    return {c.uid: c.resource_version for c in children.there(OWNER).values()}


def test_an_answer_that_was_on_its_way_does_not_bring_back_what_went() -> None:
    children = Children()
    children.put(JOB, job("5"))
    assert children.remove("Job", "city", "run", "9") == OWNER
    children.put(JOB, job("7"))
    assert there(children) == {}
    children.put(JOB, job("11"))
    assert there(children) == {"u": 11}, "its label was taken away, and given back"


def test_news_of_what_went_does_not_take_away_what_came_since() -> None:
    children = Children()
    children.put(JOB, job("5"))
    children.put(JOB, job("12", uid="new"))  # by the answer to our own write
    assert children.remove("Job", "city", "run", "9") is None
    assert there(children) == {"new": 12}
    assert children.held(JOB, "city") == children.held(JOB, None) == [("city", "run")]
    assert children.held(JOB, "other") == []


def test_versions_that_are_no_numbers_are_told_apart() -> None:
    children = Children("city")
    body = job("a")
    body["metadata"]["labels"][names.LABEL_PLATFORM] = "p"
    children.put(JOB, body)
    body["metadata"]["resourceVersion"] = "b"
    body["status"] = {
        "conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-11-24T09:00:00Z"}]
    }
    children.put(JOB, body)
    (known,) = children.there(OWNER).values()
    assert known.facts is not None
    assert getattr(known.facts, "state", "") == "Failed"


def test_what_no_decision_goes_by_is_no_news() -> None:
    """A pod that is scheduled, a Job that counts its pods: each of these events would be a decision."""
    children = Children()
    done = {"conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-24T09:00:00Z"}]}
    assert children.put(JOB, job("5")) == (OWNER,)
    assert children.put(JOB, job("6", status={"ready": 1})) == ()
    assert there(children) == {"u": 6}
    assert children.put(JOB, job("7", status=done)) == (OWNER,)
    assert children.put(JOB, job("7", status=done)) == ()


def test_what_only_an_own_answer_told_is_news_when_a_watch_brings_it() -> None:
    """Whoever wrote decided before it was there."""
    children = Children()
    children.put(JOB, job("5"), by_watch=False)
    assert children.put(JOB, job("5")) == (OWNER,)
    children.put(JOB, job("8"), by_watch=False)
    assert children.put(JOB, job("7")) == (OWNER,), "an older state, but the newer one is known by now"
    assert children.put(JOB, job("8")) == ()


def test_each_version_of_a_claim_is_news() -> None:
    children, claim = Children(), BY_KIND["PersistentVolumeClaim"]
    assert [children.put(claim, job(version)) for version in ("5", "6")] == [(OWNER,), (OWNER,)]


def test_an_edited_label_is_news_for_both() -> None:
    children, body = Children(), job("6")
    children.put(JOB, job("5"))
    body["metadata"]["labels"][names.LABEL_INSTALLATION] = "other"
    assert children.put(JOB, body) == (("city", "other"), OWNER)


def test_records_of_a_city_have_a_bound() -> None:
    children = Children("city")
    record = BY_KIND["ControllerRevision"]
    for number in range(40):
        body = job("1", uid=f"u{number}", data={"text": "x" * 900_000})
        body["metadata"] |= {"name": f"r-{number}"}
        body["metadata"]["labels"][names.LABEL_PLATFORM] = "p"
        children.put(record, body)
    kept = sum(len(child.data) for child in children.there(OWNER).values())
    assert kept <= 16 * 1024 * 1024
