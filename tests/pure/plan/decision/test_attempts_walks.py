"""Any course of events: however Installations are deleted, renamed and retried, no more scores are seen than may be."""

from typing import Any

from builders import City, calibration_report, installation_body, platform_body, score_report, scored_listing_body
from courses import courses
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ddtas.plan.snapshot import Child, JobFacts
from ddtas.settings import StorePolicy

MOST = 2
WINDOWS: list[Any] = [
    None,  # the listing's: 2015 and 2016
    {
        "calibration": {"start": "2013-01-01", "end": "2013-12-31"},
        "validation": {"start": "2016-06-01", "end": "2016-12-31"},  # some of its days
    },
    {
        "calibration": {"start": "2015-01-01", "end": "2015-12-31"},
        "validation": {"start": "2014-01-01", "end": "2014-12-31"},
    },
]
WHO = st.sampled_from((0, 1))


class Exams(RuleBasedStateMachine):
    """Two Installations of one app on one platform, and somebody who wants to see scores."""

    def __init__(self) -> None:
        super().__init__()
        self.platform = platform_body()
        self.cities = [self.city(name) for name in ("flood", "other")]
        self.windows: list[Any] = [None, None]
        self.serial = 0
        self.seen: dict[bool, int] = {True: 0, False: 0}  # failures, by whether they were of the listing's exam
        self.failed = 0

    def city(self, name: str) -> City:
        made = City(listing=scored_listing_body(), platform=self.platform, policy=StorePolicy(maximum_attempts=MOST))
        made.installation = installation_body()
        made.installation["metadata"] |= {"name": name, "uid": f"uid-{name}"}
        return made

    def run(self, who: int, phase: str) -> Child | None:
        """The run of the newest revision that goes on."""
        city = self.cities[who]
        newest = city.installation.get("status", {}).get("revision")
        found = [c for c in city.children.values() if c.kind == "Job" and c.phase == phase and c.revision == newest]
        return next((c for c in found if isinstance(c.facts, JobFacts) and c.facts.state == "Running"), None)

    def look(self, who: int) -> bool:
        """Whether there is a run whose score is seen now."""
        job = self.run(who, "validate")
        if job is not None:
            self.seen[self.windows[who] is not WINDOWS[2]] += 1
        return job is not None

    @rule(who=WHO)
    def reconciles(self, who: int) -> None:
        self.cities[who].reconcile()

    @rule()
    def the_platform_reconciles(self) -> None:
        self.cities[0].examine(self.cities[1].installation)

    @rule(who=WHO)
    def goes_on(self, who: int) -> None:
        """As far as it comes: to the exam, if it may take one."""
        for _ in range(2):
            self.cities[who].settle()
            self.the_platform_reconciles()
            self.cities[who].settle()
            if self.run(who, "calibrate") is not None:
                self.cities[who].finish("calibrate", "", self.newest(who), score=calibration_report(cmax=412.5))

    @rule(who=WHO)
    def calibration_crashes(self, who: int) -> None:
        if self.run(who, "calibrate") is not None:
            self.cities[who].fail("calibrate")

    @rule(who=WHO)
    def validation_fails(self, who: int) -> None:
        if self.look(who):
            report = score_report(NSE=0.12, RSR=0.53, absPBIAS=4.2)
            self.cities[who].finish("validate", "", self.newest(who), score=report)
            self.is_tried_again(who)

    @rule(who=WHO)
    def validation_crashes(self, who: int) -> None:
        if self.run(who, "validate") is not None:
            self.cities[who].fail("validate")

    @rule(who=WHO, renamed=st.booleans(), watched=st.booleans())
    def is_deleted_and_made_again(self, who: int, renamed: bool, watched: bool) -> None:
        """Perhaps by somebody who saw the score in the pod, before the operator read it."""
        self.serial += 1
        if watched:
            self.look(who)
        city = self.cities[who]
        name = f"other-{self.serial}" if renamed else city.installation["metadata"]["name"]
        city.children = {}
        city.installation = installation_body()
        city.installation["metadata"] |= {"name": name, "uid": f"uid-{self.serial}"}
        self.windows[who] = None
        self.goes_on(who)

    @rule(who=WHO)
    def is_tried_again(self, who: int) -> None:
        self.serial += 1
        self.cities[who].annotate(retry=str(self.serial))
        self.cities[who].tick(61)

    @rule(who=WHO, windows=st.sampled_from(WINDOWS))
    def windows_are_chosen(self, who: int, windows: Any) -> None:
        if self.run(who, "validate") is not None:
            return  # a score that is seen is one of the windows of its run
        self.windows[who] = windows
        self.cities[who].edit(windows=windows)
        self.cities[who].settle()

    @rule(who=WHO)
    def the_status_is_lost(self, who: int) -> None:
        self.cities[who].installation.pop("status", None)

    @rule(who=WHO)
    def is_suspended_for_a_while(self, who: int) -> None:
        self.cities[who].edit(suspend=True)
        self.cities[who].settle()
        self.the_platform_reconciles()
        self.cities[who].edit(suspend=False)

    def newest(self, who: int) -> str:
        return str(self.cities[who].installation["status"]["revision"])

    @invariant()
    def no_more_is_seen_than_may_be(self) -> None:
        assert max(self.seen.values()) <= MOST

    @invariant()
    def each_run_has_its_attempt(self) -> None:
        entries = {(a["uid"], a["revision"]) for a in self.platform.get("status", {}).get("attempts", ())}
        for city in self.cities:
            uid = city.installation["metadata"]["uid"]
            runs = [c for c in city.children.values() if c.kind == "Job" and c.phase == "validate"]
            assert {(uid, run.revision) for run in runs} <= entries

    @invariant()
    def nothing_that_counts_is_forgotten(self) -> None:
        attempts = self.platform.get("status", {}).get("attempts", ())
        failed = sum(a.get("outcome") in ("Failed", "Abandoned") for a in attempts)
        assert failed >= self.failed
        self.failed = failed


TestExams = Exams.TestCase
TestExams.settings = settings(max_examples=courses(15), stateful_step_count=25, deadline=None)
