"""A revision: one immutable attempt to serve.

Its id is a digest of everything that decides what runs and on what: the version's containers, templates and runs,
the effective parameters, the bindings with their kinds and contract versions, the windows, the retry token and the
round of recalibration. The same inputs always have the same id; so a Job that exists under that id is that revision's
Job, whoever started it.

What is *not* in the digest can change without a new calibration: the address of a source, its credentials, texts,
and whom the app may call.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from ddtas.api.evidence import RevisionId
from ddtas.api.installation import Windows
from ddtas.api.listing import Version
from ddtas.api.platform import Municipality
from ddtas.data.contract import DataKind
from ddtas.data.delivery.table import Table
from ddtas.names import REVISION_ID_LENGTH
from ddtas.schema.model import Model
from ddtas.schema.types import Name, Parameters, Scalar


class BoundSource(Model):
    """Which source a requirement is bound to, under which version of its contract, and how it is read."""

    requirement: str
    data_source: Name
    contract_version: str
    # None in a record of an operator that did not keep it.
    kind: DataKind | None = None
    # What the app gets; None where it reads the source itself.
    table: Table | None = None


def _as_stored(parameters: dict[str, Scalar]) -> dict[str, Scalar]:
    """Whole floats as integers: the API server stores 2.0 as 2, and the record must give the same id as the spec.

    From 1e21 on it writes an exponent, and such a number comes back as a float.
    """
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value
        for name, value in parameters.items()
    }


class RevisionInputs(Model):
    """All that makes a revision. Kept in a ControllerRevision, so that it can be rendered again later."""

    listing: Name
    version: Version
    municipality: Municipality
    parameters: Annotated[Parameters, AfterValidator(_as_stored)] = Field(default_factory=dict)
    bindings: tuple[BoundSource, ...]
    windows: Windows
    # The lengths of calibration and validation, where these windows were counted back from the newest day.
    counted_back: tuple[str, str] | None = None
    retry: str | None = None
    # Of the recalibration (plan/recalibration.py); None for the first calibration.
    round: str | None = None
    # The image that fetched its tables when it was recorded; None where it has none. Another one of ours calibrates
    # nobody, and serves all.
    runner: str | None = None
    # Its runs keep their network.
    open_runs: bool = False
    # The parameters whose values are the city's. Where a value comes from makes no other revision.
    from_city: tuple[str, ...] = ()

    @property
    def id(self) -> RevisionId:
        """The first ten hexadecimal digits of a SHA-256 over the decisive inputs, each time (see Revision)."""
        decisive = self.model_dump(
            mode="json",
            by_alias=True,
            # Defaults are left out, so that a field that a later operator adds does not change existing ids.
            exclude_defaults=True,
            exclude={
                "municipality": {"area"},
                "from_city": True,
                "runner": True,
                "version": {
                    "state",
                    "channels",
                    "data_migration",
                    "data_requirements",
                    "data_products",
                    "parameters",
                    "platform_requirements",
                    "monitoring",
                    "recalibration",
                    "egress",
                },
            },
        )
        for component in decisive["version"]["components"]:
            for volume in component.get("volumes", ()):
                # A larger volume needs no new calibration; which class it is of is the platform's.
                volume.pop("size")
                volume.pop("accessMode", None)
        return digest(decisive)[:REVISION_ID_LENGTH]

    def serialised(self) -> dict[str, Any]:
        """The JSON form that `model_validate` reads back."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


@dataclass(frozen=True)
class Revision:
    """A revision: its inputs, and its id, which takes a digest of them all and is therefore worked out once."""

    id: RevisionId
    inputs: RevisionInputs

    @classmethod
    def of(cls, inputs: RevisionInputs) -> "Revision":
        """The revision that has these inputs."""
        return cls(inputs.id, inputs)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, in hexadecimal."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # What another API server says may hold half of a surrogate pair, which UTF-8 has no bytes for.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
