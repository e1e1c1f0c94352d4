"""PURE: the description of an fdsnws-event service that its clients ask for first (WADL)."""

from collections.abc import Mapping

from ew.xmltree import add, document, encoded

VERSION = "1.2.0"
"""Version of the specification (FDSN web services 1.2)."""
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
"""The parameters of ``ew.api.events.query``."""


def wadl(base: str) -> bytes:
    """The document for a service whose resources lie below ``base``."""
    root = document(NAMESPACE, "application", **{"xmlns:xs": "http://www.w3.org/2001/XMLSchema"})
    resources = add(root, "resources", base=f"{base}fdsnws/event/1/")
    query = add(add(resources, "resource", path="query"), "method", id="query", name="GET")
    request = add(query, "request")
    for name, kind in PARAMETERS.items():
        add(request, "param", name=name, style="query", type=kind)
    for path in ("version", "application.wadl"):
        add(add(resources, "resource", path=path), "method", id=path, name="GET")
    return encoded(root)
