"""A product has no more rights than the data that it is made of."""

import itertools
from typing import Any

import pytest
from builders import source as source_of
from hypothesis import given
from hypothesis import strategies as st
from systems import System, Twin, app, product, requirement

from ddtas.api.installation_status import ProductStatus
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.contract import AccessRights, SecurityClass
from ddtas.plan.matching.declarations import terms
from ddtas.plan.twins.rights import Withheld, limited

FREE = {"accessRights": "public", "purposes": ["anything"], "securityClass": None, "legalBasis": None}
Rights = dict[str, Any]


def data(name: str = "gauge", **rights: Any) -> DataSource:
    return source_of(name=name, **(FREE | rights))


def made(*sources: DataSource, declassified: str | None = None, **rights: Any) -> ProductStatus | Withheld:
    own = data("flood-forecast", **({"purposes": ["water", "safety"]} | rights))
    return limited(
        ProductStatus(name="forecast", secret_name="flood-forecast", source=own, declassified=declassified), sources
    )


BOTH = ["water", "safety"]
CLOSED, SHUT = {"accessRights": "restricted"}, {"accessRights": "non-public"}
PERSONAL = {"legalBasis": "consent"}
CASES: dict[str, tuple[Rights, list[Rights], Rights]] = {
    "public data": ({}, [{}], {}),
    "no data": ({}, [], {}),
    "restricted data": ({}, [{}, CLOSED | {"purposes": ["water"]}], CLOSED | {"purposes": ["water"]}),
    "non-public and restricted data": (
        {},
        [SHUT | {"purposes": ["safety", "water"]}, CLOSED | {"purposes": ["tax", "safety"]}],
        SHUT | {"purposes": ["safety"]},
    ),
    "more protected than its data": (SHUT, [CLOSED | {"purposes": BOTH}], SHUT),
    "classes": ({}, [{"securityClass": c} for c in ("internal", "confidential")], {"securityClass": "confidential"}),
    "a class above that of the listing": (
        {"securityClass": "internal"},
        [{"securityClass": "secret"}],
        {"securityClass": "secret"},
    ),
    "a class below that of the listing": (
        {"securityClass": "confidential"},
        [{"securityClass": "internal"}],
        {"securityClass": "confidential"},
    ),
    "public data does not say that the product is": ({}, [{"securityClass": "public"}], {}),
    "personal data": ({}, [PERSONAL | {"purposes": ["safety"]}], PERSONAL | {"purposes": ["safety"]}),
    "personal data, denied by the listing": (
        {"legalBasis": "no-personal-data"},
        [PERSONAL | {"purposes": BOTH}],
        PERSONAL,
    ),
    "personal data on the basis of the listing": (
        PERSONAL,
        [PERSONAL | {"purposes": ["water"]}],
        PERSONAL | {"purposes": ["water"]},
    ),
    "no personal data": ({}, [{"legalBasis": "no-personal-data", "purposes": ["tax"]}], {}),
    "purposes of public data": ({}, [{"purposes": ["tax"]}], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_rights_are_those_of_the_most_protected_source(case: str) -> None:
    own, sources, expected = CASES[case]
    product = made(*(data(f"s{n}", **rights) for n, rights in enumerate(sources)), **own)
    assert isinstance(product, ProductStatus)
    wanted = data("flood-forecast", **({"purposes": ["water", "safety"]} | own | expected))
    assert product.source == wanted
    assert bool(product.limited_by) == (wanted != data("flood-forecast", **({"purposes": ["water", "safety"]} | own)))


WITHHELD: dict[str, tuple[Rights, list[Rights], str]] = {
    "no purpose": (
        {},
        [{"accessRights": "restricted", "purposes": ["tax"]}],
        "none of its purposes (water, safety) is one of data source s0 (tax)",
    ),
    "no purpose in common": (
        {},
        [{"accessRights": "restricted", "purposes": [p]} for p in ("water", "safety")],
        "none of its purposes (water) is one of data source s1 (safety)",
    ),
    "two bases": (
        {},
        [{"legalBasis": "consent"}, {"legalBasis": "public-task"}],
        "it would hold personal data on more than one legal basis: consent (s0), public-task (s1)",
    ),
    "another basis than that of the listing": (
        {"legalBasis": "public-task"},
        [{"legalBasis": "consent"}],
        "it would hold personal data on more than one legal basis: consent (s0), public-task (the listing)",
    ),
}


@pytest.mark.parametrize("case", WITHHELD)
def test_a_product_that_nobody_may_use_is_withheld(case: str) -> None:
    own, sources, why = WITHHELD[case]
    inputs = [data(f"s{n}", **rights) for n, rights in enumerate(sources)]
    assert made(*inputs, **own) == Withheld("forecast", why)
    freed = made(*inputs, declassified="Sums only.", **own)
    assert isinstance(freed, ProductStatus)
    assert freed.source == data("flood-forecast", **({"purposes": ["water", "safety"]} | own))
    assert freed.limited_by == ()


def test_the_sources_that_limit_a_product_are_named_and_no_others() -> None:
    found = made(
        data("open"),
        data("closed", accessRights="non-public", purposes=["water", "safety"]),
        data("classified", securityClass="internal"),
    )
    assert isinstance(found, ProductStatus)
    assert found.limited_by == ("classified", "closed")


RIGHTS = st.fixed_dictionaries(
    {
        "accessRights": st.sampled_from(list(AccessRights)),
        "securityClass": st.sampled_from([None, *SecurityClass]),
        "legalBasis": st.sampled_from([None, "no-personal-data", "consent", "public-task"]),
        "purposes": st.lists(st.sampled_from(["water", "safety", "tax"]), min_size=1, unique=True),
    }
)
REQUIREMENT = st.fixed_dictionaries(
    {},
    optional={
        "accessRights": st.lists(st.sampled_from(list(AccessRights)), min_size=1, unique=True),
        "maximumSecurityClass": st.sampled_from(list(SecurityClass)),
        "legalBases": st.lists(
            st.sampled_from(["no-personal-data", "consent", "public-task"]), min_size=1, unique=True
        ),
        "purpose": st.sampled_from(["water", "safety", "tax"]),
    },
)


@given(own=RIGHTS, inputs=st.lists(RIGHTS, max_size=3), wanted=REQUIREMENT)
def test_whoever_may_not_use_a_source_may_not_use_what_is_made_of_it(
    own: Rights, inputs: list[Rights], wanted: Rights
) -> None:
    """A requirement that a source refuses for its rights is refused by the product, too."""
    requirement = DataRequirement.model_validate({"name": "r", "description": "x"} | wanted)

    def refused(source: DataSource) -> bool:
        return any(c.fails for c in terms(requirement, source))

    sources = [data(f"s{n}", **rights) for n, rights in enumerate(inputs)]
    found = made(*sources, **own)
    if isinstance(found, Withheld):
        return
    for source in sources:
        # That a source is known to hold no personal data, and the purposes of data for anybody, protect nobody.
        free = source.access_rights is AccessRights.PUBLIC and source.legal_basis is None
        if source.legal_basis != "no-personal-data" and not free and refused(source):
            assert refused(found.source), (source, found.source)


@given(own=RIGHTS, inputs=st.lists(RIGHTS, max_size=3))
def test_the_order_of_sources_and_a_second_time_make_no_difference(own: Rights, inputs: list[Rights]) -> None:
    sources = [data(f"s{n}", **rights) for n, rights in enumerate(inputs)]
    first = made(*sources, **own)
    for order in itertools.permutations(sources):
        other = made(*order, **own)
        assert isinstance(other, Withheld) == isinstance(first, Withheld)
        if isinstance(first, ProductStatus):
            assert other == first
            assert limited(first, order) == first


# ---- in a system ----


def gauge(twin: Twin) -> dict[str, Any]:
    """The city's source, to be edited."""
    assert isinstance(twin.platform, dict)
    source: dict[str, Any] = twin.platform["spec"]["dataSources"][0]
    return source


def version(twin: Twin) -> dict[str, Any]:
    """The version of the app, to be edited."""
    assert isinstance(twin.listing, dict)
    found: dict[str, Any] = twin.listing["spec"]["versions"][0]
    return found


def serving(**more: Any) -> tuple[System, Twin]:
    system = System()
    up = system.install("flood", app("flood-twin", products=(product(**more),)))
    system.go_live(up)
    return system, up


def test_a_public_product_of_restricted_data_is_restricted() -> None:
    _, up = serving()
    (published,) = up.installation["status"]["products"]
    assert published["source"]["accessRights"] == "restricted"
    assert published["limitedBy"] == ["river-gauge"]
    assert "declassified" not in published


def test_a_product_that_is_declassified_says_why() -> None:
    _, up = serving(declassified="Sums of a whole district.")
    (published,) = up.installation["status"]["products"]
    assert published["source"]["accessRights"] == "public"
    assert published["declassified"] == "Sums of a whole district."


def test_rights_go_over_two_hops() -> None:
    system, up = serving()
    listing = app("district-twin", requirement(), products=(product("nuisance", theme="nuisance"),))
    down = system.install("district", listing)
    system.go_live(up, down)
    (published,) = down.installation["status"]["products"]
    assert published["source"]["accessRights"] == "restricted"
    assert published["limitedBy"] == ["flood-forecast", "river-gauge"]


def test_a_product_follows_what_the_platform_says_now() -> None:
    _, up = serving()
    before = up.installation["status"]["revision"]
    gauge(up)["accessRights"] = "non-public"
    version(up)["dataRequirements"][0]["accessRights"] = ["non-public", "restricted"]
    up.settle()
    assert up.installation["status"]["revision"] == before
    assert up.installation["status"]["products"][0]["source"]["accessRights"] == "non-public"


def test_a_product_that_is_withheld_is_taken_back_and_said() -> None:
    _, up = serving(purposes=["water-management"])
    assert ("Secret", "flood-forecast") in up.children
    assert all(c["type"] != "ProductsPublished" for c in up.installation["status"]["conditions"])
    source = gauge(up)
    source["purposes"] = ["flood-prevention"]
    up.settle()
    status = up.installation["status"]
    assert "products" not in status
    said = up.condition("ProductsPublished")
    assert (said["status"], said["reason"]) == ("False", "ProductWithheld")
    assert "forecast: none of its purposes (water-management)" in said["message"]
    assert up.condition("Ready")["status"] == "True"
    assert ("Secret", "flood-forecast") not in up.children
    source["purposes"] = ["water-management", "flood-prevention"]
    up.settle()
    assert up.installation["status"]["products"][0]["name"] == "forecast"
    assert all(c["type"] != "ProductsPublished" for c in up.installation["status"]["conditions"])


def test_a_product_of_a_kept_revision_is_limited_too() -> None:
    _, up = serving()
    version(up)["validation"]["thresholds"][0]["value"] = "0.99"
    gauge(up)["securityClass"] = "internal"
    version(up)["dataRequirements"][0]["maximumSecurityClass"] = "internal"
    up.settle()
    status = up.installation["status"]
    assert status["revision"] != status["servingRevision"]
    assert status["products"][0]["source"]["securityClass"] == "internal"
