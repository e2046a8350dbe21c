"""An Installation's volumes: which PersistentVolumeClaims there should be, and what is said of them. Pure.

A claim is the Installation's, not a revision's: all revisions that have the volume mount the same one. What has data is
never taken away by the operator while the Installation is there, whatever its versions do. An owner (at home an owner
reference, on a city's own cluster a label) is what makes a claim go with its Installation; one that stays has none.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ddtas import names
from ddtas.api.listing import Version
from ddtas.api.platform import MunicipalityPlatform
from ddtas.api.volumes import RefusedGrowth, Volume, VolumePolicy, VolumeStatus
from ddtas.api.workload import Component
from ddtas.plan import clock
from ddtas.plan.children.desired import Desired, Owner
from ddtas.plan.quantity import amount, canonical
from ddtas.plan.reasons import Reason, Refusal
from ddtas.plan.revision import RevisionInputs
from ddtas.plan.snapshot import Child, ClaimFacts, Key, Manifest, Snapshot

CLAIM = "PersistentVolumeClaim"
# A refusal holds for so long, unless another size is asked for: a class may be told to let its volumes grow.
_GROW_AGAIN_AFTER = timedelta(minutes=10)
_MAX_SHOWN = 64
# Component and volume in the name of a claim, after the Installation's.
_PART = r"([a-z](?:[-a-z0-9]{0,18}[a-z0-9])?)"
_PARTS = re.compile(rf"{_PART}\.{_PART}")


@dataclass(frozen=True, slots=True)
class Claims:
    """What becomes of the claims of one revision.

    Attributes:
        desired: as they should be.
        prune: claims that never had a volume, and are not as they are asked for now: they are made again.
        refusal: why the revision cannot have them as they are.
        waits: for what it waits; "" when it has all of them.
        until: when a refusal is put to the test again.
    """

    desired: tuple[Desired, ...] = ()
    prune: tuple[Key, ...] = ()
    refusal: Refusal | None = None
    waits: str = ""
    until: datetime | None = None

    def started(self, version: str) -> tuple[Desired, ...]:
        """The claims once components of a version are started: from then on, it may have changed what is on them."""
        return tuple(_with_data_of(d, version) for d in self.desired)


def _policy(snapshot: Snapshot) -> VolumePolicy:
    return snapshot.installation.spec.volumes or VolumePolicy.RETAIN


def _wanted_class(snapshot: Snapshot) -> str | None:
    platform = snapshot.platform
    return platform.spec.storage_class_name if isinstance(platform, MunicipalityPlatform) else None


def _facts(child: Child) -> ClaimFacts:
    assert isinstance(child.facts, ClaimFacts)  # noqa: S101 - that is what a claim has
    return child.facts


def _named(installation: str, key: Key) -> tuple[str, str] | None:
    """Component and volume of a claim, by its name; None where it is not named like one of this Installation."""
    prefix, name = f"{installation}-", key[1]
    found = _PARTS.fullmatch(name.removeprefix(prefix)) if name.startswith(prefix) else None
    return (found[1], found[2]) if found is not None else None


def mine(snapshot: Snapshot) -> dict[Key, Child]:
    """The claims that are there for volumes of this Installation, with data of its listing."""
    listing, installation = snapshot.installation.spec.listing, snapshot.installation.metadata.name
    return {
        key: child
        for key, child in snapshot.children.items()
        if key[0] == CLAIM and _facts(child).listing == listing and _named(installation, key) is not None
    }


def kept(children: Mapping[Key, Child], spared: str = "") -> list[str]:
    """The claims that stay when their Installation goes, by name.

    Args:
        children: what is there.
        spared: uid of an Installation whose claims stay although they have it as their owner.
    """
    stay = ("", spared)
    return sorted(c.name for c in children.values() if c.kind == CLAIM and c.owner_uid in stay and not c.deleting)


def _parts(inputs: RevisionInputs, owner: str) -> dict[Key, tuple[Component, Volume]]:
    """Components and volumes of a revision by their claims."""
    return {(CLAIM, names.claim(owner, c.name, v.name)): (c, v) for c in inputs.version.components for v in c.volumes}


def claims(snapshot: Snapshot, owner: Owner, inputs: RevisionInputs) -> Claims:
    """The claims of one revision, before its components are started (`Claims.started`).

    Args:
        snapshot: what was observed.
        owner: the Installation.
        inputs: of the revision.
    """
    desired: list[Desired] = []
    prune: list[Key] = []
    waits: list[str] = []
    refusal: Refusal | None = None
    until: datetime | None = None
    number, there, storage_class = inputs.version.version, snapshot.children, _wanted_class(snapshot)
    for key, (component, volume) in _parts(inputs, owner.name).items():
        name = f"{CLAIM} {key[1]}"
        child, size = there.get(key), canonical(volume.size)
        if child is None:
            wanted = _Spec(volume.modes, size, storage_class)
            desired.append(_claim(snapshot, owner, component.name, key, wanted, inputs.listing, number))
            waits.append(f"{name} is being made")
            continue
        facts = _facts(child)
        unfit = _unfit(name, facts, inputs, volume)
        if unfit is not None:
            refusal = refusal or unfit
            continue
        if child.deleting:
            waits.append(f"{name} is being deleted, with its data, as soon as no pod has it any more")
        elif _is_to_be_made_anew(child, facts, volume, storage_class):
            prune.append(key)
            waits.append(f"{name} is made again: it has no volume yet, and is not what is asked for now")
            continue
        wanted = _Spec.of(facts)
        if facts.phase == "Bound" and amount(size) > amount(facts.requested):
            refused = _refused(snapshot, key, size)
            if refused is None:
                wanted = _Spec(wanted.modes, size, wanted.storage_class)
                waits.append(f"{name} is made larger, from {facts.requested} to {size}")
            else:
                until = refused.at + _GROW_AGAIN_AFTER
                refusal = refusal or Refusal(Reason.VOLUME_NOT_GROWN, refused.message)
        desired.append(_claim(snapshot, owner, component.name, key, wanted, facts.listing, facts.version))
    if refusal is not None:  # nothing is made for what cannot be had
        desired = [d for d in desired if d.key in there]
    return Claims(tuple(desired), tuple(prune), refusal, "; ".join(waits), until)


def _with_data_of(claim: Desired, version: str) -> Desired:
    metadata = claim.manifest["metadata"] | {"annotations": {names.ANNOTATION_DATA_VERSION: version}}
    return Desired(claim.manifest | {"metadata": metadata})


def carried(snapshot: Snapshot, there: Mapping[Key, Child], owner: Owner, requested: Collection[Key]) -> list[Desired]:
    """The claims that no revision asks for just now, as they are, for as long as the Installation is there.

    Args:
        snapshot: what was observed.
        there: the claims that are there for volumes of the Installation (`mine`).
        owner: the Installation.
        requested: the claims that some revision asks for.
    """
    return [
        _claim(snapshot, owner, parts[0], key, _Spec.of(facts), facts.listing, facts.version)
        for key, child in there.items()
        for facts, parts in ((_facts(child), _named(owner.name, key)),)
        if key not in requested and not child.deleting and parts is not None
    ]


def _unfit(name: str, facts: ClaimFacts, inputs: RevisionInputs, volume: Volume) -> Refusal | None:
    """Why a claim that is there cannot be this volume."""
    if facts.listing != inputs.listing:
        whose = f"has data of listing {facts.listing}" if facts.listing else f"has no label {names.LABEL_LISTING}"
        text = (
            f"{name} {whose}, and not of {inputs.listing}: delete it, with its data; or, where {inputs.listing} can use"
            f" them, label it {names.LABEL_LISTING}={inputs.listing}; or install under another name"
        )
        return Refusal(Reason.VOLUME_OF_ANOTHER_APP, text)
    if facts.phase == "Lost":
        text = f"{name} is lost: its PersistentVolume {facts.volume} is gone"
        return Refusal(Reason.VOLUME_UNSUITABLE, f"{text}: restore that, or delete the claim to begin without its data")
    if volume.shared and facts.volume and "ReadWriteMany" not in facts.access_modes:
        text = (
            f"{name} is {', '.join(facts.access_modes)}, and version {inputs.version.version} asks for ReadWriteMany,"
            " which a claim cannot become: choose a version that does not, or save the data and delete the claim"
        )
        return Refusal(Reason.VOLUME_UNSUITABLE, text)
    return None


def _is_to_be_made_anew(child: Child, facts: ClaimFacts, volume: Volume, storage_class: str | None) -> bool:
    """A claim is immutable until it is bound. One of ours that never had a volume has no data that could be lost."""
    if facts.volume or facts.phase != "Pending" or facts.copied or not child.applied:
        return False
    asked = (facts.access_modes, amount(facts.requested), facts.asked_class)
    return asked != (volume.modes, amount(volume.size), storage_class)


def _refused(snapshot: Snapshot, key: Key, size: str) -> RefusedGrowth | None:
    """That the API server refused this very size, not long ago."""
    known = next((v.refused for v in snapshot.installation.status.volumes if v.claim == key[1]), None)
    if known is None or known.size != size or clock.elapsed(known.at, snapshot.now, _GROW_AGAIN_AFTER):
        return None
    return known


def refused_growth(desired: Desired, said: str, now: datetime) -> RefusedGrowth:
    """What is to be remembered of a refusal, and what it says to a person."""
    name, size = desired.key[1], str(desired.manifest["spec"]["resources"]["requests"]["storage"])
    text = (
        f"{CLAIM} {name} is to become {size}, and the API server refuses: {said[:250]}: let its storage class grow"
        " volumes (allowVolumeExpansion), or raise the quota"
    )
    return RefusedGrowth(size=size, message=text, at=now.replace(microsecond=0))


@dataclass(frozen=True, slots=True)
class _Spec:
    """The part of a claim's spec that is the operator's to say."""

    modes: tuple[str, ...]
    size: str
    storage_class: str | None

    @classmethod
    def of(cls, facts: ClaimFacts) -> "_Spec":
        """As it is: all else than a larger size is immutable."""
        return cls(facts.access_modes, facts.requested, facts.asked_class)


def _claim(
    snapshot: Snapshot, owner: Owner, component: str, key: Key, spec: _Spec, listing: str, version: str
) -> Desired:
    deleted_with = _policy(snapshot) is VolumePolicy.DELETE
    labels = {
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_INSTALLATION: owner.name,
        names.LABEL_COMPONENT: component,
        names.LABEL_LISTING: listing,
    }
    if owner.platform:
        labels[names.LABEL_PLATFORM] = owner.platform
        labels[names.LABEL_OWNER if deleted_with else names.LABEL_USER] = owner.uid
    metadata: Manifest = {"name": key[1], "namespace": owner.namespace, "labels": labels}
    if version:
        metadata["annotations"] = {names.ANNOTATION_DATA_VERSION: version}
    if deleted_with and not owner.platform:
        metadata["ownerReferences"] = [owner.reference]
    body: dict[str, Any] = {"accessModes": list(spec.modes), "resources": {"requests": {"storage": spec.size}}}
    if spec.storage_class is not None:
        body["storageClassName"] = spec.storage_class
    return Desired({"apiVersion": "v1", "kind": CLAIM, "metadata": metadata, "spec": body})


def statuses(
    snapshot: Snapshot,
    there: Mapping[Key, Child],
    desired: Sequence[Desired],
    owner: Owner,
    revisions: Sequence[RevisionInputs],
    has_target: bool,
) -> tuple[VolumeStatus, ...]:
    """The volumes as the status has them.

    Args:
        snapshot: what was observed.
        there: the claims that are there for volumes of the Installation (`mine`).
        desired: the claims that should be there.
        owner: the Installation.
        revisions: the one that is asked for, and the one that serves.
        has_target: whether it is known which one is asked for.
    """
    parts: dict[Key, tuple[Component, Volume]] = {}
    for inputs in revisions:
        parts = _parts(inputs, owner.name) | parts
    before = {v.claim: v for v in snapshot.installation.status.volumes}
    volumes = []
    for key in sorted({*there, *(d.key for d in desired)}):
        name, (component, volume) = key[1], _named(owner.name, key) or ("", "")
        was, wanted = before.get(name), parts.get(key)
        unused = wanted is None if has_target else was is not None and was.unused
        status = VolumeStatus(
            claim=name, component=component, name=volume, phase="Pending", size="0", on_deletion=_policy(snapshot)
        )
        child = there.get(key)
        if child is None:
            size = next(d.manifest["spec"]["resources"]["requests"]["storage"] for d in desired if d.key == key)
            volumes.append(status.model_copy(update={"size": size, "storage_class": _wanted_class(snapshot)}))
            continue
        volumes.append(_present(snapshot, status, child, wanted[1] if wanted is not None else None, unused))
    return tuple(volumes[:_MAX_SHOWN])


def _present(
    snapshot: Snapshot, status: VolumeStatus, child: Child, wanted: Volume | None, unused: bool
) -> VolumeStatus:
    """The status of a claim that is there."""
    facts = _facts(child)
    size = canonical(wanted.size) if wanted is not None else facts.requested
    return status.model_copy(
        update={
            "phase": "Terminating" if child.deleting else facts.phase,
            # What holds now, not what the spec will make of it.
            "on_deletion": VolumePolicy.DELETE if child.owner_uid else VolumePolicy.RETAIN,
            "size": (facts.capacity or facts.requested)[:20],
            "storage_class": facts.storage_class or facts.asked_class,
            "unused": unused,
            "message": _said(snapshot, facts, size, unused),
            "refused": _refused(snapshot, child.key, size),
        }
    )


def _said(snapshot: Snapshot, facts: ClaimFacts, size: str, unused: bool) -> str | None:
    """What a person should know of a claim that is there."""
    told = []
    if unused:
        told.append("no version that is asked for or serves has it: it is kept; delete the claim when its data may go")
    if amount(size) < amount(facts.requested):
        told.append(f"the version asks for {size}; it has {facts.requested}, and is not made smaller")
    storage_class = _wanted_class(snapshot)
    if facts.volume and storage_class is not None and facts.storage_class != storage_class:
        has = facts.storage_class or "none"
        told.append(f"its class is {has}; the platform's, {storage_class}, is that of new volumes")
    if facts.capacity and amount(facts.capacity) < amount(facts.requested):
        told.append(f"it is growing to {facts.requested}{f': {facts.trouble}' if facts.trouble else ''}")
    return "; ".join(told)[:1000] or None


def trouble(snapshot: Snapshot, installation: str, component: Component) -> str:
    """Why the pods of a component may not get its volumes; "" where nothing is known to be wrong."""
    told = []
    for volume in component.volumes:
        key = (CLAIM, names.claim(installation, component.name, volume.name))
        child = snapshot.children.get(key)
        name = f"{CLAIM} {key[1]}"
        facts = _facts(child) if child is not None else None
        if child is None or facts is None:
            told.append(f"{name} is missing")
        elif child.deleting:
            told.append(f"{name} is being deleted")
        elif facts.phase == "Lost":
            told.append(f"{name} is lost: its PersistentVolume {facts.volume} is gone")
        elif facts.phase == "Pending" and not (facts.storage_class or facts.volume):
            text = "has no volume and no storage class: the cluster needs a default class, or the platform a"
            told.append(f"{name} {text} spec.storageClassName")
        elif facts.phase == "Pending":
            told.append(f"{name} (class {facts.storage_class}) has no volume yet: `kubectl describe pvc {key[1]}`")
    return "; ".join(told)


def imagined(manifest: Manifest) -> ClaimFacts:
    """What a claim will be once it is made as asked, and bound."""
    metadata, spec = manifest["metadata"], manifest["spec"]
    size, storage_class = spec["resources"]["requests"]["storage"], spec.get("storageClassName")
    return ClaimFacts(
        phase="Bound",
        requested=size,
        capacity=size,
        access_modes=tuple(spec["accessModes"]),
        storage_class=storage_class or "",
        asked_class=storage_class,
        volume="imagined",
        listing=metadata["labels"][names.LABEL_LISTING],
        version=metadata.get("annotations", {}).get(names.ANNOTATION_DATA_VERSION, ""),
    )


def data_versions(there: Mapping[Key, Child], installation: str, version: Version) -> dict[str, str]:
    """The versions that were started last on the volumes that a version has, by the claim's name.

    Args:
        there: the claims that are there for volumes of the Installation (`mine`).
        installation: its name.
        version: the version.
    """
    claims = (names.claim(installation, c.name, v.name) for c in version.components for v in c.volumes)
    found = ((name, there.get((CLAIM, name))) for name in claims)
    return {name: _facts(child).version for name, child in found if child is not None and _facts(child).version}
