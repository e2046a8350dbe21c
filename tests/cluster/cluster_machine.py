"""What the state machines on real API servers share: a city with an operator that comes and goes, what must hold after
each step, and that in the end nothing of the way is left.

The courses are the same each time, so that a failure can be looked into. DDTAS_TEST_COURSES=200 walks that many others,
each of them longer.
"""

import functools
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from cluster_city import App, City
from cluster_kit import KINDS, SESSION, ApiServer, JsonObject, eventually
from cluster_operator import Rights
from cluster_properties import breaches
from cluster_supplier import Supplier
from cluster_witness import Witness
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import StopTest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from ddtas import names

DEPLOYMENT, CONFIG_MAP, RECORD = KINDS["Deployment"], KINDS["ConfigMap"], KINDS["ControllerRevision"]
SEARCH = "DDTAS_TEST_COURSES"
PAUSES = (0, 0.05, 0.2, 0.5, 1.0, 2.0)
_NUMBERS = itertools.count()


def step(**choices: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule that is told, so that a failure shows the way there; then some time passes, and the next step may meet the
    operator in the middle of what this one began.

    Whether it may be taken (`precondition`) must not be asked of the cluster: the way would depend on its haste.
    """

    def decorate(work: Callable[..., None]) -> Any:
        @functools.wraps(work)
        def told(self: "Machine", pause: float, **chosen: Any) -> None:
            self.tell(work.__name__, **chosen, pause=pause)
            with self.watched():
                work(self, **chosen)
            time.sleep(pause)

        return rule(pause=st.sampled_from(PAUSES), **choices)(told)  # type: ignore[no-untyped-call]

    return decorate


class Machine(RuleBasedStateMachine):
    """A city of its own, and an operator that may be killed between any two steps, and within one."""

    cities: ClassVar[Callable[[], AbstractContextManager[City]]]

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()
        self._sound = True
        self.leaving: set[str] = set()  # the uids of Installations that were deleted
        self.witnesses: list[Witness] = []
        self.foreign: list[tuple[ApiServer, JsonObject]] = []
        with ExitStack() as stack:
            self.afterwards = stack
            self.city = stack.enter_context(type(self).cities())
            self.tell("begins", namespace=self.city.namespace)
            self.witness(self.city.cluster, self.city.namespace)
            self.operator = self.city.start()
            self.up = True
            self.prepare()
            self.afterwards = stack.pop_all()

    # ---- for those who derive ----

    def prepare(self) -> None:
        """Make what there is before the first step."""
        raise NotImplementedError

    def known(self) -> list[str]:
        """The names of the Installations."""
        raise NotImplementedError

    def is_meddled_with(self, name: str) -> bool:
        """Whether people took away what an Installation needs to serve."""
        return False

    def comes_to_rest(self) -> None:
        """What holds when the course is over and all is well again."""
        raise NotImplementedError

    # ---- what happens ----

    @precondition(lambda self: self.up)
    @step()
    def all_is_done(self) -> None:
        """What was begun comes to its end, good or bad."""
        self.city.settled(0.5)

    @precondition(lambda self: self.up)
    @step()
    def crashes(self) -> None:
        self.operator.kill()
        self.operator.start()

    @precondition(lambda self: self.up)
    @step()
    def goes_down(self) -> None:
        self.operator.kill()
        self.up = False

    @precondition(lambda self: not self.up)
    @step()
    def comes_up(self) -> None:
        self.operator.start()
        self.up = True

    # ---- what holds ----

    @invariant()
    def holds(self) -> None:
        with self.watched():
            assert not self.up or self.operator.running
            for cluster, before in self.foreign:
                metadata = before["metadata"]
                assert cluster.get(CONFIG_MAP, metadata["namespace"], metadata["name"]) == before
            self.nothing_was_wrong()

    def nothing_was_wrong(self) -> None:
        """Of all that happened; what proves it may be a moment late."""
        found: list[str] = []

        def proven() -> bool:
            seen = [w.seen() for w in self.witnesses]
            leaving = frozenset(self.leaving)
            found[:] = [
                text
                for name in self.known()
                for text in breaches(name, *seen, leaving=leaving, meddled=self.is_meddled_with(name))
            ]
            return not found

        try:
            eventually("proof", proven)
        except AssertionError:
            raise AssertionError("\n".join(found)) from None

    def teardown(self) -> None:
        try:
            if self._sound and not isinstance(sys.exc_info()[1], StopTest):  # it was given up half-way
                self.tell("comes to rest")
                if not self.up:
                    self.operator.start()
                self.up = True
                with self.watched():
                    self.comes_to_rest()
                    self.holds()
                self.tell("is at rest")
        finally:
            self.afterwards.close()

    # ---- words for it ----

    def tell(self, what: str, **more: Any) -> None:
        """Print a step."""
        said = ", ".join(f"{key}={value!r}" for key, value in more.items())
        print(f"{time.monotonic() - self._started:7.2f} {what}({said})")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Remember whether it failed: then what is at rest says nothing more."""
        try:
            yield
        except BaseException:
            self._sound = False
            raise

    def witness(self, cluster: ApiServer, namespace: str, *, at_home: bool = True) -> None:
        """See all that happens in a namespace from now on, also to what is not ours: it has no mark, and what looks
        like our name.
        """
        self.witnesses.append(Witness(cluster, namespace, at_home=at_home))
        self.afterwards.callback(self.witnesses[-1].dismiss)
        body = {"metadata": {"name": "flood-of-somebody-else", "namespace": namespace}, "data": {"a": "b"}}
        self.foreign.append((cluster, cluster.request("POST", CONFIG_MAP.path(namespace), body)))

    def at_rest(self, app: App) -> JsonObject:
        """Wait until it is Ready at its generation, and nothing but records is left of other revisions; its status."""

        def look() -> JsonObject | None:
            body = app.body()
            status: JsonObject = body.get("status", {})
            conditions = {c["type"]: c for c in status.get("conditions", [])}
            ready = conditions.get("Ready", {})
            if (ready.get("status"), ready.get("observedGeneration")) != ("True", body["metadata"]["generation"]):
                return None
            records = {o["metadata"]["labels"][names.LABEL_REVISION] for o in app.children(RECORD)}
            if records != {r["id"] for r in status["revisions"] if r["state"] != "Candidate"}:
                return None
            revisions = {o["metadata"]["labels"][names.LABEL_REVISION] for o in app.children(DEPLOYMENT)}
            return status if revisions == {status["revision"]} else None

        found: JsonObject = self.city.cluster.wait(f"rest of {app.name}", look, self.city.namespace)
        return found

    def equals_a_fresh_one(self, app: App, fresh: App) -> None:
        """Whatever the way was, it came to what one comes to that was made just now."""
        served, anew = self.at_rest(app), self.at_rest(fresh)
        assert served["revision"] == anew["revision"]
        assert made_for(served, app.name) == made_for(anew, fresh.name)

    def writes_nothing_more(self) -> None:
        """What is at rest costs no request."""
        self.city.settled()
        mark = self.city.cluster.mark()
        time.sleep(3)
        assert [r for r in self.city.cluster.requests(self.city.rights.user, mark) if r.verb != "watch"] == []


def made_for(status: JsonObject, name: str) -> set[tuple[str, str]]:
    """The inventory of the revision that serves, without the Installation's own name."""
    return {
        (item["kind"], item["name"].removeprefix(name))
        for item in status["inventory"]
        if item["kind"] != "ControllerRevision" or status["revision"] in item["name"]
    }


class Cities:
    """A namespace of its own, and an operator's rights in it, for each course."""

    def __init__(self, cluster: ApiServer, data: Supplier, folder: Path) -> None:
        self.cluster, self._data, self._folder = cluster, data, folder
        self.made = 0

    @contextmanager
    def __call__(self) -> Iterator[City]:
        """One more."""
        self.made += 1
        space = self.cluster.make_namespace(f"life-{SESSION}-{next(_NUMBERS)}")
        folder = self._folder / space
        folder.mkdir()
        city = City(self.cluster, space, self._data, Rights(self.cluster, space, folder), folder)
        try:
            yield city
        finally:
            city.end()
            self.cluster.delete(KINDS["Namespace"], None, space)


def walk(machine: type[Machine], cities: Cities, *, courses: int, steps: int) -> None:
    """Let it take so many courses of so many steps; more and others when that is asked for."""
    wanted = int(os.environ.get(SEARCH, 0))
    length = 2 * steps if wanted else steps

    class Here(machine):  # type: ignore[valid-type, misc]
        pass

    Here.cities = staticmethod(cities)
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=wanted or courses,
            stateful_step_count=length,
            deadline=None,
            derandomize=not wanted,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
        _min_steps=length - 1,  # a city is dear: none is made for a course of no steps
    )
    assert cities.made >= (wanted or courses)
