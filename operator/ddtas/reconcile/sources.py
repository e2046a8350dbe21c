"""The data sources of a platform: which of them are probed, with what, and what the probes found."""

from base64 import b64decode
from dataclasses import replace

from ddtas.api.platform import DataSource, DataSourceStatus, MunicipalityPlatform
from ddtas.data.session import Target
from ddtas.names import NamespacedName
from ddtas.plan.matching.credentials import credentials_missing
from ddtas.plan.products import Product
from ddtas.plan.reasons import Reason
from ddtas.plan.revision import digest
from ddtas.plan.snapshot import Secret, SourceObservation
from ddtas.probes.scheduler import Probed, SourceKey
from ddtas.reconcile.context import Context


class Sources:
    """The sources of all platforms."""

    def __init__(self, context: Context) -> None:
        self._context = context
        # By platform: the digests of its sources, for one generation of it.
        self._digests: dict[NamespacedName, tuple[str, int, dict[str, str]]] = {}

    def retain(self, platform: MunicipalityPlatform, products: dict[str, Product]) -> None:
        """End the probes of sources that a platform has no more."""
        namespace, name = platform.metadata.namespace, platform.metadata.name
        self._context.probes.retain(namespace, name, {s.name for s in probed(platform, products)})

    def forget(self, platform: NamespacedName) -> None:
        """End the probes of a platform that is gone."""
        self._context.probes.forget(*platform)
        self._digests.pop(platform, None)

    def observations(
        self, platform: MunicipalityPlatform, products: dict[str, Product]
    ) -> dict[str, SourceObservation]:
        """What is known of the platform's sources and products, by name; sees to it that each of them is probed.

        An Installation may well come before its platform after a restart, and must not take that for a source that
        nobody has probed yet. Without its credentials nothing can be known of a source.
        """
        namespace, name, probes = platform.metadata.namespace, platform.metadata.name, self._context.probes
        secrets, digests = self._context.world.secrets(namespace), self.digests(platform, products)
        remembered = {s.name: s for s in platform.status.data_sources}
        found = {}
        for source in probed(platform, products):
            key, mark = SourceKey(namespace, name, source.name), digests[source.name]
            product = products.get(source.name)
            missing = credentials_missing(source, secrets)
            if missing is not None:
                probes.forget(*key)
                found[source.name] = missing
                continue
            # A product was offered to this platform: its Service may be reached, and no other one there.
            target = _target(source, secrets, product.upstream.namespace if product is not None else namespace)
            probes.ensure(key, mark, target, _seed(remembered.get(source.name)))
            last = probes.probed(key, mark)
            if last is not None:
                current = last.target == target if last.target is not None else None
                found[source.name] = replace(last.observation, current=current)
        return found

    def digests(self, platform: MunicipalityPlatform, products: dict[str, Product]) -> dict[str, str]:
        """The digest of each source by name; of the platform's own computed once for each generation of it."""
        meta = platform.metadata
        known = self._digests.get((meta.namespace, meta.name))
        if known is None or known[:2] != (meta.uid, meta.generation):
            known = (meta.uid, meta.generation, {s.name: _probe_digest(s) for s in platform.spec.data_sources})
            self._digests[meta.namespace, meta.name] = known
        return known[2] | {name: _probe_digest(p.source) for name, p in products.items()} if products else known[2]


def probed(platform: MunicipalityPlatform, products: dict[str, Product]) -> list[DataSource]:
    """What is to be probed: a product, once it is served, and where its address means the same from here.

    Inside a city's own cluster it may, from here, be the name of something else.
    """
    served = (p.source for p in products.values() if p.state != "NotServing" and p.reach == "Here")
    return [*platform.spec.data_sources, *served]


def _target(source: DataSource, secrets: dict[str, Secret], namespace: str) -> Target:
    """What to probe, perhaps a Service of that namespace; its credentials are complete."""
    auth = source.credentials
    values: dict[str, str] = {}
    if auth is not None:
        secret = secrets[auth.secret_name]
        values = {key: _decoded(secret.data[key]) for key in auth.keys + auth.optional_keys if key in secret.data}
    return Target(
        source.kind,
        source.endpoint,
        source.contract,
        source.physical_name,
        auth,
        values,
        namespace,
        source.json_service,
    )


def _decoded(value: str) -> str:
    return b64decode(value).decode("utf-8", "replace")


def _probe_digest(source: DataSource) -> str:
    """Of what a probe depends on. Credentials are not in it: they change who may read, not what is there."""
    auth = source.credentials.dump() if source.credentials else None
    service = [source.json_service.dump()] if source.json_service else []
    return digest([source.kind, source.endpoint, source.physical_name, source.contract.dump(), auth, *service])[:16]


def _seed(known: DataSourceStatus | None) -> Probed | None:
    """What the platform's status still knows from before a restart.

    That credentials were missing is no probe: once they are there, the source is probed for the first time.
    """
    if known is None or known.probe is None or known.reason == Reason.CREDENTIALS_MISSING:
        return None
    probed_at = known.probed_at or known.since
    seen = SourceObservation(known.state, known.reason, known.message or "", known.facts, probed_at)
    return Probed(known.probe, seen, known.since)
