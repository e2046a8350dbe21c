"""What an app's templates may put into a city's namespace: an allow-list, field by field.

- Kinds: ConfigMap, Service (ClusterIP), Deployment. Every name begins with the revision's prefix.
- One label, `app`, with a value that begins with the prefix: it is what Deployments and Services select by. So no
  Service takes traffic meant for another app, and no pod gets any. The operator adds its own labels afterwards.
- Pods keep to Pod Security "restricted", and to more: no Secret, no service account token, no ConfigMap of another
  app, nothing about where the pod runs; and every container says what processor and memory it needs.

The rules are data: `_kinds` below reads as the list of what is allowed, and `allowed_pods` of what pods may have.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ddtas.errors import TemplateError
from ddtas.plan.children import allowed_pods
from ddtas.plan.children.allowed import (
    FLAG,
    NUMBER_OR_PERCENTAGE,
    PINNED_IMAGE,
    PORT,
    PORT_OR_NAME,
    SECONDS,
    TEXT,
    Allowed,
    fields,
    integer,
    list_of,
    map_of,
    one_of,
    short,
    value_that,
)
from ddtas.plan.children.pod_security import restricted_violations

SHOWN_VIOLATIONS = 3

_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"

# Annotations steer controllers: a DNS record, an ingress, an injected sidecar. Only these are harmless.
_ANNOTATIONS = frozenset(f"prometheus.io/{name}" for name in ("scrape", "port", "path", "scheme"))


def admit(
    objects: Sequence[dict[str, Any]],
    *,
    prefix: str,
    namespace: str,
    taken: Collection[tuple[str, str]] = (),
    pinned: bool = False,
) -> list[dict[str, Any]]:
    """The same objects, once each has proved to be one that an app may have.

    Args:
        objects: as rendered by `ddtas.plan.children.template`.
        prefix: what each name begins with, followed by a hyphen.
        namespace: the only one that the objects may name; they need not.
        taken: (kind, name) of the children that the operator makes itself.
        pinned: the store asks for images with a digest.

    Raises:
        TemplateError: TemplateForbidden, with the first three violations.
    """
    kinds = _kinds(prefix, namespace, pinned)
    identities = set(taken)
    violations: list[str] = []
    for item in objects:
        kind, name = identity = _identity(item)
        violated = _violations(item, kinds)
        if identity in identities:
            violated.append("another object has this kind and name: choose another name")
        identities.add(identity)
        violations += [f"{short(kind)} {short(name)}: {violation}" for violation in violated]
    if violations:
        more = f"; and {len(violations) - SHOWN_VIOLATIONS} more" if len(violations) > SHOWN_VIOLATIONS else ""
        raise TemplateError("TemplateForbidden", "; ".join(violations[:SHOWN_VIOLATIONS]) + more)
    return list(objects)


def _identity(item: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name, whatever else is wrong with the object."""
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return str(item.get("kind") or "object"), str(name or "without a name")


def _violations(item: Mapping[str, Any], kinds: Mapping[tuple[str, str], Allowed]) -> list[str]:
    check = kinds.get((str(item.get("apiVersion")), str(item.get("kind"))))
    if check is None:
        allowed = ", ".join(f"{kind} ({version})" for version, kind in kinds)
        return [f"kind {short(item.get('kind'))} ({short(item.get('apiVersion'))}) is not allowed: use {allowed}"]
    violations = list(check(item, ""))
    if not violations and item["kind"] == "Deployment":  # only now is each value of the type that it should be
        violations = [
            f"spec.template.spec.{violation}" for violation in restricted_violations(item["spec"]["template"]["spec"])
        ]
        violations += _selector_violations(item)
    return violations


def _selector_violations(deployment: Mapping[str, Any]) -> list[str]:
    """A Deployment selects the pods that it makes."""
    spec = deployment["spec"]
    if spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]:
        return []
    return ["spec.selector.matchLabels must equal spec.template.metadata.labels"]


def _kinds(prefix: str, namespace: str, pinned: bool) -> dict[tuple[str, str], Allowed]:
    """All that is allowed: for each (apiVersion, kind), its fields."""
    own = value_that(
        lambda value: (
            isinstance(value, str)
            and len(value) <= 63
            and value.startswith(f"{prefix}-")
            and re.fullmatch(_DNS_LABEL, value) is not None
        ),
        f"a name that begins with {prefix}- (write {{{{ prefix }}}}-…), of at most 63 lower-case letters, digits and -",
    )
    labels = map_of(lambda key: key == "app", own, "the only label is app")
    annotations = map_of(
        lambda key: "/" not in key or key in _ANNOTATIONS, TEXT, "only prometheus.io/… and keys without a domain are"
    )
    metadata = fields({"name": own}, {"labels": labels, "annotations": annotations, "namespace": one_of(namespace)})
    selector = fields({"app": own})
    head: dict[str, Allowed] = {"apiVersion": TEXT, "kind": TEXT, "metadata": metadata}
    pod = fields(
        {
            "metadata": fields({"labels": selector}, {"annotations": annotations}),
            "spec": allowed_pods.pod(own, PINNED_IMAGE if pinned else TEXT),
        },
    )
    return {
        ("v1", "ConfigMap"): fields(head, {"data": map_of(lambda _: True, TEXT, ""), "immutable": FLAG}),
        ("v1", "Service"): fields({**head, "spec": _service(selector)}),
        ("apps/v1", "Deployment"): fields(
            {
                **head,
                "spec": fields(
                    {"selector": fields({"matchLabels": selector}), "template": pod},
                    {
                        "replicas": integer(0, 10),
                        "strategy": fields(
                            {"type": one_of("RollingUpdate", "Recreate")},
                            {
                                "rollingUpdate": fields(
                                    {}, {"maxSurge": NUMBER_OR_PERCENTAGE, "maxUnavailable": NUMBER_OR_PERCENTAGE}
                                )
                            },
                        ),
                        "minReadySeconds": SECONDS,
                        "progressDeadlineSeconds": SECONDS,
                        "revisionHistoryLimit": integer(0, 10),
                    },
                ),
            }
        ),
    }


def _service(selector: Allowed) -> Allowed:
    port = fields(
        {"port": PORT},
        {"name": TEXT, "targetPort": PORT_OR_NAME, "protocol": one_of("TCP", "UDP"), "appProtocol": TEXT},
    )
    return fields(
        {"selector": selector, "ports": list_of(port)},
        {"type": one_of("ClusterIP"), "clusterIP": one_of("None")},
    )
