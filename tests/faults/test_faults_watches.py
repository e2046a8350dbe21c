"""Each watch meets each fault: what happens meanwhile is found out, and nothing is done for nothing."""

import time
from collections.abc import Callable, Iterator

import cluster_apps as apps
import faults_courses as courses
import pytest
from cluster_kit import KINDS, ApiServer
from cluster_supplier import Supplier
from faults_actions import refuse
from faults_courses import WATCH_GROUP, WATCHES
from faults_judge import Judge
from faults_proxy import Call, Rule
from faults_street import Street
from faults_table import Result
from faults_watches import CREDENTIALS, Watch, listing_of, store

FEW = 2
PATIENCE_SECONDS = 240.0
CHOSEN = courses.chosen_lines(FEW)


class Town:
    """A street with one Installation for each watch."""

    def __init__(self, street: Street) -> None:
        self.street, self.judge = street, Judge(street, meddled=True)
        store(street)
        street.cluster.apply(apps.credentials(street.namespace, CREDENTIALS, username="somebody", password="right"))
        street.start()
        self.watches = [Watch(street, kind) for kind in WATCHES]
        for watch in self.watches:
            street.settle(watch.name, listing=listing_of(street), source=self._source(watch))
        self._all_ready()

    def _source(self, watch: Watch) -> dict[str, object]:
        url = self.street.supplier.url("/secret.csv" if watch.kind == "credentials" else "/series.csv")
        with_secret = {"credentials": {"secretName": CREDENTIALS, "scheme": "Basic"}}
        return apps.source(url, **(with_secret if watch.kind == "credentials" else {}))  # type: ignore[arg-type]

    def _all_ready(self) -> None:
        def look() -> bool:
            there = self.street.installations().values()
            return len([b for b in there if self.street.is_ready(b)]) == len(WATCHES)

        assert self.street.until(look, PATIENCE_SECONDS), [self.street.says(w.name) for w in self.watches]

    def meets(self, fault: str) -> dict[str, Result]:
        """Let all watches meet this fault at once, each at its own event."""
        results = {w.name: Result(WATCH_GROUP, w.kind, fault) for w in self.watches}
        for watch in self.watches:
            watch.prepare()
        self.street.rests(1.0)
        rules = {w.name: w.rules(fault) for w in self.watches}
        self.street.proxy.add(*(rule for mine in rules.values() for rule in mine))
        if fault in ("mute", "refused"):
            self._open_anew(rules)
        began = time.monotonic()
        heard = {w.name: w.begin() for w in self.watches}
        if fault == "dropped":
            self._end_with_410(rules)
        self._wait(results, heard, began)
        for name, mine in rules.items():
            results[name].reached = all(rule.happened for rule in mine)
        self.street.proxy.calm()
        for result in results.values():
            if result.seconds is None:
                result.violations.append(f"not heard of after {PATIENCE_SECONDS:.0f} s")
        self._put_right()
        self.judge.look(results)
        return results

    def _open_anew(self, rules: dict[str, list[Rule]]) -> None:
        self.street.proxy.break_off(lambda call: call.verb == "watch")
        self.street.until(lambda: all(mine[0].happened for mine in rules.values()), 60.0)

    def _end_with_410(self, rules: dict[str, list[Rule]]) -> None:
        """What was dropped is found by the next list: make it come soon."""
        self.street.until(lambda: all(mine[0].happened for mine in rules.values()), 60.0)
        self.street.proxy.add(*(self._gone(watch) for watch in self.watches))
        self.street.proxy.break_off(lambda call: call.verb == "watch")

    @staticmethod
    def _gone(watch: Watch) -> Rule:
        def opened(call: Call) -> bool:
            return call.verb == "watch" and watch.is_it(call)

        return Rule(opened, refuse(410, "Expired"))

    def _wait(self, results: dict[str, Result], heard: dict[str, Callable[[], bool]], began: float) -> None:
        def look() -> bool:
            for name, has_heard in heard.items():
                if results[name].seconds is None and has_heard():
                    results[name].seconds = round(time.monotonic() - began, 1)
            return all(result.seconds is not None for result in results.values())

        self.street.until(look, PATIENCE_SECONDS)

    def _put_right(self) -> None:
        label = {"metadata": {"labels": {"ddtas.nl/credentials": "true"}}}
        self.street.cluster.merge(KINDS["Secret"], self.street.namespace, CREDENTIALS, label)
        self._all_ready()


@pytest.fixture(scope="module")
def town(cluster: ApiServer, data: Supplier, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    street = Street(cluster, data, tmp_path_factory.mktemp("town"), "town")
    yield Town(street)
    street.end()
    cluster.delete(KINDS["AppListing"], None, listing_of(street))


@pytest.mark.parametrize("fault", CHOSEN)
def test_a_watch_that_fails_is_made_good(town: Town, came_of_it: Callable[[Result], None], fault: str) -> None:
    results = town.meets(fault)
    for result in results.values():
        came_of_it(result)
    assert [f"{r.row}: {text}" for r in results.values() for text in r.violations] == []
    assert [r.row for r in results.values() if not r.reached] == []
