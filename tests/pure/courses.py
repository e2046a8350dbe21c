"""How many courses of events a test tries: a few in each run, and as many as a person asks for in a search."""

import os


def courses(few: int) -> int:
    """`DDTAS_TEST_COURSES`, or these few."""
    return int(os.environ.get("DDTAS_TEST_COURSES", few))
