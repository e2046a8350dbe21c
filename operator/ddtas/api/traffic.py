"""Who may call whom: what an app calls beside its data, and what a platform permits. NetworkPolicies are made of it."""

from ipaddress import ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from ddtas.schema.model import LIST_SET, Model, cel, says
from ddtas.schema.types import Line, Name, PartName


def _range(value: str) -> str:
    return str(ip_network(value, strict=False))


def _address(value: str) -> str:
    ip_address(value)
    return value


HostName = Annotated[
    str,
    says("must be a host name in lower case, such as api.weather.example"),
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$", max_length=253),
]
HostPattern = Annotated[
    str,
    says("must be a host name in lower case, *. and the end of one, or * alone"),
    StringConstraints(pattern=r"^(\*|(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?)$", max_length=253),
]
Range = Annotated[
    str,
    says("must be a range of addresses, such as 10.20.0.0/16"),
    StringConstraints(pattern=r"^[0-9a-f:.]+/[0-9]{1,3}$", max_length=43),
    AfterValidator(_range),
]
IpAddress = Annotated[
    str,
    says("must be an IP address, such as 10.96.0.10"),
    StringConstraints(pattern=r"^[0-9a-f:.]+$", max_length=39),
    AfterValidator(_address),
]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Ports = Annotated[tuple[PortNumber, ...], Field(min_length=1, max_length=16, json_schema_extra=LIST_SET)]


class Call(Model):
    """A public server that the app calls beside its data sources, with the reason why. Reviewers see it."""

    host: HostName
    """The name of the server. NetworkPolicies know no names: once it is permitted, these ports of all public
    addresses are open."""
    ports: Ports
    """The TCP ports that are called there."""
    reason: Line
    """What for, and what is sent there: for the people who review the app, and those who permit it."""


class PermittedCall(Model):
    """Where the apps on the platform may connect to, beside their data sources."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("has(self.host) != has(self.cidr)", "either a host or a cidr"),
            ("!has(self.cidr) || isCIDR(self.cidr)", "cidr must be a range of addresses, such as 10.20.0.0/16"),
        )
    )

    name: PartName
    """What the platform team calls it."""
    host: HostPattern | None = None
    """Apps that declare this host may call it: a name, `*.` and the end of names, or `*` for all names. Absent:
    `cidr` says where."""
    cidr: Range | None = None
    """Each app may call this range, which may be private, except the API server, nodes, Services and pods in it.
    Absent: `host` says where."""
    ports: Ports
    """The TCP ports that may be called there."""

    def permits(self, host: str) -> bool:
        """Whether that host may be called."""
        if self.host is None:
            return False
        return self.host in ("*", host) or (self.host.startswith("*.") and host.endswith(self.host[1:]))


class Caller(Model):
    """Who may reach the declared ports of the apps on the platform, beside the pods of their own namespace."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            ("has(self.namespace) != has(self.cidr)", "either a namespace or a cidr"),
            ("!has(self.cidr) || isCIDR(self.cidr)", "cidr must be a range of addresses, such as 10.20.0.0/16"),
        )
    )

    name: PartName
    """What the platform team calls it."""
    namespace: Name | None = None
    """All pods of this namespace of the apps' cluster, such as that of an ingress controller. Absent: `cidr` says
    who."""
    cidr: Range | None = None
    """These addresses, such as those of a load balancer. Absent: `namespace` says who."""
