import pytest

from outtake.annotations.xml_tree import parse_xml

BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>"""


def test_a_tree_has_its_attributes_and_texts():
    root = parse_xml(
        '<?xml version="1.0" encoding="utf-8"?><a><b c="1">é &lt;!DOCTYPE</b></a>'.encode()
    )
    assert root.tag == "a" and root[0].attrib == {"c": "1"} and root[0].text == "é <!DOCTYPE"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_any_encoding(encoding):
    text = BOMB.decode().replace('"1.0"', f'"1.0" encoding="{encoding}"')
    with pytest.raises(ValueError, match="declares entities"):
        parse_xml(text.encode(encoding))


@pytest.mark.parametrize("content", [b"", b"<a>", b"<a></b>", b"\xff\xfe<"])
def test_a_damaged_document_is_a_value_error(content):
    with pytest.raises(ValueError, match=r"line|element"):
        parse_xml(content)
