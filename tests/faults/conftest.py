"""The API servers of the cluster layer, with the app of all streets in the store."""

from collections.abc import Iterator

import cluster_apps as apps
import faults_courses as courses
import pytest
from cluster_kit import KINDS, ApiServer
from faults_street import LISTING, NEW, OLD, version
from faults_table import RESULTS, by_fault


@pytest.fixture(scope="session")
def store(cluster: ApiServer) -> Iterator[None]:
    """The app; nobody changes it, so that streets side by side do not hear of each other."""
    cluster.apply(apps.listing(LISTING, version(OLD), version(NEW)))
    yield
    cluster.delete(KINDS["AppListing"], None, LISTING)


def pytest_report_header() -> str:
    return f"faults: {'all' if courses.everything() else f'a few, by seed {courses.seed()}'} ({courses.SEED})"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if RESULTS:
        terminalreporter.section("faults")
        terminalreporter.write("\n".join(by_fault(RESULTS)) + "\n")
