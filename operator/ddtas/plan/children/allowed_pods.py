"""What a pod of an app's templates may have."""

from collections.abc import Mapping

from ddtas.plan.children.allowed import (
    FLAG,
    ID,
    PORT,
    PORT_OR_NAME,
    QUANTITY,
    SECONDS,
    TEXT,
    Allowed,
    fields,
    integer,
    list_of,
    one_of,
)


def pod(own: Allowed, image: Allowed) -> Allowed:
    """A pod spec.

    Args:
        own: a name that is the app's.
        image: what an image may be.
    """
    volume = fields(
        {"name": TEXT},
        {
            "configMap": fields(
                {"name": own},
                {
                    "items": list_of(fields({"key": TEXT, "path": TEXT}, {"mode": integer(0, 0o777)})),
                    "defaultMode": integer(0, 0o777),
                    "optional": FLAG,
                },
            ),
            "emptyDir": fields({}, {"sizeLimit": QUANTITY, "medium": one_of("", "Memory")}),
        },
    )
    security = {
        "runAsNonRoot": one_of(True),
        "runAsUser": ID,
        "runAsGroup": ID,
        "seccompProfile": fields({"type": one_of("RuntimeDefault")}),
    }
    containers = list_of(_container(own, security, image))
    return fields(
        {"containers": containers, "automountServiceAccountToken": one_of(False)},
        {
            "initContainers": containers,
            "volumes": list_of(volume),
            "securityContext": fields(
                {},
                {
                    **security,
                    "fsGroup": ID,
                    "fsGroupChangePolicy": one_of("OnRootMismatch", "Always"),
                    "supplementalGroups": list_of(ID),
                },
            ),
            "restartPolicy": one_of("Always"),
            "terminationGracePeriodSeconds": SECONDS,
            "enableServiceLinks": FLAG,
        },
    )


def _container(own: Allowed, security: Mapping[str, Allowed], image: Allowed) -> Allowed:
    amounts = fields({"cpu": QUANTITY, "memory": QUANTITY}, {"ephemeral-storage": QUANTITY})
    probe = _probe()
    return fields(
        {
            "name": TEXT,
            "image": image,
            "resources": fields({"requests": amounts, "limits": amounts}),
            "securityContext": fields(
                {
                    "allowPrivilegeEscalation": one_of(False),
                    "capabilities": fields({"drop": list_of(TEXT)}),
                },
                {**security, "privileged": one_of(False), "readOnlyRootFilesystem": FLAG},
            ),
        },
        {
            "command": list_of(TEXT),
            "args": list_of(TEXT),
            "workingDir": TEXT,
            "imagePullPolicy": one_of("Always", "IfNotPresent"),
            "env": list_of(_variable(own)),
            "envFrom": list_of(fields({"configMapRef": fields({"name": own}, {"optional": FLAG})}, {"prefix": TEXT})),
            "ports": list_of(
                fields({"containerPort": PORT}, {"name": TEXT, "protocol": one_of("TCP", "UDP")}),
            ),
            "volumeMounts": list_of(
                fields({"name": TEXT, "mountPath": TEXT}, {"subPath": TEXT, "readOnly": FLAG}),
            ),
            "livenessProbe": probe,
            "readinessProbe": probe,
            "startupProbe": probe,
        },
    )


def _variable(own: Allowed) -> Allowed:
    field = fields(
        {"fieldPath": one_of("metadata.name", "metadata.namespace", "status.podIP")}, {"apiVersion": one_of("v1")}
    )
    config = fields({"name": own, "key": TEXT}, {"optional": FLAG})
    return fields(
        {"name": TEXT}, {"value": TEXT, "valueFrom": fields({}, {"configMapKeyRef": config, "fieldRef": field})}
    )


def _probe() -> Allowed:
    http = fields({"port": PORT_OR_NAME}, {"path": TEXT, "scheme": one_of("HTTP", "HTTPS")})
    return fields(
        {},
        {
            "httpGet": http,
            "tcpSocket": fields({"port": PORT_OR_NAME}),
            "grpc": fields({"port": PORT}, {"service": TEXT}),
            "exec": fields({"command": list_of(TEXT)}),
            "initialDelaySeconds": SECONDS,
            "periodSeconds": SECONDS,
            "timeoutSeconds": SECONDS,
            "successThreshold": integer(1, 100),
            "failureThreshold": integer(1, 1000),
        },
    )
