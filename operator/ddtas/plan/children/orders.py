"""What the containers of a revision are to fetch: for each of them an Order, in one ConfigMap. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from ddtas.api.installation import Windows
from ddtas.api.requirements import DataRequirement
from ddtas.api.workload import Container
from ddtas.data.delivery.order import Delivery, Network, Order, Period
from ddtas.data.meaning import periods
from ddtas.data.network import Surroundings
from ddtas.plan.children import holdout
from ddtas.plan.children.wiring import Wiring
from ddtas.plan.revision import BoundSource, RevisionInputs
from ddtas.plan.runs.evidence import CALIBRATE, MONITOR, SERVE, VALIDATE
from ddtas.scoring.order import ScoreOrder
from ddtas.settings import Runner

# What changes more often is fetched as often, and everything else once an hour.
_OFTEN = timedelta(hours=1)


def read_by(container: Container, bindings: Iterable[BoundSource]) -> tuple[BoundSource, ...]:
    """The bound sources whose data a container gets."""
    return tuple(b for b in bindings if container.gets(b.requirement))


def tables(container: Container, bindings: Iterable[BoundSource]) -> tuple[BoundSource, ...]:
    """Those of them that it gets as a table."""
    return tuple(b for b in read_by(container, bindings) if b.table is not None)


def key(phase: str, component: str = "") -> str:
    """The key in the ConfigMap of the order of a run, or of a component."""
    return f"{phase}-{component}.json" if component else f"{phase}.json"


def score_key(phase: str) -> str:
    """The key in the same ConfigMap of what a run is scored by."""
    return f"score-{phase}.json"


def score_orders(inputs: RevisionInputs) -> dict[str, ScoreOrder]:
    """What each run is scored by, by its key; nothing where the app has no targets."""
    version = inputs.version
    runs = {CALIBRATE: version.calibration, VALIDATE: version.validation, MONITOR: version.monitoring}
    return {
        score_key(phase): holdout.score_order(inputs, phase, run.thresholds)
        for phase, run in runs.items()
        if run is not None and version.targets
    }


def orders(inputs: RevisionInputs, wiring: Sequence[Wiring], network: Network, namespace: str) -> dict[str, Order]:
    """The order of each container that gets a table, by its key.

    Args:
        inputs: of the revision.
        wiring: its sources as they are now.
        network: which addresses may be connected to.
        namespace: of the pods.
    """
    version = inputs.version
    runs: list[tuple[str, Container | None]] = [
        (CALIBRATE, version.calibration),
        (VALIDATE, version.validation),
        (MONITOR, version.monitoring),
    ]
    containers = [(phase, key(phase), run) for phase, run in runs if run is not None]
    containers += [(SERVE, key(SERVE, c.name), c) for c in version.components]
    wired = {w.requirement: w for w in wiring}
    made = {}
    for phase, name, container in containers:
        deliveries = _deliveries(inputs, tables(container, inputs.bindings), wired, phase)
        if deliveries:
            made[name] = Order(deliveries=deliveries, network=network, namespace=namespace)
    return made


def network_of(runner: Runner, surroundings: Surroundings) -> Network:
    """Which addresses may be connected to: the same that a probe may."""
    return Network(
        allowed=tuple(map(str, runner.allowed)),
        forbidden=tuple(map(str, surroundings.forbidden)),
        inside=tuple(map(str, surroundings.inside)),
        namespaces=surroundings.shared,
        domain=surroundings.domain,
    )


def _deliveries(
    inputs: RevisionInputs, bound: Iterable[BoundSource], wired: Mapping[str, Wiring], phase: str
) -> dict[str, Delivery]:
    requirements = {r.name: r for r in inputs.version.data_requirements}
    made = {}
    for binding in bound:
        wiring, requirement = wired.get(binding.requirement), requirements.get(binding.requirement)
        if wiring is None or requirement is None or binding.table is None:
            continue
        start, end = _period(requirement, inputs.windows, binding.table.time_zone, phase)
        timed = binding.table.time is not None
        made[binding.requirement] = Delivery(
            table=binding.table,
            contract=wiring.source.contract,
            source=wiring.source.name,
            credentials=wiring.source.credentials,
            start=start if timed else None,
            end=end if timed else None,
            windows=_windows(requirement, inputs.windows, binding.table.time_zone, phase) if timed else (),
            refresh=_refresh(wiring.source.contract.time_resolution),
            withhold=holdout.withheld(inputs, requirement, binding.table, phase),
            json_service=wiring.source.json_service,
            licence=wiring.source.licence,
            attribution=wiring.source.supplier,
        )
    return made


def _period(
    requirement: DataRequirement, windows: Windows, zone: str | None, phase: str
) -> tuple[datetime | None, datetime | None]:
    """The period of a table. Calibration gets nothing later than its window, and validation nothing later than its own.

    Who serves, or monitors, gets everything since; data without a history comes whole.
    """
    if requirement.history is False:
        return None, None
    calibration, validation = windows.calibration, windows.validation
    first = calibration.start if phase == CALIBRATE else min(calibration.start, validation.start)
    start = holdout.moment(first, -(requirement.warm_up_days or 0), zone)
    last = {CALIBRATE: calibration.end, VALIDATE: validation.end}.get(phase)
    return start, holdout.moment(last, 1, zone) if last is not None else None


def _windows(requirement: DataRequirement, windows: Windows, zone: str | None, phase: str) -> tuple[Period, ...]:
    """The days that a run is about, without those before them for warming up; none where no run has such days."""
    window = {CALIBRATE: windows.calibration, VALIDATE: windows.validation}.get(phase)
    if window is None or requirement.history is False or requirement.minimum_completeness_percent is None:
        return ()
    return (Period(start=holdout.moment(window.start, 0, zone), end=holdout.moment(window.end, 1, zone)),)


def _refresh(step: str | None) -> str | None:
    width = periods.span(step) if step is not None else None
    return step if width is not None and timedelta() < width < _OFTEN else None
