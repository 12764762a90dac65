"""User names: from patterns, allowed, unique without regard to case, and never two people's. Pure.

What Entra allows (https://learn.microsoft.com/entra/identity/hybrid/connect/plan-connect-userprincipalname): 64
characters before the @, 48 after it. Of the allowed ones only letters, digits, points, hyphens and underscores are
given: the others are legal, and nobody can type them.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from provisioning import letters

PATTERNS, DOMAIN, LETTERS = "USER_NAME_PATTERNS", "USER_NAME_DOMAIN", "USER_NAME_LETTERS"
RESERVED, KEEP_YEARS = "USER_NAME_RESERVED", "USER_NAME_KEEP_YEARS"

LONGEST_NAME, LONGEST_DOMAIN = 64, 48
LAST_NUMBER = 999_999

FIELDS = ("given", "middle", "family")
"""What a pattern takes of a person's name."""

_RESERVED_WORDS = """
abuse admin administrator all billing contact everyone ftp guest help helpdesk hostmaster hr info it mailer-daemon
marketing news no-reply nobody noc noreply office operator owner postmaster root sales security service ssladmin support
sysadmin system test usenet user uucp webmaster www
aux con nul prn com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9
"""

ALWAYS_RESERVED = frozenset(_RESERVED_WORDS.split())
"""Mailboxes with a meaning (RFC 2142), those to which certificates for a domain are issued (CA/Browser Forum baseline
requirements, 3.2.2.4.4), and names that Windows keeps for devices, since folders are named by user names."""

_PLACE = re.compile(r"\{(given|middle|family|id|n)(?::([1-9][0-9]?))?\}", re.ASCII)
_BETWEEN = re.compile(r"[a-z0-9._-]*", re.ASCII)
_DOMAIN = re.compile(r"(?=.{4,48}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+", re.ASCII)
_WORD = re.compile(r"[a-z0-9._-]{1,64}", re.ASCII)

NO_LETTERS = f"no user name: {PATTERNS} makes none of her given and family name as dbo.ScimUsers has them"
ALL_TAKEN = f"no user name: whatever {PATTERNS} makes of her name is taken or reserved"


@dataclass(frozen=True)
class Pattern:
    """`{given:1}{family}{n}`: texts and places in turn; a place is a field and how many letters of it (0: all)."""

    text: str
    parts: tuple[str | tuple[str, int], ...]

    @property
    def numbered(self) -> bool:
        """Whether it goes on with another number as long as a name is taken."""
        return "{n}" in self.text

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that must not be empty."""
        return tuple(part[0] for part in self.parts if not isinstance(part, str) and part[0] != "n")

    def written(self, values: Mapping[str, str], number: str = "") -> str | None:
        """The name it makes, at most 64 characters long: longer parts of it are cut. None where a part is empty."""
        if not all(values.get(name) for name in self.fields):
            return None
        for longest in range(LONGEST_NAME, 0, -1):
            pieces = (self._piece(part, values, number, longest) for part in self.parts)
            name = re.sub(r"([._-])[._-]+", r"\1", "".join(pieces)).strip("._-")
            if len(name) <= LONGEST_NAME:
                return name or None
        return None

    @staticmethod
    def _piece(part: str | tuple[str, int], values: Mapping[str, str], number: str, longest: int) -> str:
        if isinstance(part, str):
            return part
        name, length = part
        return number if name == "n" else values[name][: min(length or longest, longest)].strip("-")


@dataclass(frozen=True)
class Policy:
    """How names are made, and for how many years one that was released is given to nobody else."""

    patterns: tuple[Pattern, ...]
    domain: str = ""
    languages: tuple[str, ...] = ()
    reserved: frozenset[str] = ALWAYS_RESERVED
    keep_years: int = 10

    def user_name(self, local: str) -> str:
        """The whole name: with the domain, where one is set."""
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def may_be_the_id(self) -> bool:
        """Whether a bare EmployeeId is a name that a pattern gives."""
        return not self.domain and any("id" in pattern.fields for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody who needs a name, and hers as the mapping has it."""

    employee_id: str
    given: str = ""
    family: str = ""
    middle: str = ""

    def values(self, languages: tuple[str, ...]) -> dict[str, str]:
        """What patterns take, in letters that can be written."""
        named = {name: letters.plain(text, languages) for name in FIELDS if (text := getattr(self, name))}
        return named | {"id": letters.plain(self.employee_id)}


@dataclass(frozen=True, slots=True)
class Given:
    """A name for somebody; `key`: what nobody else may have then, where that is not the part before the @."""

    employee_id: str
    user_name: str
    mail_nickname: str
    key: str = ""


class NoName(ValueError):
    """No pattern gives her a name; the text says why, and quotes none."""


def _nothing(local: str) -> bool:
    return False


