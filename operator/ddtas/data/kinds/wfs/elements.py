"""Elements of XML by their local names: prefixes, and the namespaces of versions, differ from server to server."""

from xml.etree.ElementTree import Element


def local_name(tag: str) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2]


def child(element: Element, name: str) -> Element | None:
    """The first child of that name."""
    return next((e for e in element if local_name(e.tag) == name), None)


def text_of(element: Element | None) -> str:
    """The text of an element, without spaces around it; empty without one."""
    return (element.text or "").strip() if element is not None else ""


def reference(element: Element, attribute: str) -> str:
    """The local name of what an attribute of XML Schema refers to."""
    return element.get(attribute, "").rpartition(":")[2]
