"""The exam of a revision: what its validation is judged on, and whether it may be taken."""

from dataclasses import dataclass

from ddtas.api.attempts import ExamAttempt
from ddtas.api.evidence import Evidence, HeldOut, Outcome
from ddtas.plan.decision.view import RevisionView
from ddtas.plan.findings import Finding, Stage, not_yet
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.evidence import VALIDATE, is_final


@dataclass(frozen=True, slots=True)
class Exam:
    """The exam of a revision.

    Attributes:
        content: what it is judged on; nothing where the app reports its own metrics.
        entry: the attempt; None where it is not written down, or has ended.
        waits: what is said while the attempt is not written down yet; None where the run may begin.
        refused: the evidence of a revision that may not take it; None where it may, or has.
    """

    content: tuple[HeldOut, ...] = ()
    entry: ExamAttempt | None = None
    waits: Finding | None = None
    refused: Evidence | None = None


def judged(view: RevisionView, exam: Exam, result: Evidence | None) -> Evidence | None:
    """What validation showed, with the number of its attempt.

    One that passes on values that were failed too often, wherever those were read from, proves nothing.
    """
    if result is None or exam.entry is None:
        return result
    result = result.model_copy(update={"attempt": exam.entry.number})
    failed = view.ledger.failed_on(p.truth for p in result.predictions)
    again = exam.entry.outcome is not None  # it has passed, before its status was lost
    if result.outcome is not Outcome.PASSED or again or failed < view.snapshot.policy.maximum_attempts:
        return result
    text = f"{failed} attempts have failed on these very values, which are read from another address now"
    update = {
        "outcome": Outcome.INCONCLUSIVE,
        "reason": Reason.HOLDOUT_EXHAUSTED,
        "message": f"{text}: choose newer data",
    }
    return result.model_copy(update=update)


def of(view: RevisionView, known: Evidence | None) -> Exam:
    """The exam of a revision whose calibration has passed.

    Args:
        view: of the revision.
        known: what the status has of its validation.
    """
    written, content = view.status.exam, view.exam_content
    if is_final(known):
        return Exam(written)
    uid = view.snapshot.installation.metadata.uid
    entry = view.ledger.entry(uid, view.id, written)
    if entry is not None:  # an address that moves while the exam is taken makes no other attempt of it
        return Exam(written, entry)
    entry = view.ledger.entry(uid, view.id, content) if content != written else None
    if entry is not None or not content:
        return Exam(content, entry)
    exhausted = refused(view, VALIDATE)
    return Exam(content, refused=exhausted) if exhausted is not None else Exam(content, waits=_waits(view, content))


def refused(view: RevisionView, phase: str) -> Evidence | None:
    """The evidence of a run that may not begin, because its exam was failed too often; None where it may."""
    content, snapshot = view.exam_content, view.snapshot
    if view.ledger.entry(snapshot.installation.metadata.uid, view.id, content) is not None:
        return None
    exhausted = view.ledger.exhausted(content, snapshot.policy.maximum_attempts)
    if exhausted is None:
        return None
    return Evidence(
        outcome=Outcome.INCONCLUSIVE,
        reason=Reason.HOLDOUT_EXHAUSTED,
        message=exhausted[:1000],
        job=view.renderer.name(phase),
        completed_at=snapshot.now.replace(microsecond=0),
    )


def _waits(view: RevisionView, content: tuple[HeldOut, ...]) -> Finding:
    platform = view.snapshot.installation.spec.platform
    text = f"its attempt at the exam is being written down in the status of platform {platform}"
    others = [a.installation for a in view.ledger.going_on(content)]
    if others and not view.ledger.may_begin(content, view.snapshot.policy.maximum_attempts):
        text = f"as many attempts at this exam go on as may fail: it waits for {', '.join(others[:5])}"
    return not_yet(Stage.VALIDATED, Reason.VALIDATING, text)
