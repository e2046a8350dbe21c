"""What a version of an app runs: the containers that serve, and those that calibrate, validate and monitor."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from ddtas.api.capabilities import Device
from ddtas.api.requirements import Threshold
from ddtas.api.volumes import Volume
from ddtas.schema.model import Model, cel, list_map
from ddtas.schema.types import (
    Cron,
    Duration,
    Image,
    PartName,
    Quantity,
    TimeZone,
    Window,
)


class ResourceList(Model):
    """Amounts of processor (cores) and memory (bytes), as Kubernetes quantities."""

    cpu: Quantity
    memory: Quantity


class Resources(Model):
    """Requests and limits, as in a container."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "![self.requests.cpu, self.requests.memory, self.limits.cpu, self.limits.memory].all(q, isQuantity(q))"
                " || quantity(self.requests.cpu).compareTo(quantity(self.limits.cpu)) <= 0"
                " && quantity(self.requests.memory).compareTo(quantity(self.limits.memory)) <= 0",
                "requests must not be more than limits",
            )
        )
    )

    requests: ResourceList
    limits: ResourceList


class EnvVar(Model):
    """An environment variable with a literal value."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=63)]
    value: Annotated[str, StringConstraints(max_length=2000)]


Arguments = Annotated[tuple[Annotated[str, StringConstraints(max_length=4000)], ...], Field(max_length=32)]


class Container(Model):
    """A container of the app. It runs under Pod Security "restricted", with a read-only root and a writable /tmp."""

    image: Image
    command: Arguments | None = None
    args: Arguments | None = None
    env: Annotated[tuple[EnvVar, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    resources: Resources
    devices: Annotated[tuple[Device, ...], Field(max_length=4, json_schema_extra=list_map("name"))] = ()


class Port(Model):
    """A port on which the component listens."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=15)]
    port: Annotated[int, Field(ge=1, le=65535)]


class Readiness(Model):
    """An HTTP GET that succeeds when the component can serve."""

    path: Annotated[str, StringConstraints(pattern=r"^/\S*$", max_length=200)]
    port: Annotated[int, Field(ge=1, le=65535)]


class Component(Container):
    """A part of the app that serves: a Deployment, and a Service where it has ports.

    The first component with a port is the app's front: `status.url` points to it.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!has(self.ports) || self.ports.all(p, self.ports.exists_one(q, q.port == p.port))",
                "two ports must not have the same number",
            ),
            (
                "!has(self.volumes) || self.volumes.all(v, self.volumes.all(w, v.name == w.name"
                " || !(w.mountPath + '/').startsWith(v.mountPath + '/')))",
                "no mountPath may be that of another volume, or inside it",
            ),
            (
                "!has(self.volumes) || !has(self.replicas) || self.replicas == 1"
                " || self.volumes.all(v, has(v.accessMode) && v.accessMode == 'ReadWriteMany')",
                "volumes of a component with several replicas need accessMode ReadWriteMany",
            ),
        )
    )

    name: PartName
    ports: Annotated[tuple[Port, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    readiness: Readiness | None = None
    replicas: Annotated[int, Field(ge=1, le=10)] | None = None
    volumes: Annotated[tuple[Volume, ...], Field(max_length=4, json_schema_extra=list_map("name"))] = ()


class Template(Model):
    """A Jinja2 template of one or more Kubernetes objects (YAML) that come with a revision.

    Allowed kinds: ConfigMap, Service, Deployment. Every name must begin with `{{ prefix }}`.
    """

    name: PartName
    manifest: Annotated[str, StringConstraints(min_length=1, max_length=16384)]


class Task(Container):
    """A container that runs to its end as a Job, and reports its result in its termination message."""

    thresholds: Annotated[tuple[Threshold, ...], Field(max_length=32, json_schema_extra=list_map("metric", "operator"))]
    timeout_seconds: Annotated[int, Field(ge=10, le=86400)] | None = None
    # How often a crashed pod is tried again within the same run. Evictions never count.
    retries: Annotated[int, Field(ge=0, le=5)] | None = None

    @property
    def effective_timeout_seconds(self) -> int:
        """One hour unless the listing says otherwise."""
        return self.timeout_seconds or 3600


class Run(Task):
    """A calibration or validation run."""

    window: Window


class Monitoring(Task):
    """A run that looks at new data time and again, while the app serves: a threshold that is not met is drift."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("size(self.thresholds) > 0", "monitoring needs at least one threshold: without one nothing could drift")
        )
    )

    schedule: Cron
    time_zone: TimeZone | None = None
    jitter: Duration | None = None
