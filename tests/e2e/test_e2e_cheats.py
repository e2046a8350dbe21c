"""Apps that would rather not be judged, in real containers: each ends in its reason, and serves nothing.

Each of them would get through if its one defence were not there; that is tried as well, with the very pod of its run
but for that defence.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import e2e_apps as apps
import pytest
from e2e_city import City
from e2e_kit import JOB, POD, SERVICE, JsonObject, Twin, condition, evidence, in_parallel

from ddtas.scoring.report import ScoreReport

Spec = dict[str, Any]

# Its answers are those of the source, which it asks itself.
FROM_THE_SOURCE = (
    apps.READ
    + """
import io, urllib.request
text = urllib.request.urlopen('ENDPOINT', timeout=20).read().decode()
truth = {r['date']: r['discharge_m3s'] for r in csv.DictReader(l for l in io.StringIO(text) if l[0] != '#')}
leave([[*row.values(), truth[row['date']]] for row in asked])
"""
)
# Its answers are in the volume that is kept from it.
FROM_THE_TRUTH = (
    apps.READ
    + """
import pyarrow.parquet
table = pyarrow.parquet.read_table('/truth/series/data.parquet').to_pylist()
truth = {str(r['date']): r['discharge_m3s'] for r in table}
leave([[*row.values(), truth[row['date']]] for row in asked])
"""
)
LINKED = apps.READ + "leave(honest, '/output/x'); os.symlink('/output/x', '/output/discharge.csv')"
OWN_WORD = (
    "import json; result = {'metrics': {'NSE': 0.99}, 'windows': [{'start': '2015-01-01', 'end': '2016-12-31'}]}; "
    "open('/dev/termination-log', 'w').write(json.dumps(result))"
)
# It leaves a process that waits for its end, to write other answers while the first are judged.
LEFT_BEHIND = (
    apps.READ
    + """
leave(honest)
parent = os.getpid()
if os.fork() == 0:
    os.setsid()
    while os.getppid() == parent:
        pass
    while True:
        open('/output/discharge.csv', 'w').write('spoilt')
