"""Why a city's own cluster cannot be worked on, for a person: what is wrong, where, and what to do next."""

from ddtas.errors import ClusterError, NotFound
from ddtas.plan.reasons import Reason
from ddtas.plan.remote import kubeconfig
from ddtas.plan.remote.identity import ClusterObservation

FORBIDDEN = (401, 403)


class HomeError(Exception):
    """The kubeconfig leads to the cluster that the operator itself is in."""


def explain(access: kubeconfig.Access, error: Exception, refused: str) -> ClusterObservation:
    """Why a cluster cannot be worked on.

    Args:
        access: what the kubeconfig says.
        error: that the last poll ended with.
        refused: the address that the operator may not connect to; "" where there was none.
    """
    server = access.server
    if refused:
        text = f"{server} leads to {refused}, where the operator may not connect to: correct the kubeconfig, or ask "
        return ClusterObservation(
            Reason.CLUSTER_ADDRESS_FORBIDDEN, f"{text}whoever runs the operator to allow that range"
        )
    if isinstance(error, HomeError):
        text = (
            f"{server} is the cluster that the operator itself runs in: leave spec.cluster out of a platform whose "
            "apps run beside it"
        )
        return ClusterObservation(Reason.CLUSTER_IS_HOME, text)
    if isinstance(error, NotFound):
        text = f"{server} has no namespace {access.namespace}: prepare it, or correct the kubeconfig"
        return ClusterObservation(Reason.CLUSTER_UNAUTHORIZED, text)
    if isinstance(error, ClusterError) and error.status in FORBIDDEN:
        text = f"{server}: {error.message}: give the account its Role again, or put a new token into the kubeconfig"
        return ClusterObservation(Reason.CLUSTER_UNAUTHORIZED, text)
    said = error.message if isinstance(error, ClusterError) and error.status == 0 else None
    what = "does not answer as an API server does" if said is None else "does not answer"
    text = f"{server} {what}: what runs there runs on; it is tried again"
    if said is not None and "CERTIFICATE_VERIFY_FAILED" in said:
        text = f"{server} has a certificate that the kubeconfig's certificate-authority-data does not vouch for"
    return ClusterObservation(Reason.CLUSTER_UNREACHABLE, text)
