"""Data products: what an Installation offers to other twins, as data sources of the platforms that may use it.

A product is a data source of its Installation's own platform by itself. On another platform it takes two: the
Installation offers it, and the platform accepts it. What a product is comes from the Installation's status once it
serves, and before that from its listing: then it is known what is to be waited for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from ddtas import names
from ddtas.api.evidence import UsedProduct
from ddtas.api.installation import Installation
from ddtas.api.installation_status import ProductStatus, Upstream
from ddtas.api.listing import DataProduct, Version
from ddtas.api.platform import DataSource
from ddtas.data.contract import ContractField

Reach = Literal["Here", "Inside", "Apart"]


class Ref(NamedTuple):
    """An Installation."""

    namespace: str
    name: str

    @classmethod
    def of(cls, installation: Installation) -> "Ref":
        """Of an object."""
        return cls(installation.metadata.namespace, installation.metadata.name)

    def seen_from(self, namespace: str) -> str:
        """Its name, and its namespace where that is another one."""
        return self.name if self.namespace == namespace else f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Product:
    """A data product, as one platform sees it.

    Attributes:
        source: as a data source, by the name that it has on that platform.
        upstream: the Installation that makes it.
        name: what it is called there.
        state: NotServing where it is only known from the listing.
        revision: what serves there; "" where nothing does.
        version: of the app that serves there.
        metrics: of the validation of what serves there.
        reach: who can reach its address. Here: the platform's workloads, and the operator. Inside: the workloads only,
            in a city's own cluster; here the same name may be somebody else's. Apart: it is in another cluster than
            the workloads.
    """

    source: DataSource
    upstream: Ref
    name: str
    state: Literal["Serving", "NotServing", "Leaving"]
    revision: str = ""
    version: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    reach: Reach = "Here"

    def as_upstream(self, namespace: str) -> Upstream:
        """For the status of a consumer in a namespace."""
        return Upstream(
            installation=self.upstream.name,
            namespace=elsewhere(self.upstream, namespace),
            product=self.name,
            state=self.state,
            revision=self.revision or None,
            version=self.version or None,
        )

    def feed(self, requirement: str, namespace: str) -> UsedProduct:
        """For a revision of a consumer in a namespace."""
        return UsedProduct(
            requirement=requirement,
            data_source=self.source.name,
            installation=self.upstream.name,
            namespace=elsewhere(self.upstream, namespace),
            product=self.name,
        )


def elsewhere(ref: Ref, namespace: str) -> str | None:
    """The namespace of an Installation, where it is another one."""
    return ref.namespace if ref.namespace != namespace else None


def source(of: Ref, listing: str, version: Version, product: DataProduct, namespace: str) -> DataSource | None:
    """A product as a data source; None for one that is for people, or has nothing that it could be reached by.

    Args:
        of: the Installation.
        listing: its app.
        version: of the app.
        product: of that version.
        namespace: of the workloads.
    """
    component = next((c for c in version.components if c.name == product.component), None)
    if product.kind is None or component is None or not component.ports:
        return None
    if product.contract is None or product.access_rights is None or not product.licence or not product.purposes:
        return None
    contract = product.contract
    if not contract.fields and product.fields:
        fields = tuple(ContractField(name=f.name, type=f.type, unit=f.unit) for f in product.fields)
        contract = contract.model_copy(update={"fields": fields})
    host = _host(names.service(of.name, component.name), namespace)
    return DataSource(
        name=names.product(of.name, product.name),
        title=product.title,
        theme=product.theme,
        kind=product.kind,
        endpoint=f"http://{host}:{component.ports[0].port}{product.path}",
        physical_name=product.physical_name,
        supplier=listing,
        provenance=f"Installation {of.namespace}/{of.name}",
        contract=contract,
        access_rights=product.access_rights,
        security_class=product.security_class,
        licence=product.licence,
        purposes=product.purposes,
        legal_basis=product.legal_basis,
        service_levels=product.service_levels,
    )


def _host(service: str, namespace: str) -> str:
    return f"{service}.{namespace}.svc"


def port_of(endpoint: str) -> int | None:
    """The port of an address; None where it names none, or is no address: anybody may have written it into a status."""
    try:
        return urlsplit(endpoint).port
    except ValueError:
        return None


def readdressed(product: ProductStatus, installation: str, namespace: str) -> ProductStatus:
    """What an Installation published, at its address in the namespace where the workloads are now.

    Its Secret has the name that it always has: another one that stands in the status may be somebody else's.
    """
    product = product.model_copy(update={"secret_name": names.product(installation, product.name)})
    try:
        parts = urlsplit(product.source.endpoint)
        service = (parts.hostname or "").partition(".")[0]
        endpoint = parts._replace(netloc=f"{_host(service, namespace)}:{parts.port}").geturl()
    except ValueError:
        return product  # no address that was ever published: somebody wrote it into the status
    return product.model_copy(update={"source": product.source.model_copy(update={"endpoint": endpoint})})


def of_version(of: Ref, listing: str, version: Version, namespace: str) -> list[tuple[DataProduct, DataSource]]:
    """All products of a version that are data sources, with the rights that the listing gives them."""
    made = ((p, source(of, listing, version, p, namespace)) for p in version.data_products)
    return [(product, as_source) for product, as_source in made if as_source is not None]


def of_installation(installation: Installation, version: Version | None) -> list[Product]:
    """The products of an Installation.

    Args:
        installation: with its status.
        version: what its spec asks for; None where that cannot be told.
    """
    ref, status = Ref.of(installation), installation.status
    leaving = installation.metadata.deletion_timestamp is not None
    known = status.evidence(status.serving_revision) if status.serving_revision else None
    metrics = {m.name: float(m.value) for m in known.validation.metrics} if known and known.validation else {}
    found = [
        Product(
            source=p.source,
            upstream=ref,
            name=p.name,
            state="Leaving" if leaving else "Serving",
            revision=status.serving_revision or "",
            version=status.serving_version or "",
            metrics=metrics,
        )
        for p in status.products
    ]
    if version is not None and not leaving:
        there = {p.name for p in found}
        coming = of_version(ref, installation.spec.listing, version, ref.namespace)  # nobody is sent there yet
        found += [Product(made, ref, p.name, "NotServing") for p, made in coming if p.name not in there]
    return found
