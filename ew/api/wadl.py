"""PURE: what clients of FDSN web services ask for before they ask for events: which parameters there are."""

from collections.abc import Mapping

from ew.xmltree import add, document, encoded

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
    root = document(NAMESPACE, "application", **{"xmlns:xs": "http://www.w3.org/2001/XMLSchema"})
    resources = add(root, "resources", base=f"{base}fdsnws/event/1/")
    query = add(add(resources, "resource", path="query"), "method", id="query", name="GET")
    request = add(query, "request")
    for name, kind in PARAMETERS.items():
        add(request, "param", name=name, style="query", type=kind)
    for path in ("version", "application.wadl"):
        add(add(resources, "resource", path=path), "method", id=path, name="GET")
    return encoded(root)
