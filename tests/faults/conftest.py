"""The API servers of the cluster layer, with the app of all streets in the store."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

import cluster_apps as apps
import faults_courses as courses
import pytest
from cluster_kit import KINDS, ApiServer
from faults_street import LISTING, NEW, OLD, version
from faults_table import PAGE, Result, by_fault, page

_PROPERTY = "fault"


@pytest.fixture(scope="session")
def store(cluster: ApiServer) -> Iterator[None]:
    """The app; nobody changes it, so that streets side by side do not hear of each other."""
    cluster.apply(apps.listing(LISTING, version(OLD), version(NEW)))
    yield
    cluster.delete(KINDS["AppListing"], None, LISTING)


def pytest_report_header() -> str:
    return f"faults: {'all' if courses.everything() else f'a few, by seed {courses.seed()}'} ({courses.SEED})"


@pytest.fixture
def came_of_it(record_property: Callable[[str, object], None]) -> Callable[[Result], None]:
    """Takes down how a course went: with the test's report, which may come from another process."""

    def take(result: Result) -> None:
        record_property(_PROPERTY, asdict(result))

    return take


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found]
    properties = [p for report in reports if getattr(report, "when", "") == "call" for p in report.user_properties]
    results = [Result(**value) for name, value in properties if name == _PROPERTY]
    if not results:
        return
    terminalreporter.section("faults")
    terminalreporter.write("\n".join(by_fault(results)) + "\n")
    if len({str(result) for result in results}) == courses.HOW_MANY:
        PAGE.write_text(page(results))
        terminalreporter.write(f"{PAGE.name} was written\n")
