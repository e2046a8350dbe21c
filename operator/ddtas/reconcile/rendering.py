"""Renders the templates that a decision asks for, and remembers what came of them."""

from collections import OrderedDict
from collections.abc import Iterable

from ddtas.api.installation import Installation
from ddtas.confined.turns import Party
from ddtas.errors import TemplateError
from ddtas.names import NamespacedName
from ddtas.plan.children.admission import admit
from ddtas.plan.decision.plan import RenderRequest
from ddtas.plan.snapshot import Manifest
from ddtas.reconcile.sandbox import render_in_sandbox

# Installations, and revisions of each (the one that serves and the target, and a few that were left behind).
_MOST_INSTALLATIONS = 2000
_MOST_REVISIONS = 8

Rendered = tuple[Manifest, ...] | TemplateError


class Renderings:
    """What templates gave, by Installation, then revision.

    Two Installations may have the same revision, but never the same names.
    """

    def __init__(self, pinned: bool) -> None:
        """Remember nothing yet.

        Args:
            pinned: refuse images without a digest.
        """
        self._pinned = pinned
        self._rendered: OrderedDict[NamespacedName, dict[str, Rendered]] = OrderedDict()

    def of(self, owner: NamespacedName) -> dict[str, Rendered]:
        """What was rendered for an Installation, by revision."""
        return self._rendered.get(owner, {})

    async def render(self, installation: Installation, requests: Iterable[RenderRequest]) -> None:
        """Render templates in the sandbox; an error of theirs is what came of them.

        Raises:
            Later: the listing has to wait for its turn.
            OSError: the sandbox could not be started.
        """
        owner = (installation.metadata.namespace, installation.metadata.name)
        for request in requests:
            mine = self._rendered.setdefault(owner, {})
            mine[request.revision] = await self._render(request, (installation.spec.listing, owner[0]))
            if len(mine) > _MOST_REVISIONS:
                del mine[next(iter(mine))]
        while len(self._rendered) > _MOST_INSTALLATIONS:
            self._rendered.popitem(last=False)

    async def _render(self, request: RenderRequest, party: Party) -> Rendered:
        try:
            objects = await render_in_sandbox(request.templates, request.context, party)
            where = {"prefix": request.prefix, "namespace": request.namespace}
            return tuple(admit(objects, **where, taken=request.taken, pinned=self._pinned))
        except TemplateError as error:
            return error
