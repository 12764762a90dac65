"""What a run may not do without a named approval: mass disables, changes and creates, a first load, and more.

Pure. The whole candidate set is weighed before the first request; whoever turns up later (forced, or changed since) is
weighed against what was let go before. An approval covers a person in every class, while the hash due is the one held.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from provisioning.people import Going

DISABLES = "disables"
CHANGES = "changes"
CREATES = "creates"
FIRST_LOAD = "first_load"
MAPPING = "mapping"
ATTRIBUTE = "attribute_to_null"
PROTECTED = "protected"
MOVED = "moved"

FLOOR_DISABLES, FLOOR_CHANGES, FLOOR_CREATES = 10, 200, 200
MOST_DISABLES = 500
NULLS_OF_100 = 5
"""An attribute may turn null for so many of 100 people who had it; one person alone is no mass."""

EXAMPLES = 3
IDENTITY = ("externalId", "userName")

Kind = tuple[str, str]
"""A class of holds and what it is about: an attribute's path, the mapping's hash, or nothing."""


@dataclass(frozen=True)
class Limits:
    """How many people may go without approval, already worked out from the settings."""

    disables: int
    changes: int
    creates: int

    @classmethod
    def of(cls, disables: int, changes: int, creates: int) -> "Limits":
        """With the floors below which nothing is held, and the number of disables that no setting can exceed."""
        return cls(
            max(FLOOR_DISABLES, min(MOST_DISABLES, disables)),
            max(FLOOR_CHANGES, changes),
            max(FLOOR_CREATES, creates),
        )


@dataclass(frozen=True)
class Situation:
    """What is known when a run begins. Keys are EmployeeIds as they are compared (`same_key`)."""

    limits: Limits
    people_sent: int
    approved: Mapping[str, Set[str]] = field(default_factory=dict)
    waiting: Mapping[Kind, Set[str]] = field(default_factory=dict)
    disabled_lately: Set[str] = frozenset()
    changed_mapping: str | None = None
    named: Set[str] = frozenset()
    """Whom an operator named with --limit or --only."""


@dataclass
class Held:
    """People who must wait for approval: EmployeeId → hash due. `attributes`: path → people and examples.

    `reason` is empty where they only wait on since an earlier run.
    """

    kind: Kind
    reason: str
    people: dict[str, str]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Differences:
    """What differs from what was sent, attribute by attribute, over many people."""

    people: dict[str, list[str]] = field(default_factory=dict)
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    emptied: dict[str, set[str]] = field(default_factory=dict)
    renamed: set[str] = field(default_factory=set)

    def add(self, due: Going, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Compare what was sent of somebody with what is due."""
        for path in changed_paths(before, after):
            old, new = before.get(path), after.get(path)
            self.people.setdefault(path, []).append(due.employee_id)
            shown = self.examples.setdefault(path, [])
            if len(shown) < EXAMPLES:
                shown.append({"employee_id": due.employee_id, "old": old, "new": new})
            if new is None and path in after and due.active:
                self.emptied.setdefault(path, set()).add(due.key)
            if path in IDENTITY:
                self.renamed.add(due.key)

    def told(self) -> dict[str, Any]:
        """Per attribute: how many people, and three examples."""
        return {path: {"people": len(ids), "examples": self.examples[path]} for path, ids in self.people.items()}


