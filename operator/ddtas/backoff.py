"""How long to wait after failures in a row."""

_MOST_DOUBLINGS = 60  # a server may be away for years, and a float does not grow as long


def backoff(failures: int, first: float, longest: float) -> float:
    """Seconds until the next attempt: the first pause, doubled at each further failure, up to the longest.

    Args:
        failures: in a row, so far; fewer than one count as one.
        first: seconds after the first failure.
        longest: seconds that are never exceeded.
    """
    return min(longest, first * 2.0 ** min(max(failures, 1) - 1, _MOST_DOUBLINGS))
