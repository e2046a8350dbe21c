"""Installs the operator and the example into a cluster: the same way for the demonstration and for the tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ddtas_dev import binaries
from ddtas_dev.console import DevError, Progress
from ddtas_dev.layout import NODE_IP
from ddtas_dev.paths import REPO
from ddtas_dev.shell import run

NAMESPACE = "ddtas-system"
RELEASE = "ddtas-operator"

# In the order in which a person would apply them.
EXAMPLES = (
    "namespace",
    "supplier",
    "listing",
    "platform",
    "installation",
    "installation-overfit",
    "second-city",
    "third-city",
)

JsonObject = dict[str, Any]
_OFFERED = "of a version that was offered cannot change"  # what the API server says then


def install_operator(kubeconfig: str, images: Mapping[str, str], **values: str) -> None:
    """CRDs by server-side apply, then the chart; waits until the operator is ready.

    Args:
        kubeconfig: of the cluster.
        images: full references of the images of this project, by their names without a tag.
        values: more values of the chart, as `helm --set` takes them; `__` in a name stands for a dot.
    """
    access = {"KUBECONFIG": kubeconfig}
    repository, _, tag = images["localhost/ddtas-operator"].rpartition(":")
    settings = {"image.repository": repository, "image.tag": tag, "allNamespaces": "true"}
    settings["runner.image"] = images["localhost/ddtas-runner"]
    settings["network.dnsAddresses"] = f"{{{NODE_IP}}}"  # of the embedded node; apps need it there, and nowhere else
    settings |= {name.replace("__", "."): value for name, value in values.items()}
    with Progress("installing the operator"):
        kubectl, helm = binaries.ensure_one("kubectl"), binaries.ensure_one("helm")
        run([kubectl, "apply", "--server-side", "--force-conflicts", "-f", REPO / "crds"], env=access)
        command: list[str | Path] = [helm, "upgrade", "--install", RELEASE, REPO / "charts" / "ddtas-operator"]
        command += ["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "120s"]
        for name, value in settings.items():
            command += ["--set-string" if name == "image.tag" else "--set", f"{name}={value}"]
        run(command, env=access, hint=f"see `./dev kubectl -n {NAMESPACE} logs deployment/{RELEASE}`")


def example_manifests(images: Mapping[str, str], files: Sequence[str] = EXAMPLES) -> list[JsonObject]:
    """The objects of files below examples/, with each image `…:latest` replaced by the one that was built."""
    text = "---\n".join((REPO / "examples" / f"{name}.yaml").read_text() for name in files)
    for name, reference in images.items():
        text = text.replace(f"{name}:latest", reference)
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def apply_examples(kubeconfig: str, manifests: Sequence[JsonObject]) -> None:
    """The same of the examples, whose images may have been built anew since they were put into the store.

    A version that was offered cannot be edited: its listing is taken out of the store first, and put in again.
    """
    try:
        apply(kubeconfig, manifests)
    except DevError as error:
        if _OFFERED not in str(error):
            raise
        listings = [m["metadata"]["name"] for m in manifests if m["kind"] == "AppListing"]
        kubectl = binaries.ensure_one("kubectl")
        run([kubectl, "delete", "applisting", "--ignore-not-found", *listings], env={"KUBECONFIG": kubeconfig})
        apply(kubeconfig, manifests)


def apply(kubeconfig: str, manifests: Sequence[JsonObject]) -> None:
    """Server-side apply of some objects, in their order."""
    documents = "\n---\n".join(json.dumps(manifest) for manifest in manifests)
    kubectl = binaries.ensure_one("kubectl")
    command: list[str | Path] = [kubectl, "apply", "--server-side", "--force-conflicts", "-f", "-"]
    run(command, env={"KUBECONFIG": kubeconfig}, stdin=documents)
