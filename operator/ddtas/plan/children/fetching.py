"""The operator's own container in a pod, which gets the app its data as files.

It alone has the credentials; the app's container reads what it wrote, and can write nothing there.
"""

from collections.abc import Mapping, Sequence

from ddtas import names
from ddtas.data.delivery import order as orders
from ddtas.plan.capabilities.room import RUNNER_RESOURCES
from ddtas.plan.children.confinement import SECURITY_CONTEXT
from ddtas.plan.snapshot import Manifest

ORDER = "order"
"""What the name of the ConfigMap of the orders ends in."""
SECONDS = 3600
"""How much longer than its own time a run may take, because its data is fetched first."""
_ROOM = "10Gi"
_STARTED = f"{names.DATA_ROOT}/.started"
# It says for itself after a minute that there is nothing yet; a node that is slow to begin gets one more.
_PROBE_SECONDS, _PROBES = 2, 60


def add(pod: Manifest, image: str, order: tuple[str, str], secrets: Mapping[str, str], *, serves: bool) -> None:
    """Add the container to a pod of one container.

    Args:
        pod: the spec, which is changed.
        image: of the runner.
        order: the name of the ConfigMap, and the key in it.
        secrets: of the sources, by the names of the requirements.
        serves: it goes on fetching beside a component; otherwise it fetches once, before a run.
    """
    name, key = order
    items = [{"key": key, "path": orders.FILE}]
    pod["volumes"] += [
        {"name": "data", "emptyDir": {"sizeLimit": _ROOM}},
        {"name": "scratch", "emptyDir": {"sizeLimit": _ROOM}},
        {"name": "order", "configMap": {"name": name, "items": items}},
        *({"name": f"binding-{part}", "secret": {"secretName": secret}} for part, secret in secrets.items()),
    ]
    pod["initContainers"] = [_container(image, list(secrets), serves)]
    pod["containers"][0]["volumeMounts"].append({"name": "data", "mountPath": names.DATA_ROOT, "readOnly": True})


def runner(image: str, action: str, env: Sequence[Manifest], mounts: Sequence[Manifest]) -> Manifest:
    """A container of ours, which is named after what it does."""
    requests, limits = RUNNER_RESOURCES.requests, RUNNER_RESOURCES.limits
    return {
        "name": action,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "ddtas.runner"],
        "args": [action],
        "env": list(env),
        "resources": {
            "requests": {"cpu": requests.cpu, "memory": requests.memory},
            "limits": {"cpu": limits.cpu, "memory": limits.memory},
        },
        "securityContext": SECURITY_CONTEXT,
        "volumeMounts": list(mounts),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _container(image: str, requirements: list[str], serves: bool) -> Manifest:
    container = runner(
        image,
        names.FOLLOW if serves else names.FETCH,
        env=[
            {"name": "SERVICE_BINDING_ROOT", "value": names.SERVICE_BINDING_ROOT},
            {"name": "DDTAS_CONFIG", "value": names.CONFIG_ROOT},
            {"name": "DDTAS_DATA", "value": names.DATA_ROOT},
        ],
        mounts=[
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108 - inside the container, an emptyDir
            {"name": "data", "mountPath": names.DATA_ROOT},
            {"name": "order", "mountPath": names.CONFIG_ROOT, "readOnly": True},
            *(
                {"name": f"binding-{part}", "mountPath": f"{names.SERVICE_BINDING_ROOT}/{part}", "readOnly": True}
                for part in requirements
            ),
        ],
    )
    if serves:
        started = {"exec": {"command": ["test", "-e", _STARTED]}}
        container["restartPolicy"] = "Always"  # a sidecar: the component starts once it has started
        container["startupProbe"] = started | {"periodSeconds": _PROBE_SECONDS, "failureThreshold": _PROBES}
    return container
