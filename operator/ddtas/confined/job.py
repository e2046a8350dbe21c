"""What is done in a confined process, and how much that may use up. Light to import: both sides begin with it."""

import json
import resource
import signal
from dataclasses import asdict, dataclass
from enum import StrEnum

MIB = 1024 * 1024


class Limit(StrEnum):
    """What a child can use too much of, as messages name it."""

    MEMORY = "memory"
    PROCESSOR = "processor time"
    WALL = "time"
    ANSWER = "space for its answer"


@dataclass(frozen=True)
class Job:
    """One kind of work.

    Attributes:
        module: that does it. It has `prepare(variant: str) -> None`, which imports what is needed, and
            `answer(request: bytes) -> bytes`, which is called under the limits.
        memory: bytes of address space, besides what the process has when all is imported.
        processor_seconds: whole seconds.
        wall_seconds: from the limits on.
        answer_bytes: that are taken of its answer.
        files: the number that descriptors stay below, sockets included; 0 where nothing may be opened.
        file_bytes: that it may write to one file.
    """

    module: str
    memory: int
    processor_seconds: int
    wall_seconds: float
    answer_bytes: int = MIB
    files: int = 0
    file_bytes: int = 0


@dataclass(frozen=True)
class Order:
    """A job, and the variant of it that a child is to prepare for; goes to the server beside the child's socket."""

    job: Job
    variant: str

    def encode(self) -> bytes:
        """As one message of the control socket."""
        return json.dumps({"job": asdict(self.job), "variant": self.variant}).encode()

    @classmethod
    def decode(cls, message: bytes) -> "Order":
        """The order of a message, which the operator itself has sent."""
        order = json.loads(message)
        return cls(Job(**order["job"]), order["variant"])


def confine(job: Job) -> None:
    """From here on this process has what the job may use, and no more; the kernel holds it to that.

    Root may fork in spite of it; the operator does not run as root.
    """
    memory = _address_space() + job.memory
    limits = {
        resource.RLIMIT_AS: (memory, memory),
        # SIGXCPU, which tells it from a kill; then SIGKILL.
        resource.RLIMIT_CPU: (job.processor_seconds, job.processor_seconds + 1),
        resource.RLIMIT_FSIZE: (job.file_bytes, job.file_bytes),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_NOFILE: (job.files, job.files),
        resource.RLIMIT_NPROC: (0, 0),
    }
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, job.wall_seconds)
    for limit, soft_and_hard in limits.items():
        resource.setrlimit(limit, soft_and_hard)


def _address_space() -> int:
    """Bytes of address space that this process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
