"""Every name that the operator gives to something: API group, labels, annotations, child objects.

Names of children are derived, never stored: the same revision always has the same children, so a restarted operator
finds its Jobs again instead of starting them twice.
"""

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

# A new value asks for one more attempt with unchanged inputs; `status.lastRetry` echoes the value that was taken up.
ANNOTATION_RETRY = f"{GROUP}/retry"
# On the pod template: digest of the credentials and addresses that are mounted, so that a rotation rolls the app.
ANNOTATION_BINDINGS = f"{GROUP}/bindings-digest"

# On an Installation with `spec.removal: Wait`: it is deleted when nobody uses its data products any more.
FINALIZER_CONSUMERS = f"{GROUP}/consumers"

# Bounds that keep every derived name within 63 characters: 30 + 1 + 10 + 1 + 20.
MAX_INSTALLATION_NAME = 30
REVISION_ID_LENGTH = 10
MAX_PART_NAME = 20

SERVICE_BINDING_ROOT = "/bindings"
CONFIG_ROOT = "/etc/ddtas"


def revision_prefix(installation: str, revision: str) -> str:
    """The start of the name of every child that belongs to one revision."""
    return f"{installation}-{revision}"


def child(installation: str, revision: str, part: str) -> str:
    """Name of the child `part` (a component, a phase, a data requirement) of one revision."""
    return f"{revision_prefix(installation, revision)}-{part}"


def service(installation: str, component: str) -> str:
    """Name of the Service of a component: it has no revision in it, since it moves from one to the next."""
    return f"{installation}-{component}"


def product(installation: str, part: str) -> str:
    """Name of a data product: as a data source of its platform, and of the Secret that tells where it is."""
    return f"{installation}-{part}"
