"""Where the tests live: namespaces with a platform each, apps in the store, and one data supplier for all."""

import re
import secrets
from collections.abc import Mapping

import e2e_apps as apps
from e2e_kit import KINDS, NAMESPACE, Cluster, JsonObject, Twin

from ddtas_dev import deploy

# Namespaces and listings are named by the session, so that one that is still ending is never met again.
SESSION = secrets.token_hex(2)
_OURS = re.compile(r"e2e-[0-9a-f]{4}-")


def sweep(cluster: Cluster) -> None:
    """Take away what a session left that was killed."""
    for kind in ("AppListing", "Namespace"):
        for left in cluster.all(KINDS[kind]):
            if _OURS.match(left["metadata"]["name"]):
                cluster.delete(KINDS[kind], None, left["metadata"]["name"])


def install(cluster: Cluster, images: Mapping[str, str], **values: str) -> None:
    """The operator by its chart; the data suppliers of the tests, and of the examples, are for all cities."""
    shared = ",".join(f"e2e-{SESSION}-{name}" for name in ("supplier", "example"))
    deploy.install_operator(cluster.kubeconfig, images, network__sharedNamespaces=f"{{{shared}}}", **values)


class City:
    """Makes namespaces and listings, and takes them away again."""

    def __init__(self, cluster: Cluster, image: str) -> None:
        self.cluster, self.image = cluster, image
        self.endpoint = ""
        self._namespaces: list[str] = []
        self._listings: list[str] = []

    def namespace(self, name: str) -> str:
        """A new, restricted namespace."""
        full = f"e2e-{SESSION}-{name}"
        self._namespaces.append(full)
        self.cluster.apply(apps.namespace(full))
        return full

    def start_supplier(self) -> None:
        """One data server for all tests."""
        space = self.namespace("supplier")
        labels = {"app": "supplier"}
        container: JsonObject = {
            "image": self.image,
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
        }
        spec = {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]}
        metadata = {"name": "supplier", "namespace": space}
        self.cluster.apply(
            apps.restricted_pod(space, "supplier", labels, container),
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},
        )

        def answers() -> bool:
            return self.cluster.ask(space, "supplier", 80, "/healthz")[0] == 200

        self.cluster.wait("answer of the data supplier", answers, space)
        self.endpoint = f"http://supplier.{space}.svc/discharge.csv"

    def listing(self, name: str, *versions: JsonObject) -> str:
        """An app in the store; the same name again edits it."""
        full = f"e2e-{SESSION}-{name}"
        if full not in self._listings:
            self._listings.append(full)
        self.cluster.apply(apps.listing(full, *versions))
        return full

    def install(self, name: str, *versions: JsonObject, **spec: object) -> Twin:
        """A namespace, a platform, a listing and an Installation: a city of its own."""
        space = self.namespace(name)
        listing = self.listing(name, *versions)
        self.cluster.apply(apps.platform(space, self.endpoint), apps.installation(space, name, listing, **spec))
        return Twin(self.cluster, space, name)

    def end(self) -> None:
        """Take everything away, and wait until the namespaces are gone."""
        for listing in self._listings:
            self.cluster.delete(KINDS["AppListing"], None, listing)
        for space in self._namespaces:
            self.cluster.delete(NAMESPACE, None, space)
        for space in self._namespaces:
            self.cluster.wait(
                f"end of namespace {space}",
                lambda space=space: self.cluster.find(NAMESPACE, None, space) is None,  # type: ignore[misc]
            )
