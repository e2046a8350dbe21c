"""The decision: what should exist now, and what is true, given a Snapshot. Pure.

    accept → bind → provision → calibrate → validate → serve

Each stage looks at what the one before it established and either passes on, or stops with a finding that says why.
Beside the *target* (the revision that the spec asks for) there may be a *serving* revision, which is kept whole until
the target's Services lead to the target.
"""

from dataclasses import replace

from ddtas.api.platform import MunicipalityPlatform
from ddtas.plan.decision import stages
from ddtas.plan.decision.bind import wire_all
from ddtas.plan.decision.compose import Decision, compose
from ddtas.plan.decision.plan import Plan
from ddtas.plan.decision.runs import monitor
from ddtas.plan.decision.situation import Situation
from ddtas.plan.decision.step import Progress
from ddtas.plan.decision.target import find_target
from ddtas.plan.decision.view import RevisionView
from ddtas.plan.findings import Stage
from ddtas.plan.reasons import Refusal
from ddtas.plan.runs import recalibration
from ddtas.plan.snapshot import Snapshot
from ddtas.plan.turns import Turns, in_turns


@in_turns
def decide(snapshot: Snapshot) -> Turns[Plan]:
    """Decide what to do next about one Installation.

    The plan depends on the snapshot alone: the same snapshot gives the same plan.
    """
    situation = Situation.of(snapshot)
    target = yield from find_target.turns(situation)
    yield
    lead = stages.advance(target.view) if target.view is not None else None
    serving = lead.id if lead is not None and _serves(lead) else situation.past.serving
    yield
    kept = _kept(situation, serving) if serving is not None and (lead is None or serving != lead.id) else None
    ended = recalibration.ended(lead.status) if lead is not None else None
    yield
    return compose(_monitored(Decision(situation, target, lead, kept, serving, ended)))


def _serves(lead: Progress) -> bool:
    """Whether all stages of the target hold, so that it is what serves."""
    last = lead.findings[-1]
    return last.condition == Stage.SERVING and last.holds


def _kept(situation: Situation, serving: str) -> Progress | None:
    """The serving revision from its own record, where that can still be read and rendered."""
    snapshot = situation.snapshot
    known = snapshot.installation.status.evidence(serving)
    if known is None or known.calibration is None or known.validation is None:
        return None
    record = situation.past.recorded(serving)
    if record is None:
        return None
    wiring = None
    if isinstance(snapshot.platform, MunicipalityPlatform):
        wired = wire_all(snapshot, record.inputs.bindings)
        wiring = wired if not isinstance(wired, Refusal) else None
    view = RevisionView(snapshot, situation.owner, record, wiring, known, serves=True, kept=True)
    return Progress(view, view.status).after(stages.keep(view, view.status))


def _monitored(decision: Decision) -> Decision:
    """With the monitoring of the revision that serves, where its objects can be made."""
    active = decision.active
    if active is None or not active.view.complete:
        return decision
    monitored = monitor(active.view, active.status, start=decision.ended is not None)
    after = active.after(monitored.step)
    if active is decision.lead:
        return replace(decision, lead=after, monitoring=monitored.newest)
    return replace(decision, kept=after, monitoring=monitored.newest)
