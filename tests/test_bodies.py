"""Bodies: a coding undone in bounded steps and only when whole; JSON read strictly, and refused without a value."""

import gzip
import json
import tracemalloc
import zlib
from decimal import Decimal
from typing import Any

import pytest

from provisioning import bodies
from provisioning.bodies import Refused, Truncated

TEXT = b'{"data": ["' + bytes(range(32, 34)) + b'"]}' * 500
BARE = zlib.compress(TEXT)[2:-4]
CODED = {
    "gzip": (gzip.compress(TEXT), "gzip"),
    "x-gzip": (gzip.compress(TEXT), "x-gzip"),
    "two members": (gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]), "gzip"),
    "an empty member": (gzip.compress(b"") + gzip.compress(TEXT), "gzip"),
    "zlib": (zlib.compress(TEXT), "deflate"),
    "bare deflate": (BARE, "deflate"),
}


def in_parts(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


@pytest.mark.parametrize(("body", "coding"), CODED.values(), ids=CODED.keys())
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_a_coding_is_undone_however_the_body_is_cut_into_parts(body: bytes, coding: str, size: int) -> None:
    assert bodies.decoded([b"", *in_parts(body, size), b""], coding, 10_000) == TEXT


@pytest.mark.parametrize(("body", "coding"), CODED.values(), ids=CODED.keys())
def test_a_body_that_lacks_its_last_byte_or_more_is_refused(body: bytes, coding: str) -> None:
    second = len(gzip.compress(TEXT[:9])), len(gzip.compress(b""))
    for kept in range(1, len(body)):
        if coding == "gzip" and kept in second and body[kept : kept + 2] == b"\x1f\x8b":
            continue  # the first member of two is a whole body
        with pytest.raises(Truncated, match="ends before its compressed content does"):
            bodies.decoded([body[:kept]], coding, 10_000)


@pytest.mark.parametrize(("body", "coding"), CODED.values(), ids=CODED.keys())
@pytest.mark.parametrize("after", [b"\0", b"\0" * 512, b"garbage", b"\x1f\x8b"], ids=["0", "zeros", "text", "a start"])
def test_a_body_that_goes_on_after_its_end_is_refused(body: bytes, coding: str, after: bytes) -> None:
    """RFC 1952 §2.2: members and nothing else. Whatever wrote the rest, the answer is not what HR sent."""
    with pytest.raises(Truncated):
        bodies.decoded([body + after], coding, 10_000)
    with pytest.raises(Truncated):
        bodies.decoded([body, after], coding, 10_000)


@pytest.mark.parametrize("body", [zlib.compress(TEXT), BARE], ids=["zlib", "bare"])
def test_only_gzip_has_members(body: bytes) -> None:
    with pytest.raises(Truncated, match="goes on after the end"):
        bodies.decoded([body + gzip.compress(TEXT)], "deflate", 10_000)


def test_a_checksum_that_does_not_fit_is_refused() -> None:
    broken = bytearray(gzip.compress(TEXT))
    broken[-6] ^= 1
    with pytest.raises(Truncated, match="is not the compressed content"):
        bodies.decoded([bytes(broken)], "gzip", 10_000)


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip, identity", "gzip;q=1"])
def test_a_coding_that_was_not_asked_for_is_refused_by_what_was(coding: str) -> None:
    with pytest.raises(Refused, match="a Content-Encoding other than gzip, deflate"):
        bodies.decoded([TEXT], coding, 10_000)


@pytest.mark.parametrize("coding", ["", "identity", "gzip", "deflate", " GZip "])
def test_no_body_is_no_body_whatever_its_coding(coding: str) -> None:
    """A 202 of Graph has none, and whoever stands between may have put a Content-Encoding to it all the same."""
    assert bodies.decoded([], coding, 10_000) == b""


@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
def test_the_limit_is_of_what_comes_out(coding: str) -> None:
    pack = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[coding]
    assert len(bodies.decoded([pack(b"x" * 1_000_000)], coding, 1_000_000)) == 1_000_000
    with pytest.raises(Refused, match="is larger than 1000000 bytes"):
        bodies.decoded([pack(b"x" * 1_000_001)], coding, 1_000_000)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_one_part_that_would_become_50_mb_never_does(coding: str) -> None:
    bomb = {"gzip": gzip.compress, "deflate": zlib.compress}[coding](b"x" * 50_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(Refused, match="is larger than"):
            bodies.decoded([bomb], coding, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


# --- JSON ---------------------------------------------------------------------------------------------------------

SECRET = "Kwibus"


@pytest.mark.parametrize(
    ("text", "document"),
    [
        (b"0.10", Decimal("0.10")),
        (b'\xef\xbb\xbf{"a": "\xc3\xa9\\ud83e\\udd86"}', {"a": "é🦆"}),
        (b' [1, -2.5e3, true, null, "x"]\r\n', [1, Decimal("-2500"), True, None, "x"]),
        (b'{"a": {"b": 1}, "c": {"b": 2}}', {"a": {"b": 1}, "c": {"b": 2}}),
        (b'{"a" : {"b"\n:\t1}, "c": "\\":\\":"}', {"a": {"b": 1}, "c": '":":'}),
        (b"9" * 4000, int("9" * 4000)),
        (b"[" * 64 + b"]" * 64, json.loads("[" * 64 + "]" * 64)),
        (b'"\\ud83e"', "\ud83e"),  # half a letter: its record is rejected, not everybody's
    ],
)
def test_json_is_read_as_it_is(text: bytes, document: Any) -> None:
    assert bodies.read_json(text) == document
    assert str(bodies.read_json(b"0.10")) == "0.10"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not JSON: it is empty"),
        (" \r\n\t", "is not JSON: it is empty"),
        ("\ufeff", "is not JSON: it is empty"),
        (f"<html>{SECRET}</html>", "HTML or XML"),
        (f"\ufeff\n<?xml {SECRET}?>", "HTML or XML"),
        (SECRET, r"is not JSON \(line 1, column 1\)"),
        ('{"a":\n"' + SECRET, r"is not JSON \(line 2, column 1\)"),
        ('["' + SECRET + '\n"]', r"is not JSON \(line 1, column 9\)"),
        (f"[1] {SECRET}", r"is not JSON \(line 1, column 5\)"),
        ("\ufeff\ufeff[]", r"is not JSON \(line 1, column 1\)"),
        ("NaN", "NaN or Infinity"),
        ("[-Infinity]", "NaN or Infinity"),
        ('{"a": {"x": 1, "x": 1}}', "one name twice"),
        ('{"x": 1, "\\u0078": 2}', "one name twice"),
        ('[{"a" :1, "a" :2}]', "one name twice"),
        ('{"a" :1, "b": {"x": 1, "x": 2}}', "one name twice"),
        ('{"a"\n:1, "b": {"x": 1, "x": 2}}', "one name twice"),
        ('{"a"\t:1, "b": {"x": 1, "x": 2}}', "one name twice"),
        ('{"a"\r:1, "b": [{"x": 1, "x": 2}]}', "one name twice"),
        ('{"x": {"y": 1, "z": 2}, "x": {"y": 1}}', "one name twice"),
        ('{"x": "\\":", "x": 1}', "one name twice"),
        ("9" * 5000, "too many digits"),
        ("-" + "9" * 1_000_000, "too many digits"),
        ("1e" + "9" * 30, "too large"),
        ("[" * 65 + "]" * 65, "64 levels"),
        ('{"a":' * 65 + "1" + "}" * 65, "64 levels"),
        ('[{"a":' * 40 + "1" + "}]" * 40, "64 levels"),
        ("[" * 5000 + "]" * 5000, "64 levels"),
        ("[" * 400_000, "64 levels"),
        ('{"a":' * 400_000, "64 levels"),
        ("[" + "0," * 1_000_000 + "0]", "more than 1000000 values"),
    ],
    ids=lambda value: ascii(value)[1:25],
)
def test_what_is_not_strictly_json_is_refused_and_not_repeated(text: str, told: str) -> None:
    """A name given twice hides a value, NaN is no number: each would reach the mirror as something HR did not say."""
    with pytest.raises(Refused, match=told) as failed:
        bodies.read_json(text.encode())
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__ or failed.value.__context__ is None
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"])
def test_only_utf_8_is_read(encoding: str) -> None:
    """RFC 8259 §8.1. Python would guess UTF-16 and UTF-32, and let half letters of UTF-8 through."""
    with pytest.raises(Refused, match=r"is not (UTF-8|JSON \(line 1, column)"):
        bodies.read_json('["é"]'.encode(encoding))


def test_half_a_letter_of_utf_8_is_not_utf_8() -> None:
    with pytest.raises(Refused, match="is not UTF-8"):
        bodies.read_json(b'["\xed\xa0\xbe"]')
