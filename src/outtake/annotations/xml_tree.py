"""Read XML of others: no entity is followed, and so none can grow or fetch a file."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat


def parse_xml(content: bytes) -> Element:
    """Return the root of an XML document.

    Raises:
        ValueError: It is damaged, or declares a document type, in which entities are.
    """

    def refuse(*_: Any) -> None:
        raise ValueError("it declares entities, which are not followed")

    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    return builder.close()
