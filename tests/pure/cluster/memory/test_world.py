"""What is kept of each of a thousand Installations is kept once."""

import json

from builders import installation_body

from ddtas.api.installation_status import InventoryItem
from ddtas.cluster.memory.world import World
from ddtas.schema.types import Window


def test_no_model_has_a_set_of_its_own_of_the_fields_that_were_given() -> None:
    one, other = (
        Window(start="2020-01-01", end="2020-12-31"),
        InventoryItem.model_validate({"kind": "Job", "name": "a"}),
    )
    changed = other.model_copy(update={"name": "b"})
    assert one.model_fields_set is other.model_fields_set
    assert other.model_fields_set == set(), "and a copy leaves nothing in it"
    assert (changed.name, other.name) == ("b", "a")
    assert changed.dump() == {"kind": "Job", "name": "b"}
    assert changed == InventoryItem(kind="Job", name="b")


def test_a_text_that_many_objects_have_is_kept_once() -> None:
    world = World()
    for name in ("one", "other"):
        body = json.loads(json.dumps(installation_body()))
        body["metadata"] |= {"name": name}
        body["status"] = {"inventory": [{"kind": "ConfigMap", "name": "flood-9563821c0d-config"}]}
        world.installations.put(body)
    one, other = world.installations.readable()
    assert (one.metadata.name, other.metadata.name) == ("one", "other")
    assert one.spec == other.spec
    assert one.spec.platform is other.spec.platform
    assert one.status.inventory[0].name is other.status.inventory[0].name
