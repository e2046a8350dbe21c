"""What a moment that was written down says, when the clock may have been wrong: it may jump, ahead and back. Pure.

Clocks differ by a little, always. What lies further ahead than that was written by a clock that was ahead, and says
nothing of how old a thing is.
"""

from datetime import datetime, timedelta

SKEW = timedelta(minutes=5)


def ahead(moment: datetime, now: datetime) -> bool:
    """Whether a moment that should be past was written by a clock that was ahead."""
    return moment - now > SKEW


def elapsed(since: datetime, now: datetime, pause: timedelta) -> bool:
    """Whether a pause is over; one that began in the future is."""
    return now - since >= pause or ahead(since, now)
