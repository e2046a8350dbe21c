"""What a listing says of a volume, and what the status of an Installation says of it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, StringConstraints

from ddtas.schema.model import Model, cel
from ddtas.schema.types import (
    PartName,
    StorageSize,
    Timestamp,
)


class Volume(Model):
    """Storage that a component keeps over restarts, revisions and versions: a PersistentVolumeClaim.

    Its size and access mode are no inputs of a revision: a larger size needs no new calibration.
    """

    model_config = ConfigDict(
        json_schema_extra=cel(
            (
                "!['/tmp', '/bindings', '/data', '/etc/ddtas', '/dev', '/proc', '/sys'].exists(p,"
                " (self.mountPath + '/').startsWith(p + '/') || (p + '/').startsWith(self.mountPath + '/'))",
                "mountPath must be neither inside nor above /tmp, /bindings, /data, /etc/ddtas, /dev, /proc and /sys",
            )
        )
    )

    name: PartName
    """The name of the volume. Another name is another, empty volume."""
    mount_path: Annotated[
        str, StringConstraints(pattern=r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$", min_length=2, max_length=100)
    ]
    """Where the component finds it."""
    size: StorageSize
    """Its size, in bytes. A larger one makes the volume larger; a smaller one changes nothing."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] | None = None
    """ReadWriteOnce: all pods that have it run on one node. ReadWriteMany: any node. Absent: ReadWriteOnce."""

    @property
    def modes(self) -> tuple[str, ...]:
        """Its access modes, as a claim has them."""
        return (self.access_mode or "ReadWriteOnce",)

    @property
    def shared(self) -> bool:
        """Whether pods on several nodes may have it at once."""
        return self.access_mode == "ReadWriteMany"


class VolumePolicy(StrEnum):
    """What becomes of an Installation's volumes, and the data on them, when it is deleted.

    Retain: they stay, and an Installation of the same name and listing takes them over. Delete: they go with it.
    """

    RETAIN = "Retain"
    DELETE = "Delete"


class RefusedGrowth(Model):
    """That a volume was to become larger, and the API server refused."""

    size: Annotated[str, StringConstraints(max_length=20)]
    """The size that was asked for."""
    message: Annotated[str, StringConstraints(max_length=500)]
    """What the API server answered."""
    at: Timestamp
    """When it answered."""


class VolumeStatus(Model):
    """A volume of the Installation, and the PersistentVolumeClaim that it is."""

    claim: Annotated[str, StringConstraints(max_length=253)]
    """The name of the PersistentVolumeClaim."""
    component: PartName
    """The component that has it."""
    name: PartName
    """The name of the volume in the listing."""
    phase: Literal["Pending", "Bound", "Lost", "Terminating"]
    """The phase of the claim, or Terminating."""
    size: Annotated[str, StringConstraints(max_length=20)]
    """The size that it has, or that is asked for while it has none."""
    storage_class: Annotated[str, StringConstraints(max_length=253)] | None = None
    """The StorageClass. Absent: the claim names none."""
    on_deletion: VolumePolicy
    """What becomes of it when the Installation is deleted. A change of spec.volumes is shown once it holds."""
    unused: bool = False
    """True: neither the revision that is asked for nor the one that serves has it. It is kept all the same. Absent:
    false."""
    message: Annotated[str, StringConstraints(max_length=1000)] | None = None
    """What is wrong with it, in words for a person. Absent: nothing."""
    refused: RefusedGrowth | None = None
    """The larger size that the API server refused. Absent: none was refused."""
