"""The files and addresses of one embedded cluster."""

from dataclasses import dataclass
from pathlib import Path

from ddtas_dev import paths

# The real node lives behind its own bridge. The address of that bridge is the node's address: it does not change
# when a laptop changes networks, and it is there on a machine without any network.
BRIDGE = "ddtas0"
POD_CIDR = "10.244.0.0/24"
NODE_IP = "10.244.0.1"
# An address of its own: without one, a bridge has the lowest of its ports' addresses, and changes it when a pod comes
# or goes. Whoever still has the old one in mind reaches nothing, the DNS server included, for ten seconds.
BRIDGE_MAC = "0a:58:0a:f4:00:01"
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_IP = "10.96.0.1"
CLUSTER_DOMAIN = "cluster.local"
NODE_NAME = "ddtas-node"
FAKE_NODE_NAME = "fake-node"
FAKE_NODE_ANNOTATION = "kwok.x-k8s.io/node"
# Of netfilter: where the first packets of the pods' connections wait for a verdict by NetworkPolicies.
POLICY_QUEUE = 100
PAUSE_IMAGE = "localhost/ddtas-pause:1"


@dataclass(frozen=True)
class Layout:
    """Where an embedded cluster of a given name keeps what."""

    name: str

    @property
    def state(self) -> Path:
        """All that survives a reboot."""
        return paths.state() / self.name

    @property
    def volatile(self) -> Path:
        """Sockets and mounts of the node: short paths, gone after a reboot."""
        return Path("/run/ddtas") / self.name

    @property
    def kubeconfig(self) -> Path:
        """Administrator's access, certificates inside."""
        return self.state / "kubeconfig"

    @property
    def kwok_home(self) -> Path:
        """What kwokctl takes for its home, in place of ~/.kwok."""
        return self.state / "kwok"

    @property
    def control_plane(self) -> Path:
        """The folder that kwokctl makes for a cluster."""
        return self.kwok_home / "clusters" / self.name

    @property
    def pki(self) -> Path:
        """Certificates that kwokctl makes."""
        return self.control_plane / "pki"

    @property
    def audit_log(self) -> Path:
        """One line for each request that the API server has answered."""
        return self.control_plane / "logs" / "audit.log"

    @property
    def kind_audit_log(self) -> Path:
        """The same of a cluster that kind runs."""
        return self.state / "audit" / "audit.log"

    @property
    def node(self) -> Path:
        """The real node's configuration, images and containers."""
        return self.state / "node"

    @property
    def logs(self) -> Path:
        """Logs of the real node's programs."""
        return self.node / "logs"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.volatile / "containerd.sock"

    @property
    def shim_sockets(self) -> Path:
        """Where each container's supervisor listens."""
        return self.volatile / "s"

    @property
    def cgroup(self) -> str:
        """The parent of all pods' cgroups."""
        return f"/ddtas-{self.name}"
