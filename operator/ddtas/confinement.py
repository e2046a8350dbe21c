"""Limits that a process sets itself before it works on hostile input. The kernel holds it to them.

Light to import: a child process that needs nothing else of the operator begins with it.
"""

import contextlib
import resource
import signal


def confine(seconds: int, memory: int) -> None:
    """From here on this process computes, and uses the files that it has open; it can open no other, nor fork.

    Root may fork in spite of it; the operator does not run as root.

    Args:
        seconds: of processor time since it started, and of wall-clock time from now on.
        memory: bytes of address space.
    """
    limits = {
        resource.RLIMIT_AS: (memory, memory),
        resource.RLIMIT_CPU: (seconds, seconds + 1),  # SIGXCPU, which tells it from a kill; then SIGKILL
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_NOFILE: (0, 0),
        resource.RLIMIT_NPROC: (0, 0),
    }
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    for limit, soft_and_hard in limits.items():
        resource.setrlimit(limit, soft_and_hard)


def offer_to_the_oom_killer() -> None:
    """Where the container runs out of memory, this process is the one to lose, not the operator."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
