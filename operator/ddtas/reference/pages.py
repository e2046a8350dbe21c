"""All pages by the names of their files."""

from ddtas.api import crd
from ddtas.reference import fields, metrics, reasons, settings


def files() -> dict[str, str]:
    """File name → content of each page."""
    kinds = {f"{kind.name.lower()}.md": fields.text(kind) for kind in crd.KINDS}
    return kinds | {"settings.md": settings.text(), "metrics.md": metrics.text(), "reasons.md": reasons.text()}
