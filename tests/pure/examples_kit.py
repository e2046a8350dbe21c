"""The runs of an app without a cluster: fetched, run and scored in folders, as their containers do it."""

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
from builders import EXAMPLES, JsonObject, example, platform_body

from ddtas.api.evidence import Evidence
from ddtas.api.listing import Version
from ddtas.api.platform import DataSource
from ddtas.api.workload import Run
from ddtas.data.addresses import AddressPolicy
from ddtas.data.delivery.order import Network
from ddtas.data.delivery.reading import Selection
from ddtas.data.session import Limits, Session, Target
from ddtas.plan.children import holdout, orders
from ddtas.plan.children.desired import Owner
from ddtas.plan.children.manifests import Renderer
from ddtas.plan.children.wiring import Wiring
from ddtas.plan.matching.tables import table
from ddtas.plan.revision import Revision, RevisionInputs
from ddtas.plan.runs import scored
from ddtas.plan.runs.evidence import CALIBRATE
from ddtas.plan.runs.last_words import Hidden
from ddtas.runner.delivery import Folders, deliver
from ddtas.scoring.report import ScoreReport
from ddtas.scoring.run import score

APP = EXAMPLES / "flood-twin"

sys.path.append(str(APP / "data-server"))
from discharge_csv import MEMBER, convert  # type: ignore[import-not-found]  # noqa: E402


@cache
def series() -> str:
    """The CSV that the data server of the example serves."""
    text = files("spotpy").joinpath(*MEMBER.split("/")[1:]).read_text("ascii")
    return str(convert(text))


@dataclass(frozen=True)
class Supply:
    """A data source, and the CSV that it serves."""

    source: DataSource
    csv: str


def gauge() -> Supply:
    """The river gauge of the example's platform."""
    return Supply(DataSource.model_validate(platform_body()["spec"]["dataSources"][0]), series())


def example_inputs(listing: str, **parameters: Any) -> RevisionInputs:
    """The revision of an example's listing in the example's city."""
    return inputs(example(listing, "AppListing"), gauge(), **{"areaKm2": 1.783} | parameters)


def inputs(listing: JsonObject, supply: Supply, **parameters: Any) -> RevisionInputs:
    """The revision of an app whose first data requirement is bound, and no other."""
    version = Version.model_validate(listing["spec"]["versions"][0])
    requirement = version.data_requirements[0]
    bound = {
        "requirement": requirement.name,
        "dataSource": supply.source.name,
        "contractVersion": supply.source.contract.version,
        "kind": supply.source.kind,
        "table": table(requirement, supply.source, ()),
    }
    return RevisionInputs.model_validate(
        {
            "listing": listing["metadata"]["name"],
            "version": version,
            "municipality": platform_body()["spec"]["municipality"],
            "parameters": parameters,
            "bindings": [bound],
            "windows": {
                "calibration": version.calibration.window.dump(),
                "validation": version.validation.window.dump(),
            },
        }
    )


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        code: the exit code of the app.
        log: its standard error.
        message: what it left in its termination message.
        report: what the scorer says; None of an app without targets.
    """

    code: int
    log: str
    message: str
    report: ScoreReport | None


class Runs:
    """The runs of one revision, each in folders of its own."""

    def __init__(self, root: Path, of: RevisionInputs, supply: Supply | None = None) -> None:
        self.root, self.inputs, self.supply = root, of, supply or gauge()
        self.renderer = Renderer(Owner("flood", "city", "uid"), Revision.of(of), "runner:1")

    def declared(self, phase: str) -> Run:
        """The run as the listing declares it."""
        version = self.inputs.version
        return version.calibration if phase == CALIBRATE else version.validation

    def folder(self, phase: str, name: str) -> Path:
        """One of the folders of a run: config, data, truth or output."""
        made = self.root / phase / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    async def run(self, phase: str, calibrated: Mapping[str, float] | None = None) -> Ended:
        """Fetch, run the app as its container does, and score."""
        self._configure(phase, calibrated)
        await self._fetch(phase)
        code, log, message = await self._app(phase)
        judged = self.inputs.version.targets and code == 0
        return Ended(code, log, message, self._score(phase) if judged else None)

    def judged(self, phase: str, ended: Ended) -> Evidence:
        """What the operator makes of what the scorer says."""
        assert ended.report is not None
        assert ended.report.fault is None, ended.report.fault
        targets = self.inputs.version.targets
        names = tuple(t.name for t in targets if phase != CALIBRATE)
        exam = scored.Exam(names, holdout.windows(self.inputs, phase), sealed=True)
        return scored.judged(ended.report, exam, self.declared(phase).thresholds, "job", Hidden(()))

    def _configure(self, phase: str, calibrated: Mapping[str, float] | None) -> None:
        config = self.folder(phase, "config")
        data = self.renderer.config().manifest["data"]
        (config / "parameters.json").write_text(data["parameters.json"])
        (config / "run.json").write_text(data[f"{phase}.json"])
        if calibrated is not None:
            found = Evidence.model_validate(
                {"outcome": "Passed", "reason": "Passed", "message": "", "job": "job"}
                | {"parameters": [{"name": n, "value": repr(v)} for n, v in calibrated.items()]}
            )
            text = self.renderer.calibrated(found).manifest["data"]["calibrated.json"]
            (config / "calibrated.json").write_text(text)

    async def _fetch(self, phase: str) -> None:
        (name,), source = (b.requirement for b in self.inputs.bindings), self.supply.source
        made = orders.orders(self.inputs, [Wiring(name, source)], Network(), "city")
        delivery = made[orders.key(phase)].deliveries[name]
        data, truth = self.folder(phase, "data"), self.folder(phase, "truth")
        session = Session(Target(source.kind, source.endpoint, delivery.contract), Limits(), AddressPolicy())
        done = await deliver(session, name, delivery, Folders(data, truth), self._read)
        done.folder.rename(data / name)
        if done.truth is not None:
            done.truth.rename(truth / name)

    async def _read(self, _: Session, selection: Selection) -> AsyncIterator[Any]:
        """The source as its reader gives it: texts."""
        names = [field.name for field in selection.fields]
        options = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pyarrow.string()), include_columns=names, strings_can_be_null=True
        )
        for batch in pyarrow.csv.read_csv(io.BytesIO(self.supply.csv.encode()), convert_options=options).to_batches():
            yield batch

    async def _app(self, phase: str) -> tuple[int, str, str]:
        run, report = self.declared(phase), self.root / phase / "termination-log"
        places = {f"DDTAS_{name.upper()}": str(self.folder(phase, name)) for name in ("config", "data", "output")}
        environment = places | {"DDTAS_RESULT": str(report), "PATH": os.environ["PATH"], "PYTHONPATH": str(APP / "app")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(run.command or ())[1:],
            *(run.args or ()),
            cwd=self.root,
            env=environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, log = await process.communicate()
        assert process.returncode is not None
        return process.returncode, log.decode(), report.read_text() if report.exists() else ""

    def _score(self, phase: str) -> ScoreReport:
        order = holdout.score_order(self.inputs, phase, self.declared(phase).thresholds)
        return score(order, self.folder(phase, "truth"), self.folder(phase, "output"))
