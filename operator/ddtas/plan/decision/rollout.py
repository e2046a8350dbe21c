"""Whether a revision's components are ready, and what keeps them from it."""

from ddtas import names
from ddtas.api.workload import Component
from ddtas.plan.children import volumes
from ddtas.plan.decision.view import RevisionView
from ddtas.plan.findings import Finding, Stage, not_yet, true
from ddtas.plan.reasons import Reason
from ddtas.plan.runs import evidence, fetched
from ddtas.plan.snapshot import DeploymentFacts, PodFacts


def obstacle(view: RevisionView) -> Finding | None:
    """What keeps the components of a revision from being ready; None when all of them are."""
    waiting: list[str] = []
    for component in view.revision.inputs.version.components:
        facts = _deployment(view, component)
        if facts is not None and facts.available:
            continue
        pods = view.pods(component=component.name)
        failure = _failure(view, component, facts, pods)
        if failure is not None:
            return failure
        without = _without_node(view, component, pods) or _fetching(pods)
        waiting.append(f"{component.name} ({without})" if without else component.name)
    if waiting:
        return not_yet(Stage.SERVING, Reason.ROLLING_OUT, f"waiting for {', '.join(waiting)} to become ready")
    return None


def _deployment(view: RevisionView, component: Component) -> DeploymentFacts | None:
    child = view.snapshot.children.get(("Deployment", view.renderer.name(component.name)))
    return child.facts if child is not None and isinstance(child.facts, DeploymentFacts) else None


def _failure(
    view: RevisionView, component: Component, facts: DeploymentFacts | None, pods: list[PodFacts]
) -> Finding | None:
    """Why a component will not become ready by waiting; None where it may."""
    reported = view.reported_reason
    image = evidence.waiting_for_image(pods, component.image, reported == Reason.IMAGE_PULL_FAILED)
    if image is not None:
        return not_yet(Stage.SERVING, Reason.IMAGE_PULL_FAILED, f"component {component.name}: {image}")
    # Between two crashes such a pod runs: that it crashes was said, and holds until the component is ready.
    failed = reported == Reason.ROLLOUT_FAILED
    crashed = next(
        (p for p in pods if p.waiting_reason == "CrashLoopBackOff" or (failed and p.exit_code is not None)), None
    )
    unfetched = _unfetched(view, pods, failed)
    if unfetched:
        detail, advice = (
            unfetched,
            f"see `kubectl logs deployment/{view.renderer.name(component.name)} -c {names.FOLLOW}`",
        )
    elif crashed is not None:
        detail, advice = evidence.crashed(crashed, view.hidden), _where_to_look(view, component, pods)
    else:
        detail = facts.stuck if facts is not None else ""
        advice = _without_node(view, component, pods) or _where_to_look(view, component, pods)
    if not detail:
        return None
    return not_yet(Stage.SERVING, Reason.ROLLOUT_FAILED, f"component {component.name}: {detail}; {advice}")


def _unfetched(view: RevisionView, pods: list[PodFacts], failed: bool) -> str:
    """Why what keeps the data fresh does not run; "" where it does, or may yet."""
    for pod in pods:
        if pod.runner is not None and (failed or pod.runner.waiting_reason == "CrashLoopBackOff"):
            return fetched.failure(pod, view.hidden) or ""
    return ""


def _fetching(pods: list[PodFacts]) -> str:
    started = any(p.waiting_reason != "PodInitializing" for p in pods)
    return "its data is being fetched" if fetched.is_fetching(pods) and not started else ""


def _without_node(view: RevisionView, component: Component, pods: list[PodFacts]) -> str:
    """Why no node takes a pod of a component; "" where one does.

    A volume without a node is not wrong in itself: many are made where their first pod is to run.
    """
    said = next((p.unschedulable for p in pods if p.unschedulable), "")
    if not said:
        return ""
    trouble = volumes.trouble(view.snapshot, view.owner.name, component)
    return f"no node takes it: {said}{f'; {trouble}' if trouble else ''}"


def _where_to_look(view: RevisionView, component: Component, pods: list[PodFacts]) -> str:
    """A container that does not start because its volumes cannot be mounted has no log; its pod's Events say it."""
    if component.volumes and any(p.waiting_reason == "ContainerCreating" for p in pods):
        label = f"{names.LABEL_COMPONENT}={component.name}"
        return f"its pod waits, perhaps for a volume; see `kubectl describe pods -l {label}`"
    return f"see `kubectl logs deployment/{view.renderer.name(component.name)}`"


def kept(view: RevisionView) -> Finding:
    """Whether a revision that is kept serves well."""
    deployments = view.snapshot.children_of(view.id, "Deployment")
    facts = [c.facts for c in deployments if isinstance(c.facts, DeploymentFacts)]
    text = f"revision {view.id} (version {view.revision.inputs.version.version}) keeps serving"
    if facts and all(f.available for f in facts):
        return true(Stage.SERVING, Reason.KEEPS_SERVING, text)
    return Finding(Stage.SERVING, "False", Reason.ROLLOUT_FAILED, f"{text}, but not all its components are ready")
