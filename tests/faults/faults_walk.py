"""Lives of Installations side by side, each with a fault of its own in each phase."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cluster_kit import JsonObject
from faults_courses import PHASES, Course
from faults_judge import Judge
from faults_plan import FAULTS
from faults_proxy import Call, Rule
from faults_street import INSTALLATION, NEW, Street, is_of, write_of
from faults_table import Result

from ddtas import names

PATIENCE_SECONDS = 200.0
KILLING_SECONDS = 200.0


@dataclass
class _Walker:
    """One Installation in one phase."""

    name: str
    course: Course
    result: Result
    rule: Rule | None = None
    before: JsonObject = field(default_factory=dict)
    since: float = 0.0

    @classmethod
    def of(cls, name: str, course: Course) -> "_Walker":
        return cls(name, course, Result(course.phase, course.write, course.fault))


def walk(street: Street, lives: Sequence[dict[str, Course]], told: Callable[[str], None]) -> list[Result]:
    """Let each life go through its phases, all of them side by side; the results of all courses.

    Args:
        street: where they live; its operator runs.
        lives: the course of each phase.
        told: hears how far it is.
    """
    results: list[Result] = []
    judge = Judge(street)
    standing = {f"c{n:02}": life for n, life in enumerate(lives)}
    for phase in PHASES:
        walkers = [_Walker.of(name, life[phase]) for name, life in standing.items() if phase in life]
        if not walkers:
            continue
        _Phase(street, phase, walkers, judge).walk()
        results += [w.result for w in walkers]
        well = {w.name for w in walkers if w.result.seconds is not None}
        standing = {name: life for name, life in standing.items() if name in well or phase not in life}
        worst = max((w.result.seconds or 0 for w in walkers), default=0)
        broken = sum(bool(w.result.violations) for w in walkers)
        told(f"{street.namespace} {phase}: {len(walkers)} courses, {broken} with violations, worst {worst:.1f} s")
        for walker in walkers:
            for text in walker.result.violations:
                told(f"  {walker.name} {walker.course}: {text[:300]}")
    return results


class _Phase:
    def __init__(self, street: Street, phase: str, walkers: list[_Walker], judge: Judge) -> None:
        self._street, self._phase, self._walkers, self._judge = street, phase, walkers, judge

    def walk(self) -> None:
        there = self._street.installations()
        for walker in self._walkers:
            walker.before = there.get(walker.name, {})
            walker.rule = self._rule(walker)
        self._street.proxy.add(*(w.rule for w in self._walkers if w.rule))
        began = time.monotonic()
        self._trigger()
        self._kill_those_who_wait()
        self._come_to_rest(began)
        self._street.proxy.calm()
        for walker in self._walkers:
            walker.result.reached = walker.rule is None or walker.rule.happened
            if walker.result.seconds is None:
                text = f"not well after {PATIENCE_SECONDS:.0f} s: {self._street.says(walker.name)}"
                walker.result.violations.append(text)
        self._judge.look({w.name: w.result for w in self._walkers})

    # ---- what happens ----

    def _rule(self, walker: _Walker) -> Rule | None:
        course, name = walker.course, walker.name
        if course.fault not in FAULTS:
            return None

        def matches(call: Call) -> bool:
            return call.writes and is_of(call, name) and write_of(call, name) == course.write

        return Rule(matches, FAULTS[course.fault])

    def _trigger(self) -> None:
        street, mine = self._street, [w.name for w in self._walkers]
        for name in mine:
            match self._phase:
                case "Bring-up":
                    street.settle(name)
                case "Upgrade":
                    street.edit(name, {"spec": {"version": NEW}})
                case "Recalibration":
                    street.edit(name, {"metadata": {"annotations": {names.ANNOTATION_RETRY: "again"}}})
                case "Deletion":
                    street.cluster.delete(INSTALLATION, street.namespace, name)

    def _kill_those_who_wait(self) -> None:
        """At once: an operator that waits for an answer does other things meanwhile. The others are killed with it."""
        waiting = [w for w in self._walkers if w.course.kills and w.rule]

        def all_were() -> bool:
            """Or have come through: the write that they were to be killed at was not made."""
            hit = [w for w in waiting if w.rule and w.rule.happened and not w.since]
            if hit:
                self._street.proxy.drop(*(w.rule for w in hit if w.rule))
                self._street.kill()
            for walker in hit:
                walker.since = time.monotonic()
            left = [w for w in waiting if not w.since]
            there = self._street.installations() if left else {}
            return all(self._is_well(w, there.get(w.name)) for w in left)

        if waiting:
            self._street.until(all_were, KILLING_SECONDS)

    def _come_to_rest(self, began: float) -> None:
        """Wait until each is where it should be, or patience ends."""

        def look() -> bool:
            there, now = self._street.installations(), time.monotonic()
            for walker in self._walkers:
                if walker.result.seconds is None and self._is_well(walker, there.get(walker.name)):
                    since = walker.since or (walker.rule.hits[0][0] if walker.rule and walker.rule.hits else began)
                    walker.result.seconds = round(max(0.0, now - since), 1)
            return all(w.result.seconds is not None for w in self._walkers)

        self._street.until(look, PATIENCE_SECONDS)

    def _is_well(self, walker: _Walker, body: JsonObject | None) -> bool:
        if self._phase == "Deletion":
            return body is None
        if body is None:
            return False
        if not self._street.is_ready(body):
            return False
        status = body["status"]
        if self._phase == "Upgrade":
            return bool(status.get("servingVersion") == NEW)
        old = walker.before.get("status", {}).get("revision")
        return self._phase == "Bring-up" or status["revision"] != old
