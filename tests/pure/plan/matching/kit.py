"""What the tests of matching share."""

from ddtas.api.installation_status import Check
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.plan.matching.binding import as_checks
from ddtas.plan.matching.checks import Circumstances, all_of
from ddtas.plan.snapshot import SourceObservation


def match(
    requirement: DataRequirement,
    source: DataSource,
    observation: SourceObservation | None,
    circumstances: Circumstances,
) -> tuple[Check, ...]:
    """All checks of one requirement against one source, as a status shows them."""
    return as_checks(all_of(requirement, source, observation, circumstances))
