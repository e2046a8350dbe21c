"""Work on hostile input, in processes that may break: the one way in which the operator does it.

Three processes, one direction of trust:

    operator ── control socket ──▶ server ── fork, one a request ──▶ child
        └───────────── a socket for each request ────────────────────┘

- The server is started at the first request, without the operator's environment. It has imported what jobs need, so
  that a child starts in milliseconds; it never sees a request. It ends when the operator does, however that comes
  about, because its control socket then closes; and it takes its children with it.
- A child limits itself before it reads its input: memory, processor time and wall-clock time, files, processes. The
  kernel holds it to that, so nothing that it is given can keep it alive. Bytes go in, and bytes come out.
- The operator never unpickles, and reads a bounded number of bytes, which each caller checks like any other hostile
  input. Closing its socket ends the child, so a cancelled request leaves nothing behind.

Not `multiprocessing`'s fork server: that one runs the operator's `__main__` again in each child when the operator was
started by a script (https://github.com/python/cpython/issues/126631), adds a resource tracker process, needs a
writable directory (https://github.com/python/cpython/issues/155717), and leaves its own file descriptors in the child.
"""

from ddtas.confined.client import Broke, Exceeded, close, run
from ddtas.confined.job import Job, Limit

__all__ = ["Broke", "Exceeded", "Job", "Limit", "close", "run"]
