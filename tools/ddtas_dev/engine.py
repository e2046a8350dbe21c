"""Whether a Docker engine answers: a client alone is on many machines that have none."""

import functools

from ddtas_dev.shell import succeeds


@functools.cache
def docker_answers() -> bool:
    """Whether images can be built and kind can be used."""
    return succeeds(["docker", "info", "--format", "{{.ServerVersion}}"])
