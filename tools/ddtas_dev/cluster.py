"""A cluster for everyone: the one that is given, kind where Docker is, else one of this machine's own processes."""

import os
from dataclasses import dataclass
from pathlib import Path

from ddtas_dev import binaries, embedded, images, kind, paths
from ddtas_dev.console import DevError
from ddtas_dev.engine import docker_answers
from ddtas_dev.layout import Layout
from ddtas_dev.shell import run

DEMO = "ddtas"
TEST = "ddtas-test"
TEST_CITY = "ddtas-test-city"


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs. ``kubeconfig`` is a value for the variable KUBECONFIG."""

    name: str
    kubeconfig: str
    audit_log: Path | None
    backend: str

    def load(self, built: list[images.Image]) -> None:
        """Make images known to its nodes."""
        if self.backend == "kind":
            kind.load(self.name, [image.reference for image in built])
        elif self.backend == "embedded":
            images.load_into_containerd(Layout(self.name).containerd_socket, built)
        # A cluster that was given pulls its images as it always does.


def up(name: str, node: bool = True, kubeconfig: str | None = None, context: str | None = None) -> Cluster:
    """Make a cluster run, or find the one that runs. A cluster that was given is used as it is."""
    if access := given(kubeconfig, context):
        _require_answer(access)
        return Cluster("given", access, None, "given")
    if uses_kind(node):
        layout = kind.up(name)
        return Cluster(name, str(layout.kubeconfig), layout.kind_audit_log, "kind")
    layout = embedded.up(name, node)
    return Cluster(name, str(layout.kubeconfig), layout.audit_log, "embedded")


def is_up(name: str, node: bool = True) -> bool:
    """Whether it runs already: then whoever started it wants to keep it."""
    if given(None, None):
        return True
    return kind.exists(name) if uses_kind(node) else embedded.is_running(name, node)


def down(name: str) -> None:
    """Remove a cluster that we made, and everything that came with it."""
    if docker_answers() and kind.exists(name):
        kind.down(name)
    embedded.down(name)


def names() -> list[str]:
    """The clusters that we have made."""
    folders = sorted(paths.state().iterdir()) if paths.state().is_dir() else []
    return [folder.name for folder in folders if folder.is_dir()]


def status(name: str) -> str:
    """What there is of a cluster, for a person."""
    if docker_answers() and kind.exists(name):
        return f"{name}: kind cluster, KUBECONFIG={Layout(name).kubeconfig}"
    return embedded.status(name)


def uses_kind(node: bool) -> bool:
    """Containers need a real node: kind brings one where Docker is. Without a node, processes are faster."""
    return docker_answers() and (node or not embedded.possible(node))


def given(kubeconfig: str | None, context: str | None) -> str | None:
    """Access to a cluster that somebody else made: from the options, or the variable KUBECONFIG."""
    access = kubeconfig or os.environ.get("KUBECONFIG")
    if access is not None and kubeconfig is None and Path(access).is_relative_to(paths.state()):
        access = None  # one of ours, exported for a shell: it is found by its name
    if context is None:
        return access
    source = {"KUBECONFIG": access} if access else {}
    kubectl = binaries.ensure_one("kubectl")
    content = run([kubectl, "config", "view", "--raw", "--flatten", "--minify", "--context", context], env=source)
    # Tools differ in how they take a context; a file with that one alone suits all.
    file = paths.state() / "given.kubeconfig"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(content)
    return str(file)


def _require_answer(access: str) -> None:
    kubectl = binaries.ensure_one("kubectl")
    hint = f"The cluster that was given (KUBECONFIG={access}) does not answer. Unset KUBECONFIG to have one made."
    run([kubectl, "--request-timeout=10s", "get", "--raw", "/version"], env={"KUBECONFIG": access}, hint=hint)


def access_of_running() -> str:
    """KUBECONFIG for `kubectl` and `helm`: the variable if it is set, else the cluster that runs."""
    if access := os.environ.get("KUBECONFIG"):
        return access
    for name in (DEMO, TEST, *names()):
        if Layout(name).kubeconfig.exists():
            return str(Layout(name).kubeconfig)
    raise DevError("there is no cluster: start one with `./dev cluster up`, or set KUBECONFIG")
