"""The byte index: offsets that are right, splices that touch nothing else, hostile documents refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from interchange.errors import InternalError, InvalidInputError, Reason, UnsupportedError
from interchange.formats.xml_splice import (
    MAX_DEPTH,
    Splice,
    XmlIndex,
    apply_splices,
    quote_attribute,
)

TRICKY = [
    b"<a/>",
    b"<a></a>",
    b"<a>/></a>",
    b"<a><a/></a>",
    b"<a b='/>'></a>",
    b'<a b=">" c = \'"\'><!-- <x/> --><d\n/><![CDATA[</a>]]></a >',
    b"\xef\xbb\xbf<?xml version='1.0'?>\r\n<a>\r\n<b x='\xc3\xa9'/>\xc3\xa9</a>\r\n<!-- end -->",
]


@pytest.mark.parametrize("raw", TRICKY)
def test_index_finds_each_element_by_its_bytes(raw: bytes) -> None:
    index = XmlIndex(raw)
    for element in index.elements:
        alone = etree.fromstring(index.source(element))
        assert alone.tag == element.tag
        assert dict(alone.attrib) == element.attributes
        assert len(alone.findall("*")) == len(element.children)


@pytest.mark.parametrize("raw", TRICKY)
def test_index_says_which_elements_are_written_empty(raw: bytes) -> None:
    index = XmlIndex(raw)
    for element in index.elements:
        assert index.is_empty(element) == (b"</" not in index.source(element)[-5:])


def test_subtree_holds_an_element_and_all_below_it() -> None:
    index = XmlIndex(b"<a><b><c/></b><d/></a>")
    assert [each.tag for each in index.subtree(index.elements[1])] == ["b", "c"]


def test_attribute_span_is_not_fooled_by_other_values() -> None:
    index = XmlIndex(b"""<a name=' lane="9"' x:lane="8" lane = '-12' lanes="7"/>""")
    start, end = index.attribute_span(index.root, "lane")
    assert index.raw[start:end] == b"-12"


def test_attribute_span_of_a_missing_attribute_is_our_fault() -> None:
    index = XmlIndex(b"<a lanes='1'/>")
    with pytest.raises(InternalError):
        index.attribute_span(index.root, "lane")


def test_text_resolves_references_and_cdata() -> None:
    index = XmlIndex(b"<a>x &amp; <b>y</b><![CDATA[<z>]]>&#233;</a>")
    assert index.text(index.root) == "x & y<z>\u00e9"


def test_text_follows_the_declared_encoding() -> None:
    index = XmlIndex("<?xml version='1.0' encoding='ISO-8859-1'?><a>\u00e9</a>".encode("latin-1"))
    assert index.text(index.root) == "\u00e9"
    assert index.encode("\u00e9\u4e2d") == b"&#233;&#20013;"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a/>', Reason.DOCUMENT_UNSAFE),
        (b'<!DOCTYPE a [<!ENTITY % x "y">]><a/>', Reason.DOCUMENT_UNSAFE),
        (
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
            Reason.DOCUMENT_UNSAFE,
        ),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', Reason.DOCUMENT_UNSAFE),
        (b'<!DOCTYPE a PUBLIC "x" "http://x.invalid/x.dtd"><a/>', Reason.DOCUMENT_UNSAFE),
        (b"<a>" * (MAX_DEPTH + 2), Reason.DOCUMENT_UNSAFE),
        (b"<a><b></a>", Reason.DOCUMENT_MALFORMED),
        (b"<a", Reason.DOCUMENT_MALFORMED),
        (b"", Reason.DOCUMENT_MALFORMED),
        (b"\x00\x01", Reason.DOCUMENT_MALFORMED),
        (b"<a>&undefined;</a>", Reason.DOCUMENT_MALFORMED),
        (b"<a x='1' x='2'/>", Reason.DOCUMENT_MALFORMED),
        (b"<a>\xff</a>", Reason.DOCUMENT_MALFORMED),
        (b"<?xml version='1.0' encoding='no-such'?><a/>", Reason.DOCUMENT_MALFORMED),
        (b"<?xml version='1.0' encoding='shift_jis'?><a/>", Reason.DOCUMENT_MALFORMED),
        (b"<?xml version='1.0' encoding='idna'?><a/>", Reason.DOCUMENT_MALFORMED),
    ],
)
def test_hostile_or_broken_document_is_refused(raw: bytes, reason: Reason) -> None:
    with pytest.raises(InvalidInputError) as caught:
        XmlIndex(raw)
    assert caught.value.reason is reason


def test_billion_laughs_is_refused_before_it_expands() -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 20))
    raw = f'<!DOCTYPE a [<!ENTITY l0 "ha">{levels}]><a>&l19;</a>'.encode()
    with pytest.raises(InvalidInputError, match="entity") as caught:
        XmlIndex(raw)
    assert caught.value.reason is Reason.DOCUMENT_UNSAFE


def test_deep_nesting_up_to_the_limit_is_read() -> None:
    assert len(XmlIndex(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH).elements) == MAX_DEPTH


def test_huge_attribute_takes_linear_time() -> None:
    raw = b"<a><b x='" + b"'/>".join([b"y" * 2_000_000]) + b"' lane='1'/></a>"
    index = XmlIndex(raw)
    start, end = index.attribute_span(index.elements[1], "lane")
    assert raw[start:end] == b"1"
    assert index.end(index.elements[1]) == len(raw) - 4


def test_truncated_document_says_where_and_what_to_do() -> None:
    with pytest.raises(InvalidInputError, match=r"line 3, column 4.*export it again") as caught:
        XmlIndex(b"<a>\n<b/>\n<c>")
    assert caught.value.metadata == {"line": "3", "column": "4"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_refused_with_what_to_do(encoding: str) -> None:
    with pytest.raises(UnsupportedError, match="UTF-8"):
        XmlIndex("<?xml version='1.0'?><a/>".encode(encoding))


def test_overlapping_splices_are_our_fault() -> None:
    with pytest.raises(InternalError):
        apply_splices(b"abcdef", [Splice(0, 3, b""), Splice(2, 4, b"")])


def test_insertions_at_one_place_keep_their_order() -> None:
    assert apply_splices(b"ab", [Splice(1, 1, b"1"), Splice(1, 1, b"2")]) == b"a12b"


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_quoted_attribute_reads_back_or_is_refused(value: str) -> None:
    try:
        quoted = quote_attribute(value)
    except InvalidInputError:
        with pytest.raises(ValueError, match=r"XML compatible"):
            etree.Element("a").set("x", value)
        return
    read = XmlIndex(f"<a x={quoted}/>".encode()).root.attributes["x"]
    assert read == value


@given(st.binary(max_size=60), st.data())
def test_splices_change_their_ranges_and_no_other_byte(raw: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=8)))
    splices = [
        Splice(start, end, data.draw(st.binary(max_size=5)))
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    expected = raw
    for splice in reversed(splices):
        expected = expected[: splice.start] + splice.replacement + expected[splice.end :]
    assert apply_splices(raw, data.draw(st.permutations(splices))) == expected
