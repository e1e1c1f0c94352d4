"""PURE: what clients of FDSN web services ask for before they ask for events: which parameters there are."""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

VERSION = "1.2.0"
"""Of the specification (FDSN web services 1.2)."""
NAMESPACE = "http://wadl.dev.java.net/2009/02"
PARAMETERS: Mapping[str, str] = {
    "starttime": "xs:dateTime",
    "endtime": "xs:dateTime",
    "minlatitude": "xs:double",
    "maxlatitude": "xs:double",
    "minlongitude": "xs:double",
    "maxlongitude": "xs:double",
    "minmagnitude": "xs:double",
    "maxmagnitude": "xs:double",
    "eventid": "xs:string",
    "limit": "xs:int",
    "format": "xs:string",
    "nodata": "xs:int",
}
"""As ``ew.api.events.query`` takes them."""


def wadl(base: str) -> bytes:
    """The document for a service whose resources lie below ``base``."""
    ET.register_namespace("", NAMESPACE)
    root = ET.Element(_name("application"), {"xmlns:xs": "http://www.w3.org/2001/XMLSchema"})
    resources = ET.SubElement(root, _name("resources"), base=f"{base}fdsnws/event/1/")
    resource = ET.SubElement(resources, _name("resource"), path="query")
    method = ET.SubElement(resource, _name("method"), id="query", name="GET")
    request = ET.SubElement(method, _name("request"))
    for name, kind in PARAMETERS.items():
        ET.SubElement(request, _name("param"), name=name, style="query", type=kind)
    for path in ("version", "application.wadl"):
        other = ET.SubElement(resources, _name("resource"), path=path)
        ET.SubElement(other, _name("method"), id=path, name="GET")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"