os._exit(0)
"""
)


def unsealed(spec: Spec) -> None:
    """Without the launcher, the app has the network of its pod."""
    app = spec["initContainers"][1]
    app["command"] = app["command"][app["command"].index("--") + 1 :]


def with_truth(spec: Spec) -> None:
    """With the volume of the truth mounted in the app."""
    spec["initContainers"][1]["volumeMounts"].append({"name": "truth", "mountPath": "/truth"})


@dataclass(frozen=True)
class Cheat:
    """What it does, how it must end, and the defence without which it would get through."""

    name: str
    predict: str
    reason: str
    says: str
    without: Callable[[Spec], None] | None = None
    image: str = ""


RUNNER = "localhost/ddtas-runner"  # has what reads Parquet
CHEATS = (
    Cheat("from-source", FROM_THE_SOURCE, "RunCrashed", "name resolution", unsealed),
    Cheat(
        "from-truth", FROM_THE_TRUTH, "RunCrashed", "/truth/series/data.parquet", with_truth, "localhost/ddtas-runner"
    ),
    Cheat("linked", LINKED, "OutputUnreadable", "discharge.csv"),
    Cheat("own-word", OWN_WORD, "OutputMissing", "discharge.csv"),
    Cheat("nan", apps.READ + "leave([*r[:-1], 'nan'] for r in honest)", "PredictionsNotFinite", "discharge"),
    Cheat("half", apps.READ + "leave(honest[::2])", "PredictionsIncomplete", "discharge"),
)
PATIENCE_SECONDS = 400.0  # of some twenty pods of three containers, on two cores
LEAST = "-5"  # so low that any honest answer passes: what stops a cheat is not its bad model


@pytest.fixture(scope="module")
def twins(city: City, images: dict[str, str]) -> dict[str, Twin]:
    """All at once: most of the time they wait for the kubelet."""

    def install(cheat: Cheat) -> Twin:
        code = cheat.predict.replace("ENDPOINT", city.endpoint)
        image = images[cheat.image] if cheat.image else city.image
        return city.install(f"c-{cheat.name}", apps.scored(image, predict=code, least=LEAST))

    made = in_parallel(install, list(CHEATS))
    made.append(city.install("honest", apps.scored(city.image, least=LEAST)))
    made.append(city.install("poor", apps.scored(city.image)))
    made.append(city.install("left-behind", apps.scored(city.image, predict=LEFT_BEHIND, least=LEAST)))
    return {twin.name.removeprefix("c-"): twin for twin in made}


def test_an_honest_app_is_judged_by_the_platform_and_serves(twins: dict[str, Twin]) -> None:
    body = twins["honest"].ready(PATIENCE_SECONDS)
    found = evidence(body)["validation"]
    assert (found["assurance"], found["outcome"]) == ("Sealed", "Passed")
    (predicted,) = found["predictions"]
    assert (predicted["rows"], predicted["start"][:10], predicted["end"][:10]) == (731, "2015-01-01", "2016-12-31")
    nse = next(m for m in found["metrics"] if m["name"] == "NSE")
    assert float(nse["low"]) <= float(nse["value"]) <= float(nse["high"])
    assert float(nse["value"]) < 0, "the mean of other years is no better than the mean of these"


def test_a_model_that_is_not_good_enough_is_refused_by_what_the_platform_computed(twins: dict[str, Twin]) -> None:
    found = twins["poor"].refused("Validated", "ThresholdNotMet")
    assert "must be > 0.5" in found["message"]
    assert evidence(twins["poor"].body())["validation"]["assurance"] == "Sealed"


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_no_cheat_serves(twins: dict[str, Twin], cheat: Cheat) -> None:
    twin = twins[cheat.name]
    found = twin.refused("Validated", cheat.reason)
    with twin.cluster.explained(twin.namespace):
        assert cheat.says in found["message"]
        assert twin.children(SERVICE) == []
        assert evidence(twin.body())["validation"]["outcome"] == "Inconclusive"


def test_a_process_that_is_left_behind_does_not_live_to_see_the_score(twins: dict[str, Twin]) -> None:
    """The container ends with its first process, and all others with it."""
    body = twins["left-behind"].ready(PATIENCE_SECONDS)
    mine, honest = (evidence(b)["validation"]["metrics"] for b in (body, twins["honest"].ready(PATIENCE_SECONDS)))
    assert [m["value"] for m in mine] == [m["value"] for m in honest]


@pytest.mark.parametrize("cheat", [c for c in CHEATS if c.without], ids=lambda cheat: cheat.name)
def test_without_its_defence_a_cheat_gets_through(twins: dict[str, Twin], cheat: Cheat) -> None:
    twin = twins[cheat.name]
    twin.refused("Validated", cheat.reason)
    (job,) = twin.children(JOB, phase="validate")
    spec = copy.deepcopy(job["spec"]["template"]["spec"])
    assert cheat.without is not None
    cheat.without(spec)
    metadata = {"name": "undefended", "namespace": twin.namespace}
    twin.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    report = ScoreReport.unsealed(twin.cluster.wait("score", lambda: score(twin), twin.namespace))
    assert report.fault is None
    assert float(next(s.value for s in report.scores if s.metric == "NSE")) > 0.999


def score(twin: Twin) -> str:
    """What the scorer of the pod said at its end; "" while it has not ended."""
    status: JsonObject = twin.cluster.get(POD, twin.namespace, "undefended").get("status", {})
    states = [c["state"] for c in status.get("containerStatuses", []) if c["name"] == "score"]
    return str(states[0].get("terminated", {}).get("message", "")) if states else ""


def test_where_runs_are_open_the_evidence_says_so_and_a_platform_need_not_take_it(city: City) -> None:
    """The same cheat, in a city whose nodes cannot seal: what it proves is worth less, and said to be."""
    space = city.namespace("open")
    code = FROM_THE_SOURCE.replace("ENDPOINT", city.endpoint)
    listing = city.listing("open", apps.scored(city.image, predict=code))
    platform = apps.platform(space, city.endpoint)
    platform["spec"] |= {"openRuns": True}
    city.cluster.apply(platform, apps.installation(space, "open", listing))
    twin = Twin(city.cluster, space, "open")
    assert evidence(twin.ready(PATIENCE_SECONDS))["validation"]["assurance"] == "Scored"
    platform["spec"] |= {"minimumAssurance": "Sealed"}
    city.cluster.apply(platform)
    body = twin.wait("Accepted", "False", "AssuranceTooLow")
    assert "its runs keep their network" in condition(body, "Accepted")["message"]
