"""What of the objects that carry an Installation's label is its own, and what is only made to look so.

Labels, owner references and field managers can be set by anybody who may make the object. Two things cannot: the status
of the Installation, which has the uid of each object that was made, and the seal. The seal is a keyed digest (HMAC) on
each Job, whose key nobody but the operator has. It bridges the moment between the making of a Job and the status that
has its uid, in which the operator may die; after that it counts no more. To copy it is of no use then, nor ever for a
Job whose pod does something else.
"""

import hmac
import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ddtas import names
from ddtas.cluster.memory.shapes import shape
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import SECRET
from ddtas.errors import ClusterError, Conflict, NotFound
from ddtas.plan.children.volumes import CLAIM
from ddtas.plan.snapshot import Child, JobFacts, Key

JsonObject = dict[str, Any]

_KEY_BYTES = 32
_ENTRY = "key"


class Seal:
    """Marks the Jobs that the operator makes."""

    def __init__(self, key: bytes = b"") -> None:
        """Make a seal with that key; without one it must be loaded first."""
        self._key = key

    async def load(self, client: Client, namespace: str) -> None:
        """Get the key from its Secret, beside the Lease; the first replica ever makes it.

        Raises:
            ClusterError: the Secret could not be read or made, or has no key.
        """
        try:
            found = await client.get(SECRET, namespace, names.SEAL)
        except NotFound:
            found = await _make(client, namespace)
        data = found.get("data")
        try:
            self._key = b64decode(str(data.get(_ENTRY, "")) if isinstance(data, dict) else "", validate=True)
        except (Base64Error, ValueError):
            self._key = b""
        if len(self._key) < _KEY_BYTES:
            raise ClusterError(0, f"Secret {namespace}/{names.SEAL} has no key of {_KEY_BYTES} bytes: delete it")

    def of(self, uid: str, namespace: str, key: Key, before: str, pod: str) -> str:
        """The seal of a Job that is made now.

        Args:
            uid: of the Installation.
            namespace: of the Job.
            key: kind and name.
            before: uid of the Job of this name that the status has; "" where it has none.
            pod: the shape of the pod that it asks for: the seal is of no use on a Job that asks for another one.
        """
        assert self._key  # noqa: S101 - nothing is decided before it is loaded
        text = "\0".join((uid, namespace, *key, before, pod))
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()[:40]


async def _make(client: Client, namespace: str) -> JsonObject:
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": names.SEAL, "namespace": namespace, "labels": {names.LABEL_MANAGED_BY: names.MANAGED_BY}},
        "data": {_ENTRY: b64encode(secrets.token_bytes(_KEY_BYTES)).decode()},
    }
    try:
        return await client.create(SECRET, body)
    except Conflict:
        return await client.get(SECRET, namespace, names.SEAL)  # another replica was quicker


@dataclass(frozen=True, slots=True)
class Ownership:
    """What is one Installation's.

    Attributes:
        uid: of the Installation.
        namespace: of its children.
        recorded: what its status says was made, with the uid; None by an operator that did not record uids yet.
        seal: of its Jobs.
    """

    uid: str
    namespace: str
    recorded: Mapping[Key, str | None]
    seal: Seal

    def of(self, there: Mapping[Key, Child]) -> dict[Key, Child]:
        """Its own, of what carries its label.

        Those of a namesake that was deleted before are not among them, though they have the same names: the garbage
        collector is about to remove them, and what its runs showed is not evidence for this one. A pod counts where the
        Job that owns it does.
        """
        own = {key: child for key, child in there.items() if child.kind != "Pod" and self.has(child)}
        jobs = {child.uid for child in own.values() if child.kind == "Job"}
        pods = {
            key: child
            for key, child in there.items()
            if child.kind == "Pod" and (child.owner_uid in jobs if child.phase else child.owner_uid in ("", self.uid))
        }
        return own | pods

    def has(self, child: Child) -> bool:
        """Whether a child is its own; a volume that is to be kept has no owner."""
        if child.kind == CLAIM and not child.owner_uid:
            return True
        if child.owner_uid != self.uid:
            return False
        return child.kind != "Job" or self.made(child)

    def made(self, job: Child) -> bool:
        """Whether the operator made a Job."""
        before = self.recorded.get(job.key, "")
        if before is None:
            return bool(job.applied)
        if before and job.uid == before:
            return True
        pod = job.facts.shape if isinstance(job.facts, JobFacts) else ""
        return hmac.compare_digest(job.seal, self.seal.of(self.uid, self.namespace, job.key, before, pod))

    def lost(self, key: Key, uid: str) -> bool:
        """Whether an object that does not say whose it is any more was made for this Installation."""
        return bool(uid) and self.recorded.get(key) == uid

    def sealed(self, manifest: JsonObject) -> JsonObject:
        """A Job as it is sent."""
        metadata = manifest["metadata"]
        key = (str(manifest["kind"]), str(metadata["name"]))
        pod, before = shape(manifest["spec"]["template"]["spec"]), self.recorded.get(key) or ""
        mark = {names.ANNOTATION_SEAL: self.seal.of(self.uid, self.namespace, key, before, pod)}
        return manifest | {"metadata": metadata | {"annotations": metadata.get("annotations", {}) | mark}}