def changed_paths(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The attributes of which two SCIM users differ."""
    differing = [p for p, value in after.items() if before.get(p) != value]
    return sorted(differing + [p for p, value in before.items() if value is not None and p not in after])


class Guard:
    """What one run has let go so far."""

    def __init__(self, situation: Situation) -> None:
        """Nothing is let go yet."""
        self._known = situation
        self._let_go: dict[str, str] = {}
        self._disables: set[str] = set(situation.disabled_lately)
        self._many = {CHANGES: 0, CREATES: 0}
        self._emptied: dict[str, set[str]] = {}
        self._had: dict[str, int] = {}

    def weigh(self, due: Iterable[Going], differences: Differences) -> list[Held]:
        """Who of these people is held, and why; the others are let go, and count for whoever is weighed later.

        `differences` are those of everybody due who was sent before; `learn` what `unknown` asks for first.
        """
        due = list(due)
        unapproved = [d for d in due if not self.is_approved(d)]
        kinds: dict[Kind, list[Going]] = {}
        for one in unapproved:
            for kind in self._kinds(one, one.key in differences.renamed):
                kinds.setdefault(kind, []).append(one)
        held = [h for kind, people in kinds.items() if (h := self._held(kind, people))]
        held += self._emptied_by_many(unapproved, differences)
        for stopped in held:
            if stopped.kind[0] == MAPPING:
                stopped.attributes = differences.told()
        waits = {employee_id for h in held for employee_id in h.people}
        for one in due:
            if one.employee_id not in waits:
                self._let(one, differences)
        return held

    def unknown(self, differences: Differences) -> set[str]:
        """The attributes that several people lose, and of which it is not known how many people had them."""
        return {
            path
            for path, keys in differences.emptied.items()
            if path not in self._had and len(self._emptied.get(path, set()).union(keys)) > 1
        }

    def learn(self, had: Mapping[str, int]) -> None:
        """So many people had these attributes when they were last sent."""
        self._had.update(had)

    def is_let_go(self, due: Going) -> bool:
        """Whether this very state of hers was weighed and let go before."""
        return self._let_go.get(due.key) == due.hash

    def is_approved(self, due: Going) -> bool:
        """Whether somebody approved this very state of hers."""
        return due.hash in self._known.approved.get(due.key, ())

    def counts_as_disable(self, due: Going) -> bool:
        """Whether her going counts among the disables of 24 h: expected and approved ones do not."""
        return due.disables and not due.expected and not self.is_approved(due)

    def _kinds(self, due: Going, renamed: bool) -> list[Kind]:
        """The classes a person falls in; whether the class is held is another question.

        Who is disabled by hand was named by somebody: only a mark stands before that.
        """
        if due.by_hand:
            return [(PROTECTED, "")] if due.protected and due.disables else []
        waiting_first_load = due.key in self._known.waiting.get((FIRST_LOAD, ""), ())
        first = not due.sent and (not self._known.people_sent or waiting_first_load)
        if first and due.key not in self._known.named and not due.forced:
            return [(FIRST_LOAD, "")]
        kinds: list[Kind] = []
        if self._known.changed_mapping and due.changed:
            kinds.append((MAPPING, self._known.changed_mapping))
        if due.protected and due.known and (due.disables or renamed):
            kinds.append((PROTECTED, ""))
        if due.disables and due.moved_to:
            kinds.append((MOVED, ""))
        if due.disables:
            return kinds if due.expected else [*kinds, (DISABLES, "")]
        if not due.sent:
            kinds.append((CREATES, ""))
        elif due.changed:
            kinds.append((CHANGES, ""))
        return kinds

    def _held(self, kind: Kind, people: list[Going]) -> Held | None:
        """Those of a class who must wait: who waits already, and the others where they are too many."""
        waiting = self._known.waiting.get(kind, frozenset())
        fresh = [d for d in people if d.key not in waiting]
        reason = self._too_many(kind[0], fresh)
        stopped = people if reason else [d for d in people if d.key in waiting]
        if not stopped:
            return None
        return Held(kind, reason or "", {d.employee_id: d.hash for d in stopped})

    def _too_many(self, name: str, fresh: list[Going]) -> str | None:
        """Why people of a class may not go; None where they may."""
        count, limits = len(fresh), self._known.limits
        if not fresh:
            return None
        if name == FIRST_LOAD:
            look = "python -m provisioning compare --first-load --report FILE"
            return f"nobody was ever sent to this target, and {_people(count)} would be; what that would do: {look}"
        if name == MAPPING:
            return mapping_reason(count, sum(d.disables for d in fresh))
        if name == PROTECTED:
            return f"{_people(count)} marked as Protected would be disabled or get another externalId or userName"
        if name == MOVED:
            shown = ", ".join(f"{d.employee_id} to {d.moved_to}" for d in fresh[:EXAMPLES])
            told = (
                f"{_people(count)} would be disabled, and active in another HR system with that userName or work e-mail"
            )
            return f"{told}, perhaps having moved there: {shown}{', …' if count > EXAMPLES else ''}"
        if name == DISABLES:
            after = self._disables | {d.key for d in fresh}
            if len(after) <= limits.disables:
                return None
            before = len(after) - count
            return (
                f"{_people(count)} would be disabled, {before} were in the last 24 h; at most {limits.disables} may be"
            )
        limit = limits.changes if name == CHANGES else limits.creates
        if self._many[name] + count <= limit:
            return None
        word = "would change" if name == CHANGES else "would be created"
        return f"{_people(self._many[name] + count)} {word} in one run; at most {limit} may"

    def _emptied_by_many(self, due: Iterable[Going], differences: Differences) -> list[Held]:
        """Those who lose an attribute that more than 5 % of the people who had it lose, in this run so far."""
        by_key, held = {d.key: d for d in due}, []
        for path, keys in sorted(differences.emptied.items()):
            people = [by_key[k] for k in keys if k in by_key]
            before = self._known.waiting.get((ATTRIBUTE, path), frozenset())
            losing = self._emptied.get(path, set()) | {d.key for d in people if d.key not in before}
            total = self._had.get(path)
            many = total is not None and len(losing) > 1 and len(losing) * 100 > NULLS_OF_100 * total
            stopped = people if many else [d for d in people if d.key in before]
            if stopped:
                told = f"{path} turns null for {_people(len(losing))} of {total} who had it" if many else ""
                held.append(Held((ATTRIBUTE, path), told, {d.employee_id: d.hash for d in stopped}))
        return held

    def _let(self, due: Going, differences: Differences) -> None:
        self._let_go[due.key] = due.hash
        if self.is_approved(due):
            return
        if self.counts_as_disable(due):
            self._disables.add(due.key)
        for kind, _ in self._kinds(due, renamed=False):
            if kind in self._many:
                self._many[kind] += 1
        for path, keys in differences.emptied.items():
            if due.key in keys:
                self._emptied.setdefault(path, set()).add(due.key)


def mapping_reason(touched: int, leaving: int, left_scope: int = 0) -> str:
    """Why a changed mapping is held: how many it may touch, how many of them leave, and whom it leaves out."""
    told = "the mapping (dbo.ScimUsers, SCIM_EXTENSIONS, SCIM_NULLS) has changed and "
    told += f"may touch {_people(touched)}" if touched else "touches nobody today"
    told += f", {leaving} of them leaving" if leaving else ""
    if left_scope:
        told += f"; people sent as active whom it leaves out of scope (InScope): {left_scope}"
    return told


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