@dataclass
class Taken:
    """What nobody else may get: parts before the @ and nicknames, in lower case; `is_hidden` knows those forgotten."""

    names: set[str] = field(default_factory=set)
    is_hidden: Callable[[str], bool] = _nothing
    _numbers: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, user_name: str, mail_nickname: str = "") -> None:
        """Somebody has this name."""
        self.names.add(local_part(user_name))
        if mail_nickname:
            self.names.add(mail_nickname.casefold())

    def has(self, local: str) -> bool:
        """Whether it is somebody's, or was."""
        return local in self.names or self.is_hidden(local)

    def numbers(self, pattern: Pattern, stem: str, first: int) -> Iterator[int]:
        """Numbers to try, from the first on that was not found taken before."""
        key = pattern.text, stem
        for number in range(self._numbers.get(key, first), LAST_NUMBER + 1):
            self._numbers[key] = number
            yield number


def local_part(user_name: str) -> str:
    """What stands before the @, as it is compared."""
    return user_name.rpartition("@")[0].casefold() or user_name.casefold()


def propose(wanted: Wanted, policy: Policy, taken: Taken, keep: frozenset[str] = frozenset()) -> Given:
    """A name that nobody has or had, by the first pattern that gives one. `taken` then has it as well.

    `keep`: names that she has or had herself, which may be hers again. Raises NoName.
    """
    made = False
    for local in _candidates(wanted, policy, taken):
        made = True
        if local in keep or not (local in policy.reserved or taken.has(local)):
            taken.add(local)
            return Given(wanted.employee_id, policy.user_name(local), local)
    raise NoName(ALL_TAKEN if made else NO_LETTERS)


def _candidates(wanted: Wanted, policy: Policy, taken: Taken) -> Iterator[str]:
    """Names to try, the best first."""
    values = wanted.values(policy.languages)
    unnumbered = {p.text for p in policy.patterns}
    for pattern in policy.patterns:
        names: Iterable[str | None] = (pattern.written(values),)
        if pattern.numbered:
            first = 2 if pattern.text.replace("{n}", "") in unnumbered else 1
            numbers = taken.numbers(pattern, pattern.written(values) or "", first)
            names = (pattern.written(values, str(n)) for n in numbers) if pattern.written(values, "1") else ()
        for name in names:
            shown_as_id = name == wanted.employee_id and "id" not in pattern.fields
            if name and not shown_as_id:  # the mapping shows a bare EmployeeId of whoever has no name yet
                yield name


# --- the settings -------------------------------------------------------------------------------------------------


def policy(texts: Mapping[str, str], keep_years: int, wrong: Callable[[str, str], None]) -> Policy | None:
    """What the settings say (`texts`: those that are set); None without a pattern. `wrong` is told of mistakes."""
    patterns = [_pattern(text, wrong) for text in re.split(r"[\s,;]+", texts.get(PATTERNS, "")) if text]
    domain = texts.get(DOMAIN, "").lower().removeprefix("@")
    if domain and not _DOMAIN.fullmatch(domain):
        wrong(DOMAIN, f"must be a domain such as contoso.com, in ASCII and of at most {LONGEST_DOMAIN} characters.")
    languages = _words(texts.get(LETTERS, ""))
    if unknown := sorted(set(languages) - set(letters.RULES)):
        wrong(LETTERS, f"knows {', '.join(letters.RULES)}; not {', '.join(unknown)}.")
    reserved = _words(texts.get(RESERVED, ""))
    if odd := [word for word in reserved if not _WORD.fullmatch(word)]:
        wrong(RESERVED, f"{odd[0]!r} can be no user name: letters, digits and . _ - only.")
    if not patterns:
        return None
    return Policy(tuple(patterns), domain, languages, ALWAYS_RESERVED.union(reserved), keep_years)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,;]+", text.lower()) if word)


def _pattern(text: str, wrong: Callable[[str, str], None]) -> Pattern:
    parts: list[str | tuple[str, int]] = []
    at = 0
    for found in itertools.chain(_PLACE.finditer(text), (None,)):
        between = text[at : found.start() if found else len(text)]
        if not _BETWEEN.fullmatch(between):
            known = ", ".join(f"{{{name}}}" for name in (*FIELDS, "id", "n"))
            wrong(PATTERNS, f"{text}: takes lower-case letters, digits, . _ - and {known}, as {{given:1}} cut short.")
            return Pattern(text, ())
        parts += [between] if between else []
        if found:
            parts.append((found[1], int(found[2] or 0)))
            at = found.end()
    pattern = Pattern(text, tuple(parts))
    if not pattern.fields:
        wrong(PATTERNS, f"{text}: has nothing of a person in it.")
    elif text.count("{n") > 1 or "{n:" in text:
        wrong(PATTERNS, f"{text}: a number goes once, as {{n}}.")
    return pattern
