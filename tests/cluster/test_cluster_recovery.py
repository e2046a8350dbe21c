"""Bad input: each kind ends in a stable condition with its reason, and the next good edit recovers it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cluster_apps as apps
import pytest
from cluster_city import App, City
from cluster_kit import KINDS, SESSION, ApiServer, JsonObject, condition
from cluster_operator import Operator, Rights, free_port
from cluster_supplier import Supplier

SETTINGS = {"probe_interval_seconds": "5", "probe_deadline_seconds": "2", "probe_max_bytes": str(256 * 1024)}


@dataclass
class Case:
    """One Installation with its own listing and platform, of which one thing is wrong."""

    name: str
    step: str
    reason: str
    says: str
    wrong: Callable[["Case", City], list[JsonObject]]  # instead of the good objects of the same kind
    stalled: bool = True
    seen: JsonObject = field(default_factory=dict)
    later: JsonObject = field(default_factory=dict)

    @property
    def app(self) -> str:
        return f"bad-{SESSION}-{self.name}"

    def listing(self, *versions: JsonObject, **spec: Any) -> JsonObject:
        return apps.listing(self.app, *versions, **spec)

    def platform(self, city: City, *sources: JsonObject, **spec: Any) -> JsonObject:
        found = sources or (apps.source(city.supplier.url()),)
        return apps.platform(city.namespace, *found, name=self.name, **spec)

    def installation(self, city: City, **spec: Any) -> JsonObject:
        return apps.installation(city.namespace, self.name, self.app, **({"platform": self.name} | spec))

    def good(self, city: City) -> dict[str, JsonObject]:
        """What it should be, by kind."""
        return {b["kind"]: b for b in (self.listing(), self.platform(city), self.installation(city))}

    def spoilt(self, city: City) -> list[JsonObject]:
        """The good objects with the wrong ones in their places; None of a kind leaves it out."""
        return list((self.good(city) | {b["kind"]: b for b in self.wrong(self, city)}).values())


def absent(kind: str) -> Callable[[Case, City], list[JsonObject]]:
    """Without the object of that kind."""
    return lambda case, city: [{"kind": kind}]


def source_at(path: str, **more: Any) -> Callable[[Case, City], list[JsonObject]]:
    """With a data source that is elsewhere."""
    return lambda case, city: [case.platform(city, apps.source(city.supplier.url(path), **more))]


def lacking_field(case: Case, city: City) -> list[JsonObject]:
    """A requirement that no source meets."""
    required = apps.version()["dataRequirements"][0]
    fields = [*apps.FIELDS, {"name": "rain_mm", "type": "number"}]
    return [case.listing(apps.version(dataRequirements=[required | {"fields": fields}]))]


def template(manifest: str) -> Callable[[Case, City], list[JsonObject]]:
    """A listing with a template."""
    return lambda case, city: [case.listing(apps.version(templates=[{"name": "extra", "manifest": manifest}]))]


FORBIDDEN = "apiVersion: v1\nkind: Secret\nmetadata: {name: '{{ prefix }}-x'}\n"
ESCAPE = "{{ ''.__class__.__mro__[1].__subclasses__() }}"

# Where the end of the data cannot be read, the supplier's promise counts; this one promises none.
NO_PERIOD = {"version": "1.0.0", "fields": apps.FIELDS}

CASES = [
    Case("no-listing", "Accepted", "ListingNotFound", "there is no AppListing", absent("AppListing"), stalled=False),
    Case("no-version", "Accepted", "VersionNotFound", "has no version 9.9.9; it has 1.0.0",
         lambda case, city: [case.installation(city, version="9.9.9")]),
    Case("no-platform", "Accepted", "PlatformNotFound", "there is no MunicipalityPlatform no-platform in namespace",
         absent("MunicipalityPlatform"), stalled=False),
    Case("withdrawn", "Accepted", "VersionWithdrawn", "version 1.0.0 was withdrawn",
         lambda case, city: [case.listing(apps.version(state="Withdrawn"))]),
    Case("no-review", "Accepted", "ListingNotApproved", "Ethical has no score",
         lambda case, city: [case.listing(review=[])]),
    Case("small-limits", "Accepted", "PlatformUnsuitable", "spec.limits allow 1m",
         lambda case, city: [case.platform(city, limits={"cpu": "1m", "memory": "1Gi"})]),
    Case("new-kubernetes", "Accepted", "PlatformUnsuitable", "needs Kubernetes 1.99",
         lambda case, city: [case.listing(apps.version(platformRequirements={"minimumKubernetesVersion": "1.99"}))]),
    Case("elsewhere", "Accepted", "WorkloadNamespaceForbidden", "must be its own",
         lambda case, city: [case.platform(city, workloadNamespace="kube-system")]),
    Case("bad-parameter", "Accepted", "ParametersInvalid", "spec.parameters.depth: is 0.1, must be at least 0.5",
         lambda case, city: [case.installation(city, parameters={"depth": 0.1})]),
    Case("odd-parameter", "Accepted", "ParametersInvalid", "the app has no such parameter",
         lambda case, city: [case.installation(city, parameters={"width": 1})]),
    Case("no-sources", "DataBound", "RequirementNotMet", "the platform has no data source at all",
         lambda case, city: [apps.platform(city.namespace, name=case.name)]),
    Case("no-field", "DataBound", "RequirementNotMet", "needs rain_mm", lacking_field),
    Case("two-sources", "DataBound", "BindingAmbiguous", "choose one in spec.bindings",
         lambda case, city: [case.platform(city, *(apps.source(city.supplier.url(), name=n) for n in ("a", "b")))]),
    Case("bad-binding", "DataBound", "BindingInvalid", "no data source nowhere",
         lambda case, city: [case.installation(city, bindings=[{"requirement": "series", "dataSource": "nowhere"}])]),
    Case("unreachable", "DataBound", "DataSourceUnreachable", "Unreachable: no connection to",
         lambda case, city: [case.platform(city, apps.source(f"http://127.0.0.1:{free_port()}/x.csv"))], stalled=False),
    Case("slow", "DataBound", "DataSourceUnreachable", "TooSlow", source_at("/slow.csv"), stalled=False),
    Case("page", "DataBound", "DataSourceUnreachable", "UnexpectedContent", source_at("/page.csv"), stalled=False),
    Case("forbidden", "DataBound", "DataSourceUnreachable", "AddressForbidden",
         lambda case, city: [case.platform(city, apps.source("http://169.254.169.254/latest"))], stalled=False),
    Case("endless", "DataBound", "RequirementNotMet", "(end not read)", source_at("/endless.csv", contract=NO_PERIOD)),
    Case("syntax", "Provisioned", "TemplateInvalid", "extra", template("{% if %}")),
    Case("undefined", "Provisioned", "TemplateInvalid", "nothing_like_it", template("a: {{ nothing_like_it }}")),
    Case("kind", "Provisioned", "TemplateForbidden", "Secret", template(FORBIDDEN)),
    Case("escape", "Provisioned", "TemplateForbidden", "extra", template(ESCAPE)),
]  # fmt: skip


@pytest.fixture(scope="module")
def town(cluster: ApiServer, data: Supplier, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """One city in which all of it goes wrong at once: nothing waits for anything else."""
    folder = tmp_path_factory.mktemp("town")
    space = cluster.make_namespace(f"t-{SESSION}-town")
    city = City(cluster, space, data, Rights(cluster, space, folder), folder)
    city.start(**SETTINGS)
    yield city
    city.end()
    for case in CASES:
        cluster.delete(KINDS["AppListing"], None, case.app)
    cluster.delete(KINDS["Namespace"], None, space)


@pytest.fixture(scope="module")
def went_wrong(town: City) -> City:
    """Every case was made, and settled."""
    for case in CASES:
        town.cluster.apply(*(b for b in case.spoilt(town) if "metadata" in b))
    for case in CASES:
        _looked_at(town, case)
        case.seen = town.known(case.name).wait_for(case.step, "False", case.reason)
    return town


def _looked_at(town: City, case: Case) -> None:
    """What the contract alone refuses is refused before the first look, which then adds to the message."""
    known = town.known(case.name)
    known.wait_for(case.step, "False", case.reason)
    told = "not probed yet"
    town.cluster.wait("a look", lambda: told not in condition(known.body(), case.step)["message"])


@pytest.fixture(scope="module")
def stayed_wrong(went_wrong: City) -> City:
    """Some rounds of probes later. What is seen anew and is not new must not be written."""
    went_wrong.cluster.wait("more looks", lambda: went_wrong.supplier.asked["/page.csv"] >= 3)
    for case in CASES:
        case.later = went_wrong.known(case.name).body()
    return went_wrong


@pytest.fixture(scope="module")
def recovered(stayed_wrong: City) -> City:
    """Every case was put right."""
    for case in CASES:
        stayed_wrong.cluster.apply(*case.good(stayed_wrong).values())
    return stayed_wrong


each = pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])


@each
def test_it_ends_with_a_reason_that_says_what_to_do(went_wrong: City, case: Case) -> None:
    assert case.says in case.seen["message"]


@each
def test_it_stays_there(stayed_wrong: City, case: Case) -> None:
    ready, found = condition(case.later, "Ready"), condition(case.later, case.step)
    assert found == case.seen
    assert (ready["status"], ready["reason"]) == ("False", case.reason)
    assert condition(case.later, "Stalled")["status"] == str(case.stalled)
    assert condition(case.later, "Reconciling")["status"] == str(not case.stalled)
    assert case.later["status"].get("url") is None


@each
def test_the_next_good_edit_recovers_it(recovered: City, case: Case) -> None:
    recovered.known(case.name).served()


def test_nothing_is_written_while_nothing_changes(recovered: City) -> None:
    """Sources are still looked at every few seconds."""
    for case in CASES:
        recovered.known(case.name).served()
    recovered.settled()
    before, mark = recovered.supplier.asked["/series.csv"], recovered.cluster.mark()
    recovered.cluster.wait("looks", lambda: recovered.supplier.asked["/series.csv"] >= before + len(CASES))
    assert [r for r in recovered.cluster.requests(recovered.rights.user, mark) if r.writes] == []


def test_a_source_that_goes_on_failing_is_told_and_the_app_keeps_serving(
    cluster: ApiServer, space: str, tmp_path: Path
) -> None:
    supplier = Supplier()
    city = City(cluster, space, supplier, Rights(cluster, space, tmp_path), tmp_path)
    try:
        city.start(**SETTINGS)
        flood = city.everything()
        flood.served()
        supplier.broken = True
        said = flood.wait_for("DataBound", "False", "DataSourceUnreachable")["message"]
        assert "HTTP 503" in said
        assert condition(flood.body(), "Serving")["status"] == "True"
        assert condition(flood.body(), "Ready")["status"] == "False"
        supplier.broken = False
        flood.served()
    finally:
        city.end()
        supplier.stop()


def test_a_refused_object_is_tried_again(city: City) -> None:
    """A quota that is full: no person has to touch the Installation when it is gone."""
    path = f"/api/v1/namespaces/{city.namespace}/resourcequotas"
    city.cluster.request("POST", path, {"metadata": {"name": "full"}, "spec": {"hard": {"count/configmaps": "0"}}})
    city.cluster.wait(
        "quota in force", lambda: city.cluster.request("GET", f"{path}/full").get("status", {}).get("used")
    )
    city.start()
    flood = city.everything()
    said = flood.wait_for("Provisioned", "False", "ApplyFailed")["message"]
    assert "exceeded quota: full" in said
    city.cluster.request("DELETE", f"{path}/full")
    flood.served()


def test_an_api_server_that_refuses_at_first(city: City, tmp_path: Path) -> None:
    """The operator is started before its rights are there: it waits, says so, and goes on."""
    city.rights.withdraw()
    operator: Operator = city.operator()
    operator.start(ready=False)
    city.cluster.wait("complaint", lambda: "forbidden" in operator.output)
    assert operator.running
    assert operator.get("/readyz")[0] in (0, 503)
    city.rights.grant()
    city.cluster.wait("readiness", lambda: operator.get("/readyz")[0] == 200)
    flood: App = city.everything()
    flood.served()
