"""Configuration files of the real node. Pure: layout in, text out."""

import json
from pathlib import Path
from typing import Any

from ddtas_dev.layout import (
    BRIDGE,
    CLUSTER_DOMAIN,
    NODE_IP,
    NODE_NAME,
    PAUSE_IMAGE,
    POD_CIDR,
    Layout,
)

CNI_PLUGINS = "/usr/lib/cni"

CONTAINERD = """\
version = 3
root = "{root}"
state = "{state}"
# Parts that a development node does not need, and that would leave files elsewhere on the machine.
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

[plugins."io.containerd.shim.v1.manager"]
  socket_dir = "{shims}"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{snapshotter}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{pause}"

[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE nothing may lower its OOM score, and runc dies of trying.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{runc}"
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{cni_plugins}"]
    use_internal_loopback = true
    conf_dir = "{cni}"
"""

# CoreDNS runs beside the node's other programs and is asked at the node's address: it needs no pod, image or Service.
COREFILE = """\
. {{
    bind {ip}
    errors
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
    {forward}
    cache 5
}}
"""


def containerd(layout: Layout, snapshotter: str) -> str:
    """containerd's configuration."""
    return CONTAINERD.format(
        root=layout.node / "containerd",
        state=layout.volatile / "containerd",
        socket=layout.containerd_socket,
        shims=layout.shim_sockets,
        runc=layout.volatile / "runc",
        snapshotter=snapshotter,
        pause=PAUSE_IMAGE,
        cni_plugins=CNI_PLUGINS,
        cni=layout.node / "cni",
    )


def cni(layout: Layout) -> str:
    """The pods' network: one bridge, addresses from one range, and ports of the host where a pod asks for them."""
    return _json(
        {
            "cniVersion": "1.0.0",
            "name": layout.name,
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": BRIDGE,
                    "isGateway": True,
                    "ipMasq": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": str(layout.node / "cni-addresses"),
                        "ranges": [[{"subnet": POD_CIDR}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
    )


def kubelet(layout: Layout, resolv_conf: Path) -> str:
    """The kubelet's configuration."""
    return _json(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
            "podLogsDir": str(layout.node / "pod-logs"),
            "volumePluginDir": str(layout.state / "volume-plugins"),
            "resolvConf": str(resolv_conf),
            "clusterDNS": [NODE_IP],
            "clusterDomain": CLUSTER_DOMAIN,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "address": NODE_IP,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": layout.cgroup,
            # Debian and many containers still have version 1; the kubelet refuses it unless told otherwise.
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            "localStorageCapacityIsolation": False,
            "oomScoreAdj": 0,
            # There is no registry to fetch an image from again: never collect one, whatever the disk says.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "imageMaximumGCAge": "0s",
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "configMapAndSecretChangeDetectionStrategy": "Watch",
        }
    )


def kube_proxy(layout: Layout) -> str:
    """kube-proxy's configuration."""
    return _json(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(layout.kubeconfig)},
            "mode": "iptables",
            "clusterCIDR": POD_CIDR,
            "hostnameOverride": NODE_NAME,
            "oomScoreAdj": 0,
            # Limits that hold for the whole machine: 0 leaves them as they are.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
    )


def corefile(layout: Layout, forward: bool) -> str:
    """CoreDNS's configuration; names of the outside world only where the machine itself can resolve them."""
    return COREFILE.format(
        ip=NODE_IP,
        domain=CLUSTER_DOMAIN,
        kubeconfig=layout.kubeconfig,
        forward="forward . /etc/resolv.conf" if forward else "# no name server to ask about the outside world",
    )


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1) + "\n"
