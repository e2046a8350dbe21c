"""Which exams apps took on a platform, and whether another attempt may begin. Pure.

The platform's status has them, and its reconcile alone writes them down: an Installation says in its own status which
exam it waits for, and starts the run once the platform's has it. So whoever deletes an Installation, or renames it,
takes the exam that was taken before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from ddtas.api.attempts import MAX_ATTEMPTS, MAX_HOLDOUTS, AttemptOutcome, EarlierFailures, ExamAttempt
from ddtas.api.evidence import Evidence, HeldOut, Outcome, RevisionStatus
from ddtas.api.installation import Installation
from ddtas.api.installation_status import InstallationStatus
from ddtas.api.platform import MunicipalityPlatformStatus
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.evidence import is_final
from ddtas.plan.runs.scored import OUTPUT_FAULTS
from ddtas.schema.types import Window

Content = tuple[HeldOut, ...]

# Of a run that ended like this nothing was scored, so that nobody has learnt anything. A result that was lost, or came
# from a pod that somebody altered, may have been seen.
_NOT_SCORED = OUTPUT_FAULTS | {
    Reason.FETCH_FAILED,
    Reason.IMAGE_PULL_FAILED,
    Reason.RUN_CRASHED,
    Reason.RUN_TIMED_OUT,
    Reason.CANNOT_SEAL,
    Reason.HOLDOUT_EXHAUSTED,
    Reason.SCORING_FAILED,
}
_COUNTED = (AttemptOutcome.FAILED, AttemptOutcome.ABANDONED)
_FORGOTTEN = (AttemptOutcome.PASSED, AttemptOutcome.VOID)
_MOST_NAMES = 5


def outcome(evidence: Evidence) -> AttemptOutcome:
    """What a validation that has ended counts as."""
    if evidence.outcome is Outcome.PASSED:
        return AttemptOutcome.PASSED
    scored = evidence.outcome is Outcome.FAILED or evidence.metrics or evidence.reason not in _NOT_SCORED
    return AttemptOutcome.FAILED if scored else AttemptOutcome.VOID


def awaited(status: InstallationStatus) -> RevisionStatus | None:
    """The revision whose validation waits for its exam, or takes it; None where there is none."""
    revision = status.evidence(status.revision or "")
    if revision is None or not revision.exam or is_final(revision.validation):
        return None
    return revision


def _same(some: Iterable[HeldOut], others: Iterable[HeldOut]) -> bool:
    theirs = tuple(others)
    return any(mine.meets(other) for mine in some for other in theirs)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The attempts on one platform.

    Attributes:
        attempts: the oldest first.
        earlier: those before them, counted by what they were judged on.
    """

    attempts: tuple[ExamAttempt, ...] = ()
    earlier: tuple[EarlierFailures, ...] = ()

    @classmethod
    def of(cls, status: MunicipalityPlatformStatus) -> "Ledger":
        """As the status of a platform has them."""
        return cls(status.attempts, status.earlier_failures)

    # ---- what an Installation asks ----

    def entry(self, uid: str, revision: str, content: Content) -> ExamAttempt | None:
        """The attempt of a revision that may run: it goes on, or has passed, so that to run it again shows no more."""
        for attempt in reversed(self.attempts):
            if (attempt.uid, attempt.revision, attempt.exam) == (uid, revision, content):
                return attempt if attempt.outcome in (None, AttemptOutcome.PASSED) else None
        return None

    def failed(self, content: Content) -> int:
        """How many attempts at an exam have failed."""
        earlier = [e.failed for e in self.earlier if _same(content, [_of(e)])]
        return sum(a.outcome in _COUNTED for a in self._at(content)) + sum(earlier)

    def failed_on(self, truths: Iterable[str]) -> int:
        """How many attempts have failed on the same values, wherever those were read from."""
        wanted = set(truths)
        return sum(a.outcome in _COUNTED and not wanted.isdisjoint(a.truths) for a in self.attempts)

    def going_on(self, content: Content) -> tuple[ExamAttempt, ...]:
        """The attempts at an exam that go on."""
        return tuple(a for a in self._at(content) if a.outcome is None)

    def exhausted(self, content: Content, most: int) -> str | None:
        """Why nobody may attempt an exam any more, and when one opens; None where somebody may.

        Args:
            content: of the exam.
            most: how many attempts may fail.
        """
        failed = self.failed(content)
        if not content or failed < most:
            return None
        tried = [f"{a.installation} ({a.reason or a.outcome})" for a in self._at(content) if a.outcome in _COUNTED]
        who = f", the last ones by {', '.join(tried[-_MOST_NAMES:])}" if tried else ""
        text = f"{failed} attempts at this exam have failed on this platform{who}"
        return f"{text}; {self._opens(content)}"

    def _opens(self, content: Content) -> str:
        lengths = [_days(h.window) for h in content if h.window is not None]
        ends = [w.end for a in self._at(content) if a.outcome in _COUNTED for h in a.exam if (w := h.window)]
        ends += [e.window.end for e in self.earlier if e.window is not None and _same(content, [_of(e)])]
        if not lengths or not ends:
            return "rows that are drawn stay the same: another exam needs other data"
        last, opens = max(ends), _after(max(ends), max(lengths))
        return (
            f"choose a validation window (spec.windows) that begins after {last}: one of as many days ends on {opens}"
        )

    def _at(self, content: Content) -> tuple[ExamAttempt, ...]:
        return tuple(a for a in self.attempts if _same(content, a.exam))

    # ---- what the platform writes down ----

    def closed(self, statuses: Mapping[str, InstallationStatus | None]) -> "Ledger":
        """With how attempts ended.

        Args:
            statuses: of each Installation that there is, by its UID; None of one that cannot be read.
        """
        return replace(self, attempts=tuple(_closed(a, statuses) for a in self.attempts))

    def opened(self, applicants: Iterable[Installation], most: int, now: datetime) -> "Ledger":
        """With the attempts that may begin, of the Installations that wait for one.

        What goes on may fail yet: no more go on than may.

        Args:
            applicants: the Installations that are at work on this platform.
            most: how many attempts at one exam may fail.
            now: when this is written down.
        """
        ledger = self
        for installation in sorted(applicants, key=lambda i: i.metadata.name):
            revision = awaited(installation.status)
            if revision is None or ledger.entry(installation.metadata.uid, revision.id, revision.exam) is not None:
                continue
            if ledger.may_begin(revision.exam, most):
                ledger = ledger._with(installation, revision, now)
        return ledger

    def may_begin(self, content: Content, most: int) -> bool:
        """Whether one more attempt at an exam may be written down. Nothing is forgotten for it that counts."""
        if self.failed(content) + len(self.going_on(content)) >= most:
            return False
        return len(self.bounded(MAX_ATTEMPTS - 1).attempts) < MAX_ATTEMPTS

    def _with(self, installation: Installation, revision: RevisionStatus, now: datetime) -> "Ledger":
        ledger, meta = self.bounded(MAX_ATTEMPTS - 1), installation.metadata
        attempt = ExamAttempt(
            installation=meta.name,
            uid=meta.uid,
            revision=revision.id,
            listing=installation.spec.listing,
            exam=revision.exam,
            number=1 + ledger._taken(revision.exam),
            started=now.replace(microsecond=0),
        )
        return replace(ledger, attempts=(*ledger.attempts, attempt))

    def _taken(self, content: Content) -> int:
        return sum(a.outcome not in (AttemptOutcome.VOID, *_COUNTED) for a in self._at(content)) + self.failed(content)

    def bounded(self, most: int) -> "Ledger":
        """With no more attempts one by one than these, as far as nothing is forgotten that counts.

        Those that passed, or were void, go first; then the oldest that failed are counted together.
        """
        kept, excess = [], len(self.attempts) - most
        for attempt in self.attempts:
            if excess > 0 and attempt.outcome in _FORGOTTEN:
                excess -= 1
            else:
                kept.append(attempt)
        attempts, earlier = [], self.earlier
        for attempt in kept:
            counted = _counted(earlier, attempt) if excess > 0 and attempt.outcome in _COUNTED else earlier
            if counted is earlier or len(counted) > MAX_HOLDOUTS:
                attempts.append(attempt)
            else:
                excess, earlier = excess - 1, counted
        return Ledger(tuple(attempts), earlier)


