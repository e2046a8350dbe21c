"""Who attacks: ServiceAccounts with the roles that the chart ships, or Kubernetes' own, in one city's namespace."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_kit import OURS, REPO, SESSION, ApiServer, JsonObject, Refused

from ddtas.cluster.rest.resources import ResourceType

ACCOUNT = ResourceType("ServiceAccount", "/api/v1", "serviceaccounts")
BINDING = ResourceType("RoleBinding", "/apis/rbac.authorization.k8s.io/v1", "rolebindings")
CLUSTER_BINDING = ResourceType("ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings")
_RBAC = "rbac.authorization.k8s.io"

RELEASE = f"roles-{SESSION}"


class Role(StrEnum):
    """A role that somebody has."""

    STORE_VIEWER = "store-viewer"
    MARKET_MASTER = "market-master"
    VIEWER = "viewer"
    MARKETPLACE = "marketplace"
    PLATFORM_TEAM = "platform-team"
    # Kubernetes' own, to which the chart adds.
    VIEW = "view"
    EDIT = "edit"
    ADMIN = "admin"

    @property
    def cluster_role(self) -> str:
        """The ClusterRole that says what it may do."""
        return str(self) if self in (Role.VIEW, Role.EDIT, Role.ADMIN) else f"{RELEASE}-{self}"

    @property
    def everywhere(self) -> bool:
        """Whether it is about the store, which has no namespace."""
        return self in (Role.STORE_VIEWER, Role.MARKET_MASTER)


def ship(cluster: ApiServer, folder: Path) -> None:
    """The roles as the chart has them."""
    command = ["helm", "template", RELEASE, str(REPO / "charts" / "ddtas-operator"), "-n", "default"]
    command += ["--show-only", "templates/roles.yaml", "--set", "namespaces={default}"]
    file = folder / "roles.yaml"
    file.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    said = cluster.kubectl("apply", "--server-side", "-f", str(file))
    assert said.count("serverside-applied") == 5, said
    cluster.kubectl("label", "clusterrole", "-l", f"app.kubernetes.io/instance={RELEASE}", f"{OURS}={SESSION}")


@dataclass(frozen=True)
class Actor:
    """Somebody with a role in a namespace (or in the store), who speaks to the API server with a token of his own."""

    role: str
    namespace: str
    server: ApiServer

    def refused(self, attempt: Callable[[ApiServer], Any], *said: str) -> str:
        """Try something that must be refused; what the API server says.

        Args:
            attempt: what is tried.
            said: what the refusal must have in it.
        """
        with pytest.raises(Refused) as refusal:
            attempt(self.server)
        assert refusal.value.status in (400, 403, 409, 422), refusal.value
        for part in said:
            assert part in str(refusal.value)
        return str(refusal.value)

    def forbidden(self, attempt: Callable[[ApiServer], Any]) -> str:
        """Try something that the role does not give."""
        return self.refused(attempt, "HTTP 403", "cannot")


Actors = Callable[[Role], Actor]


def actor(cluster: ApiServer, role: Role, namespace: str, folder: Path) -> Actor:
    """Make one, with a RoleBinding as docs/operations.md says; in the store with a ClusterRoleBinding."""
    name = f"{role}-{namespace}"
    metadata = {"name": name, "labels": {OURS: SESSION}}
    cluster.request("POST", ACCOUNT.path(namespace), {"metadata": metadata})
    bound = {
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role.cluster_role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    path = CLUSTER_BINDING.path() if role.everywhere else BINDING.path(namespace)
    cluster.request("POST", path, bound)
    path = f"{ACCOUNT.path(namespace, name)}/token"
    token = cluster.request("POST", path, {"spec": {"expirationSeconds": 7200}})["status"]["token"]
    return Actor(str(role), namespace, as_user(cluster, token, folder / f"{name}.yaml"))


def as_user(cluster: ApiServer, token: str, file: Path) -> ApiServer:
    """The same API server, for somebody with a token."""
    admin: JsonObject = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    access = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": admin["clusters"][0]["cluster"]}],
        "users": [{"name": "somebody", "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "somebody"}}],
        "current-context": "tests",
    }
    file.write_text(yaml.safe_dump(access))
    return ApiServer(str(file), cluster.audit_log)
