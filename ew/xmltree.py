"""PURE: builds XML documents of one namespace, element by element."""

from xml.etree import ElementTree as ET


def document(namespace: str, tag: str, **attributes: str) -> ET.Element:
    """The root element of a document whose elements are all in ``namespace``."""
    ET.register_namespace("", namespace)
    return ET.Element(f"{{{namespace}}}{tag}", attributes)


def add(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    """Append a child to ``parent``, in its namespace; returns the child."""
    namespace = parent.tag.rpartition("}")[0]
    child = ET.SubElement(parent, f"{namespace}}}{tag}", attributes)
    child.text = text
    return child


def encoded(root: ET.Element) -> bytes:
    """A document as UTF-8, with its XML declaration."""
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
