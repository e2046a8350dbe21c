"""Versions and ranges of them (">=1.2.0 <2.0.0"), by the rules of semantic versioning."""

from functools import lru_cache

import semver


@lru_cache(maxsize=4096)
def within(version: str, comparators: str) -> bool | None:
    """Whether a version meets all comparators (">=1.2.0 <2.0.0"); None where one of them cannot be read."""
    try:
        parsed = semver.Version.parse(version)
        return all(parsed.match(c if c[0] in "<>=" else f"=={c}") for c in _comparators(comparators))
    except ValueError:
        return None


def _comparators(text: str) -> list[str]:
    return [f"={part}" if part.startswith("=") and not part.startswith("==") else part for part in text.split()]
