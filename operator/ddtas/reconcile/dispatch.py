"""One object, once, whichever kind it is of. Level-triggered: what counts is how things are, not what changed."""

import time
from collections.abc import Awaitable, Callable

from ddtas import metrics
from ddtas.cluster.rest.resources import APP_LISTING, INSTALLATION, PLATFORM
from ddtas.cluster.write import report
from ddtas.confined.turns import Later
from ddtas.data.meaning import questions
from ddtas.errors import ClusterError
from ddtas.names import NamespacedName
from ddtas.reconcile.context import Context, ObjectKey
from ddtas.reconcile.installation import Installations
from ddtas.reconcile.listing import Listings
from ddtas.reconcile.observe import Observer
from ddtas.reconcile.platform import Platforms
from ddtas.reconcile.publish import Publisher
from ddtas.reconcile.rendering import Renderings
from ddtas.reconcile.sources import Sources


class Reconciler:
    """Brings one object at a time to where it should be."""

    def __init__(self, context: Context) -> None:
        publisher, sources = Publisher(context), Sources(context)
        renderings = Renderings(context.settings.require_image_digests)
        observer = Observer(context, sources, renderings)
        self._publisher = publisher
        self._work: dict[str, Callable[[NamespacedName], Awaitable[float | None]]] = {
            APP_LISTING.kind: Listings(context, publisher).reconcile,
            PLATFORM.kind: Platforms(context, publisher, sources, observer).reconcile,
            INSTALLATION.kind: Installations(context, publisher, observer, renderings).reconcile,
        }

    async def __call__(self, key: ObjectKey) -> float | None:
        """Reconcile one object.

        Returns:
            Seconds after which to reconcile it again although nothing was heard; None where an event will come.

        Raises:
            ClusterError: the API server did not do what it was asked; the caller tries again later.
            Exception: a fault of ours, which is a condition of the object by now; the caller tries again later.
        """
        started = time.perf_counter()
        outcome = "error"
        try:
            with questions.elsewhere():  # whatever takes long is not worked out in this process
                again_after = await self._work[key.kind]((key.namespace, key.name))
            outcome = "ok"
        except Later as later:  # for its turn at a confined process
            outcome, again_after = "ok", later.seconds
        except report.Outdated as outdated:
            outcome, again_after = "ok", outdated.again_after
        except (ClusterError, MemoryError):
            raise
        except Exception as error:
            metrics.INTERNAL_ERRORS.labels(key.kind).inc()
            await self._publisher.report_fault(key, error)
            raise
        finally:
            metrics.RECONCILES.labels(key.kind, outcome).inc()
            metrics.RECONCILE_SECONDS.labels(key.kind).observe(time.perf_counter() - started)
        return again_after
