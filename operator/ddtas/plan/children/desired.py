"""An object as it should be, and whose it is."""

from dataclasses import dataclass

from ddtas import names
from ddtas.plan.snapshot import Key, Manifest


@dataclass(frozen=True)
class Desired:
    """One object as it should be.

    Attributes:
        manifest: the object, with only the fields that the operator owns.
        once: made once and never changed (a Job's template and a ControllerRevision are immutable, and a run's
            evidence is that of the Job that was started).
    """

    manifest: Manifest
    once: bool = False

    @property
    def key(self) -> Key:
        """Kind and name."""
        return (self.manifest["kind"], self.manifest["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Owner:
    """The Installation that the children belong to.

    Attributes:
        name: of the Installation.
        namespace: of the children; the Installation's own, unless they are on a city's own cluster.
        uid: of the Installation.
        platform: uid of the platform whose own cluster the children are on; "" where they are beside it.
    """

    name: str
    namespace: str
    uid: str
    platform: str = ""

    @property
    def reference(self) -> Manifest:
        """The owner reference of what goes with the Installation, beside which it is."""
        # Not a controller reference: Argo CD and others follow those, and would show our children as theirs.
        return {"apiVersion": names.API_VERSION, "kind": "Installation", "name": self.name, "uid": self.uid}
