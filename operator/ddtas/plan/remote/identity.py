"""A city's own cluster: may work be done there, and what to say where it may not. Pure.

A cluster is known by its identity, UID/NAMESPACE: the UID of its namespace kube-system (where that may not be read, of
the workloads' own), and the namespace that the kubeconfig names. The first identity that is seen is remembered in the
platform's status; behind the same URL, another one is never worked on until a person has accepted it.
"""

from dataclasses import dataclass

from ddtas import names
from ddtas.api.platform import ClusterStatus, MunicipalityPlatform
from ddtas.plan.findings import Finding
from ddtas.plan.reasons import Course, Reason, Refusal

CLUSTER_REACHABLE = "ClusterReachable"


@dataclass(frozen=True, slots=True)
class ClusterObservation:
    """What is known of a cluster now.

    Attributes:
        reason: CLUSTER_REACHABLE when it answers, CLUSTER_CONNECTING before the first answer, or why it does not.
        message: for a person.
        identities: those that it may be remembered by, best first.
        kubernetes_version: such as "1.36".
    """

    reason: Reason
    message: str = ""
    identities: tuple[str, ...] = ()
    kubernetes_version: str = ""


CONNECTING = ClusterObservation(Reason.CLUSTER_CONNECTING, "the city's cluster has not answered yet")


def namespace_of(identity: str) -> str:
    """The workloads' namespace."""
    return identity.rpartition("/")[2]


def judge(platform: MunicipalityPlatform, seen: ClusterObservation) -> tuple[Finding, ClusterStatus | None]:
    """The condition ClusterReachable of a platform with a cluster of its own, and what its status is to remember."""
    known = platform.status.cluster
    if seen.reason is Reason.CLUSTER_CONNECTING:
        # After a restart, what was said before holds until there is an answer.
        said = next((c for c in platform.status.conditions if c.type == CLUSTER_REACHABLE), None)
        if said is not None:
            return Finding(CLUSTER_REACHABLE, said.status, Reason.named(said.reason), said.message), known
        return Finding(CLUSTER_REACHABLE, "Unknown", seen.reason, seen.message), known
    if seen.reason is not Reason.CLUSTER_REACHABLE:
        return Finding(CLUSTER_REACHABLE, "False", seen.reason, seen.message), known
    accepted = platform.metadata.annotations.get(names.ANNOTATION_ACCEPT_CLUSTER)
    if known is None:
        identity = seen.identities[0]
    elif known.identity in seen.identities:
        identity = known.identity
    elif accepted is not None and accepted in seen.identities:
        identity = accepted
    else:
        now = seen.identities[0]
        text = (
            f"the kubeconfig leads to cluster {now}, and led to {known.identity} before: nothing is done there. "
            f"Correct the kubeconfig; or, if the workloads are to be made again there, annotate the platform with "
            f"{names.ANNOTATION_ACCEPT_CLUSTER}={now}"
        )
        return Finding(CLUSTER_REACHABLE, "False", Reason.CLUSTER_REPLACED, text), known
    text = f"namespace {namespace_of(identity)}, Kubernetes {seen.kubernetes_version}"
    remembered = ClusterStatus(identity=identity, kubernetes_version=seen.kubernetes_version)
    return Finding(CLUSTER_REACHABLE, "True", Reason.CLUSTER_REACHABLE, text), remembered


def obstacle(name: str, platform: MunicipalityPlatform | None, fault: str | None, seen: ClusterObservation) -> Refusal:
    """Why nothing can be done on a platform's cluster; CLUSTER_CONNECTING where that will show in a moment.

    Args:
        name: of the platform.
        platform: None where there is none, or it cannot be read.
        fault: why it cannot be read.
        seen: what is known of its cluster.
    """
    if fault is not None:
        return Refusal(Reason.PLATFORM_INVALID, f"MunicipalityPlatform {name}: {fault}")
    if platform is None:
        text = f"MunicipalityPlatform {name} is gone, and with it the kubeconfig"
        return Refusal(Reason.PLATFORM_NOT_FOUND, text)
    if platform.spec.cluster is None:
        return Refusal(Reason.KUBECONFIG_MISSING, f"platform {name} names no cluster any more, as it did")
    finding, _ = judge(platform, seen)
    reason = Reason.CLUSTER_CONNECTING if finding.status == "True" else finding.reason
    return Refusal(reason, f"platform {name}: {finding.message}")


def blocked_removal(reason: Reason, message: str) -> str:
    """What to say of an Installation that is being deleted while its objects cannot be removed."""
    way_out = f"if the cluster is gone for good, annotate this Installation with {names.ANNOTATION_ABANDON}=true"
    hint = "" if reason.course is Course.WORKING else f"; the deletion waits for that ({way_out})"
    return f"{message}{hint}"