def _closed(attempt: ExamAttempt, statuses: Mapping[str, InstallationStatus | None]) -> ExamAttempt:
    if attempt.outcome is not None:
        return attempt
    status = statuses.get(attempt.uid)
    if status is None and attempt.uid in statuses:
        return attempt  # it cannot be read for now
    revision = status.evidence(attempt.revision) if status is not None else None
    if revision is None or revision.exam != attempt.exam:
        return attempt.model_copy(update={"outcome": AttemptOutcome.ABANDONED})
    evidence = revision.validation
    if evidence is None or not is_final(evidence):
        return attempt
    truths = tuple(p.truth for p in evidence.predictions)
    return attempt.model_copy(update={"outcome": outcome(evidence), "reason": evidence.reason, "truths": truths})


def _counted(earlier: tuple[EarlierFailures, ...], attempt: ExamAttempt) -> tuple[EarlierFailures, ...]:
    """The counts, with one failure more."""
    counts = {e.holdout: e for e in earlier}
    for held in attempt.exam:
        was = counts.get(held.holdout)
        window = held.window if was is None else _whole(was.window, held.window)
        failed = 1 + (was.failed if was is not None else 0)
        counts[held.holdout] = EarlierFailures(holdout=held.holdout, window=window, failed=failed)
    return tuple(counts.values())


def _of(earlier: EarlierFailures) -> HeldOut:
    return HeldOut(holdout=earlier.holdout, window=earlier.window)


def _whole(one: Window | None, other: Window | None) -> Window | None:
    """From the first to the last day of two."""
    if one is None or other is None:
        return None
    return Window(start=min(one.start, other.start), end=max(one.end, other.end))


def _days(window: Window) -> int:
    return (date.fromisoformat(window.end) - date.fromisoformat(window.start)).days + 1


def _after(day: str, days: int) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
    except OverflowError:
        return "a day that no calendar has"
