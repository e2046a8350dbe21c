"""After a fault, when all is well again: what must hold of each Installation of a street."""

import time

from faults_invariants import UNTOLD, orphans, violations
from faults_proxy import Call
from faults_street import CONFIG_MAP, Street, is_of
from faults_table import Result

QUIET_SECONDS = 2.0
ORPHANS_SECONDS = 30.0
PROOF_SECONDS = 5.0


class Judge:
    """Remembers what it has said already: what happened once is told of one course."""

    def __init__(self, street: Street, meddled: bool = False) -> None:
        """Look at a street; `meddled` where people take children away."""
        self._street, self._meddled = street, meddled
        self._known: dict[str, set[str]] = {}

    def look(self, results: dict[str, Result]) -> None:
        """Add what does not hold to the results of these Installations."""
        street, first = self._street, next(iter(results.values()))
        rested = street.rests()
        self._nothing_is_left(results)
        mark = street.cluster.mark()
        time.sleep(QUIET_SECONDS)
        late = street.writes(mark)
        if street.remembers:
            for name, texts in self._breaches(results).items():
                results[name].violations += texts
        for name, result in results.items():
            for bait in street.baits.get(name, []):
                if street.cluster.find(CONFIG_MAP, street.namespace, bait["metadata"]["name"]) != bait:
                    result.violations.append(f"ConfigMap {bait['metadata']['name']} of somebody else was touched")
            if rested:
                result.violations += [
                    f"at rest: {write.verb} {write.kind} {write.name}"
                    for write in late
                    if is_of(Call(write.verb, write.kind, name=write.name), name)
                ]
        if not rested:
            first.violations.append("the operator does not come to rest")
        first.violations += street.ended_by_itself
        street.ended_by_itself.clear()

    def _breaches(self, results: dict[str, Result]) -> dict[str, list[str]]:
        """What is new of what did not hold of all that happened; what proves it may be a moment late."""
        street, found = self._street, {}

        def proven() -> bool:
            seen, told = street.witness.seen(), street.events()
            leaving = frozenset(e.body["metadata"]["uid"] for e in seen if e.kind == "Installation" and e.leaves)
            for name in results:
                known = self._known.setdefault(name, set())
                found[name] = [
                    text
                    for text in violations(name, seen, told, leaving, self._meddled, street.shifts)
                    if text not in known
                ]
                if not street.tells:
                    found[name] = [text for text in found[name] if not text.startswith(UNTOLD)]
            return not any(found.values())

        street.until(proven, PROOF_SECONDS)
        for name, texts in found.items():
            self._known[name].update(texts)
        return found

    def _nothing_is_left(self, results: dict[str, Result]) -> None:
        """No orphan; the garbage collector and the removal of old revisions may need a moment."""
        left: dict[str, list[str]] = {}

        def look() -> bool:
            there, children = self._street.installations(), self._street.children()
            found = {name: orphans(name, there.get(name), children) for name in results}
            left.clear()
            left.update({name: texts for name, texts in found.items() if texts})
            return not left

        self._street.until(look, ORPHANS_SECONDS)
        for name, texts in left.items():
            results[name].violations += texts
