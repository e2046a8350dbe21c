"""The base class of all models, and what the schemas that are made of them say besides.

No field of a CRD has a default: a default that the API server fills in shows up as drift in GitOps tools, so absent
values get their meaning here, in memory.
"""

from sys import intern
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

_FIELDS_GIVEN: set[str] = set()
SAYS = "x-says"


class Model(BaseModel):
    """Base of all models: frozen, camelCase outside, unknown fields ignored (a newer CRD may have more)."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    def model_post_init(self, _: Any, /) -> None:
        """Thousands of objects are held, and most of a status is the same in all of them: keep each text once.

        And of no model which fields were given: nobody asks, and a set of their names is larger than the fields.
        """
        fields = self.__dict__
        for name, value in fields.items():
            if type(value) is str:
                fields[name] = intern(value)
        object.__setattr__(self, "__pydantic_fields_set__", _FIELDS_GIVEN)

    def dump(self) -> dict[str, Any]:
        """The JSON form as Kubernetes has it: camelCase, without what is not set or empty."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def says(what: str) -> Any:
    """What a text must be, for the person whose text does not match the pattern: the pattern itself says little."""
    return Field(json_schema_extra={SAYS: what})


def list_map(*keys: str) -> dict[str, Any]:
    """Schema extension: a list whose items differ by `keys`, so that appliers can own items each."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


LIST_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}


def cel(*rules: tuple[str, str]) -> dict[str, Any]:
    """Schema extension: CEL rules as (rule, message)."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}
