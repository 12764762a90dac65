"""Names in any script as lower-case ASCII: the letters of a user name. Pure.

The package anyascii knows all of Unicode, a letter at a time. Where a country has rules of its own for its letters,
`RULES` has them; they come first. Sources: DIN 5007-2 and ICAO 9303 part 3 section 6 (de, da, no), resolution 55 of
27.1.2010 of the Cabinet of Ukraine (uk), Bulgaria's Transliteration Act of 2009 (bg), ELOT 743 (el), Gaj's alphabet
without its marks (sr).
"""

import functools
import re
import unicodedata
from collections.abc import Callable

Rule = tuple[re.Pattern[str], str]

_UNFIT = re.compile(r"[^a-z0-9-]+")
_APOSTROPHES = "['\u2019\u02bc\u02b9`\u00b4]"


def _rules(*pairs: tuple[str, str]) -> tuple[Rule, ...]:
    return tuple((re.compile(found), written) for found, written in pairs)


def _letters(spelled: str) -> list[tuple[str, str]]:
    """`ä=ae ö=oe`: a letter and what is written for it, each."""
    pairs = (pair.partition("=") for pair in spelled.split())
    return [(letter, written) for letter, _, written in pairs]


_VOICED = "(?=[αάεέηήιίϊΐοόυύϋΰωώβγδζλμνρ])"

_DANISH = _rules(*_letters("æ=ae ø=oe å=aa ä=ae ö=oe ü=ue"))

RULES: dict[str, tuple[Rule, ...]] = {
    "de": _rules(*_letters("ä=ae ö=oe ü=ue ß=ss")),
    "da": _DANISH,
    "no": _DANISH,
    "uk": _rules(
        (_APOSTROPHES, ""),
        ("зг", "zgh"),
        *((rf"(?<!\w){letter}", written) for letter, written in _letters("є=ye ї=yi й=y ю=yu я=ya")),
        *_letters("є=ie ї=i й=i ю=iu я=ia г=h ґ=g и=y х=kh щ=shch"),
        ("ь", ""),
    ),
    "bg": _rules((r"ия(?!\w)", "ia"), *_letters("щ=sht ъ=a ь=y х=h ю=yu я=ya")),
    "el": _rules(
        ("ο[υύ]", "ou"),
        *(
            rule
            for vowels, written in (("α[υύ]", "a"), ("ε[υύ]", "e"), ("η[υύ]", "i"))
            for rule in ((vowels + _VOICED, f"{written}v"), (vowels, f"{written}f"))
        ),
        *_letters("γγ=ng γξ=nx γχ=nch"),
        (r"(?<!\w)μπ|μπ(?!\w)", "b"),
    ),
    "sr": _rules(*_letters("ђ=dj đ=dj ж=z ј=j љ=lj њ=nj ћ=c ц=c ч=c џ=dz ш=s х=h")),
}
"""National rules by the language's code: what stands there in lower-case letters, and what is written for it."""


@functools.lru_cache(maxsize=10_000)
def plain(text: str, languages: tuple[str, ...] = ()) -> str:
    """What is left of a name in a user name: letters, digits and hyphens inside; blanks and apostrophes are dropped.

    `languages`: whose rules of `RULES` come first, in this order. Empty where there is nothing that can be written.
    """
    lowered = unicodedata.normalize("NFC", text).lower()
    if not lowered.isascii():
        for language in languages:
            for found, written in RULES[language]:
                lowered = found.sub(written, lowered)
        lowered = _anyascii()(lowered).lower()
    return re.sub("-+", "-", _UNFIT.sub("", lowered)).strip("-")


@functools.cache
def _anyascii() -> Callable[[str], str]:
    from anyascii import anyascii  # noqa: PLC0415 - its tables are needed only where names are given

    return anyascii
