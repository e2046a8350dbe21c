"""What a version of an app runs: the containers that serve, and those that calibrate, validate and monitor."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from ddtas.api.capabilities import Device
from ddtas.api.requirements import RunThreshold
from ddtas.api.volumes import Volume
from ddtas.schema.model import LIST_SET, Model, cel, list_map
from ddtas.schema.types import (
    Cron,
    Duration,
    Image,
    IsoDate,
    PartName,
    Quantity,
    TimeZone,
)


class ResourceList(Model):
    """Amounts of processor (cores) and memory (bytes), as Kubernetes quantities."""

    cpu: Quantity
    """Processor cores."""
    memory: Quantity
    """Memory, in bytes."""


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
    """What is reserved."""
    limits: ResourceList
    """The most that may be used."""


class EnvVar(Model):
    """An environment variable with a literal value."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=63)]
    """The name of the variable."""
    value: Annotated[str, StringConstraints(max_length=2000)]
    """Its value. One that is empty is left out."""


Arguments = Annotated[tuple[Annotated[str, StringConstraints(max_length=4000)], ...], Field(max_length=32)]


class Container(Model):
    """A container of the app. It runs under Pod Security "restricted", with a read-only root and a writable /tmp."""

    image: Image
    """The image. The market master may ask for a digest (@sha256:...)."""
    command: Arguments | None = None
    """The command, in place of the image's entry point. Absent: that of the image."""
    args: Arguments | None = None
    """The arguments of the command. Absent: those of the image."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=32, json_schema_extra=list_map("name"))] = ()
    """Environment variables. Absent: none but those of the app contract."""
    resources: Resources
    """The processor and memory that the container gets."""
    devices: Annotated[tuple[Device, ...], Field(max_length=4, json_schema_extra=list_map("name"))] = ()
    """Devices that each pod gets, such as GPUs. Absent: none."""
    reads: Annotated[tuple[PartName, ...], Field(max_length=16, json_schema_extra=LIST_SET)] | None = None
    """The data requirements whose data it gets. Absent: all."""

    def gets(self, requirement: str) -> bool:
        """Whether it gets the data of a requirement."""
        return self.reads is None or requirement in self.reads


class Port(Model):
    """A port on which the component listens."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=15)]
    """The name of the port."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Its number. The Service has the same."""


class Readiness(Model):
    """An HTTP GET that succeeds when the component can serve."""

    path: Annotated[str, StringConstraints(pattern=r"^/\S*$", max_length=200)]
    """The path to ask for."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """The port to ask at."""


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
                "self.name != 'follow'",
                "no component may be named follow: the container that keeps its data fresh has that name",
            ),
            (
                "!has(self.volumes) || !has(self.replicas) || self.replicas == 1"
                " || self.volumes.all(v, has(v.accessMode) && v.accessMode == 'ReadWriteMany')",
                "volumes of a component with several replicas need accessMode ReadWriteMany",
            ),
        )
    )

    name: PartName
    """The name of the component. Its Service is named INSTALLATION-NAME."""
    ports: Annotated[tuple[Port, ...], Field(max_length=8, json_schema_extra=list_map("name"))] = ()
    """The ports that it listens on. Absent: none, and no Service."""
    readiness: Readiness | None = None
    """The request that succeeds when it can serve. Absent: it can serve when it runs."""
    replicas: Annotated[int, Field(ge=1, le=10)] | None = None
    """How many pods it has. Absent: 1."""
    volumes: Annotated[tuple[Volume, ...], Field(max_length=4, json_schema_extra=list_map("name"))] = ()
    """Storage that it keeps. Absent: none."""


class Template(Model):
    """A Jinja2 template of one or more Kubernetes objects (YAML) that come with a revision.

    Allowed kinds: ConfigMap, Service, Deployment. Every name must begin with `{{ prefix }}`.
    """

    name: PartName
    """The name of the template, for messages."""
    manifest: Annotated[str, StringConstraints(min_length=1, max_length=16384)]
    """The template: YAML with Jinja2. docs/app-contract.md has the variables."""


class Task(Container):
    """A container that runs to its end as a Job. docs/app-contract.md says how it leaves its result."""

    thresholds: Annotated[
        tuple[RunThreshold, ...], Field(max_length=32, json_schema_extra=list_map("metric", "operator"))
    ]
    """Bounds on its metrics."""
    timeout_seconds: Annotated[int, Field(ge=10, le=86400)] | None = None
    """How long the run may take, retries included. Absent: 3600."""
    retries: Annotated[int, Field(ge=0, le=5)] | None = None
    """How often a crashed pod is tried again within the same run; evictions do not count. Absent: 0."""

    @property
    def effective_timeout_seconds(self) -> int:
        """One hour unless the listing says otherwise."""
        return self.timeout_seconds or 3600


_DAYS_OR_LENGTH = "give start and end, or last alone"


class RunWindow(Model):
    """The days of a run: from one to another, or as many as there are last."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("has(self.last) ? !has(self.start) && !has(self.end) : has(self.start) && has(self.end)", _DAYS_OR_LENGTH),
            ("!has(self.start) || !has(self.end) || self.start <= self.end", "start must not be after end"),
        )
    )

    start: IsoDate | None = None
    """The first day. Absent: `last` is given."""
    end: IsoDate | None = None
    """The last day, which is part of it. Absent: `last` is given."""
    last: Duration | None = None
    """How long it is, as an ISO 8601 duration of days or longer. Validation ends with the newest day of which all data
    is there, calibration with the day before validation begins; each round of recalibration moves them. Absent: `start`
    and `end` are given."""

    @model_validator(mode="after")
    def _days_or_length(self) -> Self:
        days = (self.start is not None, self.end is not None)
        if days != ((True, True) if self.last is None else (False, False)):
            raise ValueError(_DAYS_OR_LENGTH)
        if self.start is not None and self.end is not None and self.start > self.end:
            raise ValueError("start must not be after end")
        return self


class Run(Task):
    """A calibration or validation run."""

    window: RunWindow
    """The days that it may use."""


class Monitoring(Task):
    """A run that judges the model on new data, by a schedule, while the app serves.

    A threshold that is not met is model drift.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("size(self.thresholds) > 0", "monitoring needs at least one threshold: without one nothing could drift")
        )
    )

    schedule: Cron
    """When to run, as five fields of cron: minute, hour, day of the month, month, day of the week."""
    time_zone: TimeZone | None = None
    """The IANA time zone of `schedule`, such as Europe/Amsterdam. Absent: UTC."""
    jitter: Duration | None = None
    """At most how much later it begins, as an ISO 8601 duration. Absent: one hour."""
