"""The body of an answer: its content coding undone in bounded steps, its JSON read strictly. Pure.

RFC 9110 §8.4 (content codings), RFC 1950, 1951 and 1952 (zlib, deflate, gzip), RFC 8259 (JSON).
"""

import itertools
import json
import zlib
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

CODINGS = "gzip, deflate"
"""What is asked for. An answer in any other coding is refused, and so is one that is coded twice."""

MOST_VALUES = 1_000_000
"""Commas and opening brackets of a JSON text: each may cost 150 bytes of memory once it is read, and two of `[]`
(three bytes each) take more than 20 times their length."""

MOST_LEVELS = 64
"""So deep may JSON be nested. Python's own limit differs between 3.11 (about 1,000), 3.12 and 3.14."""

_STEP = 256 * 1024
_GZIP, _ZLIB, _BARE_DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class Refused(ValueError):
    """A body that is not taken. The text follows "the answer", and repeats nothing of the body."""


class Truncated(Refused):
    """A body that ends too early, or is garbled: asked for again, it may come whole."""


def decoded(parts: Iterable[bytes], coding: str, most: int) -> bytes:
    """The body that came in these parts, its Content-Encoding undone; at most so many bytes in all.

    Never holds more than that and a step of 256 KB. Raises Refused, and Truncated for a body that ends before its
    end-of-stream marker (which httpx takes for complete), or goes on after it.
    """
    body = bytearray()
    for piece in pieces(parts, coding, most):
        body += piece
    return bytes(body)


def pieces(parts: Iterable[bytes], coding: str, most: int) -> Iterator[bytes]:
    """The same, a piece at a time, for a body that is kept elsewhere than in memory."""
    size = 0
    for piece in _undone(parts, coding.strip().lower()):
        size += len(piece)
        if size > most:
            raise Refused(f"is larger than {most} bytes")
        yield piece


def _undone(parts: Iterable[bytes], coding: str) -> Iterable[bytes]:
    if coding in ("", "identity"):
        return parts
    if coding in ("gzip", "x-gzip"):
        return _inflated(parts, zlib.decompressobj(_GZIP), members=True)
    if coding == "deflate":
        return _deflate(iter(parts))
    raise Refused(f"has a Content-Encoding other than {CODINGS}")


def _deflate(parts: Iterator[bytes]) -> Iterator[bytes]:
    """RFC 9110 §8.4.1.2: zlib's format; some servers send it bare. Two bytes tell (RFC 1950 §2.2)."""
    head = b""
    while len(head) < 2 and (part := next(parts, None)) is not None:
        head += part
    wrapped = len(head) > 1 and head[0] & 15 == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    inflater = zlib.decompressobj(_ZLIB if wrapped else _BARE_DEFLATE)
    yield from _inflated(_chain(head, parts), inflater, members=False)


def _chain(head: bytes, parts: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from parts


def _inflated(parts: Iterable[bytes], inflater: "zlib._Decompress", *, members: bool) -> Iterator[bytes]:
    """Pieces of at most a step. `members`: another gzip member may follow, and nothing else (RFC 1952 §2.2)."""
    began = False
    for part in parts:
        began = began or bool(part)
        while part:
            if inflater.eof:
                inflater = _next_member(members)
            yield from _steps(inflater, part)
            part = inflater.unused_data
    if began and not inflater.eof:
        raise Truncated("ends before its compressed content does")


def _next_member(members: bool) -> "zlib._Decompress":
    if not members:
        raise Truncated("goes on after the end of its compressed content")
    return zlib.decompressobj(_GZIP)


def _steps(inflater: "zlib._Decompress", part: bytes) -> Iterator[bytes]:
    """What a part of the body becomes, a step at a time: 1 KB of it may be 1 MB."""
    while not inflater.eof:
        try:
            piece = inflater.decompress(part, _STEP)
        except zlib.error:
            raise Truncated("is not the compressed content that it says it is") from None
        yield piece
        part = inflater.unconsumed_tail
        if not part and len(piece) < _STEP:
            return


def read_json(body: bytes) -> Any:
    """A body as JSON, decimals kept exact. Raises Refused, whose text tells where, and no value.

    A byte order mark is ignored, as RFC 8259 §8.1 allows; any other encoding than UTF-8, a name given twice in one
    object (§4: who reads it may take either), NaN and Infinity (§6) are refused.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_VALUES:
        raise Refused(f"holds more than {MOST_VALUES} values")
    try:
        text = body.decode("utf-8-sig")
        document = _document(text)
    except UnicodeDecodeError:
        raise Refused("is not JSON: it is not UTF-8") from None
    except json.JSONDecodeError as exc:
        raise Refused(_not_json(body, exc)) from None
    except RecursionError:
        raise Refused(_TOO_DEEP) from None
    except InvalidOperation:
        raise Refused("holds a number that is too large") from None
    except Refused:
        raise
    except ValueError:  # Python's limit of 4,300 digits
        raise Refused("holds a number of too many digits") from None
    return document


_TOO_DEEP = f"is nested more than {MOST_LEVELS} levels deep"
_BLANKS = "\t\n\r"
"""Stand between values only (RFC 8259 §2, §7), and in most answers nowhere."""


def _document(text: str) -> Any:
    """A text as JSON. Looking at each object's names as it is read takes as long as all the rest; counting does not.

    Where every name has its colon right behind it, there are at most as many names as there are `":`: if so many have
    come out, none was there twice. Any other text is read again, and each object looked at.
    """
    how: dict[str, Any] = {"parse_float": Decimal, "parse_constant": _constant}
    if '" :' not in text and not any(blank in text and f'"{blank}' in text for blank in _BLANKS):
        document = json.loads(text, **how)
        if _names_in(document) == text.count('":'):
            return document
    document = json.loads(text, object_pairs_hook=_object, **how)
    _names_in(document)
    return document


def _names_in(document: Any) -> int:
    """How many names its objects have, all together. Raises Refused for one that is nested too deeply."""
    levels, names, nodes = 0, 0, [document] if type(document) in _NESTED else []
    while nodes:
        levels += 1
        if levels > MOST_LEVELS:
            raise Refused(_TOO_DEEP)
        objects = [node for node in nodes if type(node) is dict]
        lists = [node for node in nodes if type(node) is list]
        names += sum(map(len, objects))
        children = itertools.chain(*map(dict.values, objects), *lists)
        nodes = [child for child in children if type(child) in _NESTED]
    return names


_NESTED = frozenset((dict, list))


def _not_json(body: bytes, error: json.JSONDecodeError) -> str:
    start = body[:1000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        return "is not JSON: it is empty"
    if start.startswith(b"<"):
        return "is not JSON but a page of HTML or XML, perhaps one to sign in"
    return f"is not JSON (line {error.lineno}, column {error.colno})"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("holds an object with one name twice")
    return found


def _constant(_name: str) -> Any:
    raise Refused("is not JSON: it holds NaN or Infinity")
