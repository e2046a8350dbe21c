"""Every name that the operator gives to something: API group, labels, annotations, child objects.

Names of children are derived, never stored: the same revision always has the same children, so a restarted operator
finds its Jobs again instead of starting them twice.
"""

import re

NamespacedName = tuple[str, str]
"""Namespace and name of an object; the namespace of a cluster-scoped one is ""."""

GROUP = "ddtas.nl"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FIELD_MANAGER = "ddtas-operator"

# On every child. "Ours" means: carries LABEL_INSTALLATION. The children get labels of our own, never their owner's,
# because a GitOps tool tracks its objects by label and would prune what it did not deploy.
LABEL_INSTALLATION = f"{GROUP}/installation"
LABEL_REVISION = f"{GROUP}/revision"
LABEL_COMPONENT = f"{GROUP}/component"
LABEL_PHASE = f"{GROUP}/phase"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "ddtas-operator"

# A platform team marks the Secrets that the operator may read with this label (any value). A Secret without it does
# not exist for the operator: nobody can have it read a Secret that was meant for something else.
LABEL_CREDENTIALS = f"{GROUP}/credentials"

# On the children that are on a city's own cluster, where no owner reference can lead home, and several platforms (of
# several operators, even) may share a namespace: the uid of the platform, and that of the Installation.
LABEL_PLATFORM = f"{GROUP}/platform-uid"
LABEL_OWNER = f"{GROUP}/owner-uid"
# On a volume there that stays when its Installation goes: the uid of the Installation that uses it, and is no owner.
LABEL_USER = f"{GROUP}/user-uid"
# On a volume: whose data it has.
LABEL_LISTING = f"{GROUP}/listing"
# On an Installation whose children are on a city's own cluster: they are removed before it goes.
FINALIZER = f"{GROUP}/remote-children"
# On an Installation that is being deleted, or its platform, with the value "true": let go of what is on a cluster
# that cannot be reached.
ANNOTATION_ABANDON = f"{GROUP}/abandon"
# On a platform: the identity of the cluster that its kubeconfig leads to now, when it is not the remembered one.
ANNOTATION_ACCEPT_CLUSTER = f"{GROUP}/accept-cluster"

# A new value asks for one more attempt with unchanged inputs; `status.lastRetry` echoes the value that was taken up.
ANNOTATION_RETRY = f"{GROUP}/retry"
# Approves one version of the listing for this Installation alone, like `spec.approvedVersion`.
ANNOTATION_APPROVE = f"{GROUP}/approve"
# On the pod template: digest of the credentials and addresses that are mounted, so that a rotation rolls the app.
ANNOTATION_BINDINGS = f"{GROUP}/bindings-digest"

# On a volume: the version of the app that was started on it last, and may have changed what is on it.
ANNOTATION_DATA_VERSION = f"{GROUP}/data-version"

# On children that may be changed: digest of what was last asked for. What is there may be otherwise, by hand.
ANNOTATION_APPLIED = f"{GROUP}/applied-digest"

# On each Job: tells those that the operator made from those that look like it; its key is in the Secret SEAL, beside
# the Lease.
ANNOTATION_SEAL = f"{GROUP}/seal"
SEAL = "ddtas-operator-seal"

# On an Installation with `spec.removal: Wait`: it is deleted when nobody uses its data products any more.
FINALIZER_CONSUMERS = f"{GROUP}/consumers"
FINALIZERS = (FINALIZER, FINALIZER_CONSUMERS)

# Bounds that keep every derived name within 63 characters: 30 + 1 + 10 + 1 + 20.
MAX_INSTALLATION_NAME = 30
REVISION_ID_LENGTH = 10
REVISION_ID = re.compile(rf"[a-f0-9]{{{REVISION_ID_LENGTH}}}")
MAX_PART_NAME = 20

SERVICE_BINDING_ROOT = "/bindings"
CONFIG_ROOT = "/etc/ddtas"
DATA_ROOT = "/data"
# In the pod of a run that is scored: what is kept from the app, what the app writes, and what starts it.
TRUTH_ROOT = "/truth"
OUTPUT_ROOT = "/output"
SEAL_ROOT = "/seal"
LAUNCHER = f"{SEAL_ROOT}/seal"
# The operator's own containers in the pods of an app: before a run, and beside a component.
FETCH = "fetch"
FOLLOW = "follow"
SCORE = "score"
# What tells such a container which order it was made for: SHA-256 of the file, in hexadecimal.
ORDER_DIGEST = "DDTAS_ORDER_DIGEST"


def revision_prefix(installation: str, revision: str) -> str:
    """The start of the name of every child that belongs to one revision."""
    return f"{installation}-{revision}"


def child(installation: str, revision: str, part: str) -> str:
    """Name of the child `part` (a component, a phase, a data requirement) of one revision."""
    return f"{revision_prefix(installation, revision)}-{part}"


def service(installation: str, component: str) -> str:
    """Name of the Service of a component: it has no revision in it, since it moves from one to the next."""
    return f"{installation}-{component}"


def claim(installation: str, component: str, volume: str) -> str:
    """Name of the PersistentVolumeClaim of a volume: the same for all revisions.

    Neither part may have a dot, so no two volumes of an Installation have the same name, as `a-b` of `c` and `a` of
    `b-c` would with a hyphen. It is longer than a label may be (at most 72 characters), and need not be one.
    """
    return f"{service(installation, component)}.{volume}"


def product(installation: str, part: str) -> str:
    """Name of a data product: as a data source of its platform, and of the Secret that tells where it is."""
    return f"{installation}-{part}"
