"""The sender: what goes next, what is in flight, what came back. One at a time for each target.

One thread decides and talks to the database; the workers make single HTTP attempts and decide nothing. A request:
read the people afresh → write intents (only with the lease) → count the call (only with the lease, inside the limits) →
POST → on 202, in one transaction, record what was sent and delete the intents. See docs/sending.md.
"""

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from provisioning import plan, retry, scim, transport, weighing
from provisioning.errors import LeaseLost
from provisioning.graph import Answer, Graph, Reaction
from provisioning.guards import Guard, Held
from provisioning.ledger import Intended, Lease, Ledger
from provisioning.pacing import Clock, Pace
from provisioning.people import Due, Parked, same_key
from provisioning.plan import Rules

logger = logging.getLogger(__name__)

MOST_IN_FLIGHT = 8
MOST_ATTEMPTS = 8
EXTRA_CALLS_A_REQUEST, EXTRA_CALLS_A_RUN = 12, 100
SYSTEMATIC_REFUSALS = 3
MOST_GIVEN_UP = 3
LONGEST_WORDS = 300
MADE_READY_IN = 0.14
"""Seconds that making a request ready may take without slowing the pace: at most 37 calls in any 5 s all the same."""

LOOKS_FOR_FORCED_EVERY = 0.5
"""Seconds: whoever is forced goes before all others who wait then, and a look is a round trip to the database."""

RESERVED_OF_100 = 5
"""Of 100 calls, so many are kept for resyncs."""

COUNTS = ("candidates", "sent", "unchanged", "held", "parked", "deferred", "out_of_scope", "calls")


@dataclass(frozen=True)
class Budget:
    """Graph calls in any 24 h: how many the tenant has, and how many of them are kept for people who are forced."""

    daily_limit: int
    reserve: int

    @property
    def for_runs(self) -> int:
        """What a run may use up for people nobody forced."""
        return self.daily_limit - self.reserve

    @classmethod
    def of(cls, daily_limit: int) -> "Budget":
        """5 % are kept for resyncs, rounded up; a budget of one call keeps none."""
        return cls(daily_limit, min(-(-daily_limit * RESERVED_OF_100 // 100), daily_limit - 1))


@dataclass
class Tally:
    """What a run did: candidates = sent + unchanged + held + parked + deferred."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    parked: list[Parked] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    sent_ids: set[str] = field(default_factory=set)
    refused_ids: set[str] = field(default_factory=set)
    stopped: str | None = None
    short: str | None = None
    budget_free_in: float | None = None


@dataclass
class _Origin:
    """A request as it was first sent; a 400 takes it apart."""

    extra_calls: int = 0
    given_up: bool = False
    succeeded: bool = False
    refused: bool = False
    open_parts: int = 1
    refusals: list[tuple[Due, str]] = field(default_factory=list)


@dataclass
class _Request:
    """People who go in one call."""

    people: list[Due]
    body: bytes
    origin: _Origin
    attempts: int = 0
    ambiguous: bool = False
    token_renewed: bool = False
    not_before: float = 0.0
    pair: object = None

    @property
    def ids(self) -> list[str]:
        return [d.user.employee_id for d in self.people]


class Sender:
    """Sends people to one target, under a lease, until nobody is left or it has to stop."""

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        graph: Graph,
        rules: Rules,
        guard: Guard,
        clock: Clock,
        *,
        budget: Budget,
        ends: float,
        mapping_changed: Callable[[], bool] = lambda: False,
        only_first: str | None = None,
        observe: Callable[[Mapping[str, int]], None] | None = None,
    ) -> None:
        """`ends`, of the clock's monotonic time: from then on nothing new is started and the rest is deferred.

        `mapping_changed` tells whether the mapping is another than when this run began; `only_first`, why no more than
        one request may go; `observe` is shown the counts.
        """
        self._ledger, self._lease, self._graph, self._rules, self._guard = ledger, lease, graph, rules, guard
        self._clock, self._budget = clock, budget
        self._ends, self._mapping_changed, self._only_first = ends, mapping_changed, only_first
        self._observe = observe or (lambda counts: None)
        self._pace = Pace(clock, catches_up=MADE_READY_IN)
        self._pool = clock.workers(MOST_IN_FLIGHT)
        self.tally = Tally()
        self._queue: deque[str] = deque()
        self._forced: deque[str] = deque()
        self._retries: list[_Request] = []
        self._in_flight: dict[Future[Answer], _Request] = {}
        self._seen_tokens: set[str] = set()
        self._tokens: dict[str, str] = {}
        self._in_doubt: set[str] = set()
        self._waiting_refusals: list[tuple[Due, str]] = []
        self._blocked = self._succeeded = self._check_names = False
        self._looks_again = float("-inf")
        self._begun = self._given_up = self._systematic = self._extra_calls = 0

    def run(self, due: Sequence[str], parked: Iterable[Parked] = (), *, check_names: bool = False) -> Tally:
        """Send those due (EmployeeIds), in their order, and whoever is forced meanwhile; give the lease back.

        `check_names`: look up, request by request, whether somebody else who is active has the same userName (where not
        everybody was looked at before). Raises LeaseLost when another sender has taken over.
        """
        self._check_names = check_names
        self._park((p for p in parked if not p.forced), counted=False)  # the forced come by themselves
        for employee_id in due:
            self._enqueue(employee_id)
        try:
            self._loop()
        except BaseException:  # Ctrl-C, too: what was done is told, and it goes on to the caller
            counts = self.tally.counts
            ended = sum(counts[name] for name in ("sent", "unchanged", "held", "parked"))
            counts["deferred"] = counts["candidates"] - ended
            raise
        finally:
            self._pool.shutdown(wait=True)
        return self.tally

    # --- the loop -------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            self._watch_the_time()
            self._observe(self.tally.counts)
            if self._start_something():
                continue
            if self._in_flight or self._retries or (self._work_left() and not self.tally.stopped):
                self._wait()
                continue
            self._flush_refusals(final=True)
            if self.tally.stopped or self._lease.release(self._ledger.db, self._ledger.target, list(self._seen_tokens)):
                return  # whoever is still forced could not be sent by this run; the next one tries
            self._take_forced()

    def _work_left(self) -> bool:
        return bool(self._queue or self._forced)

    def _watch_the_time(self) -> None:
        if self._clock.monotonic() >= self._ends and (self._work_left() or self._retries):
            self._stop("the time of this run is up")
        if self._only_first and self._begun and self._work_left() and not (self._in_flight or self._retries):
            self._stop(self._only_first)

    def _start_something(self) -> bool:
        if self.tally.stopped or len(self._in_flight) >= MOST_IN_FLIGHT or self._pace.wait_left() > 0:
            return False
        request = self._ready_retry() or self._new_request()
        return request is not None and self._attempt(request)

    def _wait(self) -> None:
        """Until an answer comes, or the next thing may start."""
        now = self._clock.monotonic()
        moments = [r.not_before for r in self._retries]
        if self._work_left() and self._may_begin() and len(self._in_flight) < MOST_IN_FLIGHT:
            moments.append(now)
        pause = max(self._pace.wait_left(), min(moments, default=now + 1.0) - now, 0.005)
        pause = min(pause, max(0.005, self._ends - now), 5.0)
        if not self._in_flight:
            self._clock.sleep(pause)
            return
        for future in self._clock.first_of(self._in_flight, pause):
            self._answered(self._in_flight.pop(future), future.result())

    # --- what goes next -------------------------------------------------------------------------------------------

    def _enqueue(self, employee_id: str) -> None:
        self.tally.counts["candidates"] += 1
        self._queue.append(employee_id)

    def _take_forced(self) -> None:
        """Whoever was forced since goes first, also somebody whom this run has dealt with already."""
        waiting = {same_key(i) for i in self._forced}
        self._looks_again = self._clock.monotonic() + LOOKS_FOR_FORCED_EVERY
        for employee_id, token in self._ledger.forced():
            key = same_key(employee_id)
            if key in waiting or token in self._seen_tokens:
                continue
            self._seen_tokens.add(token)
            self._tokens[key] = token
            if key in {same_key(i) for i in self._queue}:
                self._queue = deque(i for i in self._queue if same_key(i) != key)
            else:
                self.tally.counts["candidates"] += 1
            self._forced.append(employee_id)

    def _ready_retry(self) -> _Request | None:
        now = self._clock.monotonic()
        for request in list(self._retries):
            if request.not_before > now or self._waits(request):
                continue
            self._retries.remove(request)
            if self._may_take_apart(request.origin):
                return request
            self._defer(request)
        return None

    def _waits(self, request: _Request) -> bool:
        """For its managers in flight, or for the part before it of a request that was taken apart."""
        others = self._in_flight.values()
        one_by_one = request.origin.refused and any(r.origin is request.origin for r in others)
        return one_by_one or self._manager_among(request.people, others)

    def _may_take_apart(self, origin: _Origin) -> bool:
        """Whether taking a refused request apart may cost one more call: at most 12 a request, 100 a run."""
        free = origin.extra_calls < EXTRA_CALLS_A_REQUEST and self._extra_calls < EXTRA_CALLS_A_RUN
        return free or not origin.refused

    def _new_request(self) -> _Request | None:
        """The next request of up to 50, its people read afresh, its intents written."""
        if not self._may_begin():
            return None
        if self._clock.monotonic() >= self._looks_again:
            self._take_forced()
        while self._work_left():
            ids = self._next_ids()
            if not ids:
                self._blocked = True
                return None
            due = self._read_afresh(ids)
            if due is None:
                return None
            if due:
                return self._with_intents(due)
        return None

    def _may_begin(self) -> bool:
        """While nothing has succeeded yet and something was refused, what was refused is looked into first."""
        looking = any(r.origin.refused for r in (*self._retries, *self._in_flight.values()))
        many = len(self._in_flight) + len(self._retries) >= SYSTEMATIC_REFUSALS
        enough = self._only_first is not None and self._begun > 0
        return not self._blocked and not enough and (self._succeeded or not (looking or many))

    def _next_ids(self) -> list[str]:
        busy = self._busy_people()
        ids: list[str] = []
        for queue in (self._forced, self._queue):
            kept: list[str] = []
            while queue and len(ids) < scim.MOST_OPERATIONS:
                one = queue.popleft()
                (kept if same_key(one) in busy else ids).append(one)
            queue.extendleft(reversed(kept))
        return ids

    def _busy_people(self) -> set[str]:
        requests = (*self._in_flight.values(), *self._retries)
        return {same_key(i) for r in requests for i in r.ids}

    def _read_afresh(self, ids: list[str]) -> list[Due] | None:
        """Those still due, in order; None when they must wait for their managers in flight."""
        made = plan.make(self._ledger.people_of(self._rules.mapping, ids), self._rules)
        due = made.due
        if due and (self._check_names or any(d.person.forced_token or self._is_news(d) for d in due)):
            names = self._ledger.namesakes(self._rules.mapping, due)
            checked = plan.park_clashes(due, names, self._rules)
            made.parked.extend(v for v in checked if isinstance(v, Parked))
            due = [v for v in checked if isinstance(v, Due)]
        if self._manager_among(due, (*self._in_flight.values(), *self._retries)):
            self._queue.extendleft(reversed(ids))
            self._blocked = True
            return None
        if any(not self._guard.is_let_go(d) for d in due) and self._mapping_changed():
            self._queue.extendleft(reversed(ids))
            self._stop("the mapping has changed while this run was at work; the next run weighs it")
            return None
        due, held = self._weighed(due)
        self._park(made.parked)
        going = {d.key for d in due}
        self._settle([i for i in ids if same_key(i) not in going])
        parked = {same_key(p.employee_id) for p in made.parked}
        self.tally.counts["held"] += len(held)
        self.tally.counts["unchanged"] += sum(same_key(i) not in going | parked | held for i in ids)
        return due

    def _is_news(self, due: Due) -> bool:
        """Of several HR systems: whether she would be disabled, and was not when everybody was looked at."""
        several = scim.HR_TABLE in self._rules.mapping.control
        return several and due.disables and not self._guard.is_let_go(due)

    def _weighed(self, due: list[Due]) -> tuple[list[Due], set[str]]:
        """Those who may go, and the keys of those held: who was forced, or has changed since, is weighed here."""
        fresh = [d for d in due if not self._guard.is_let_go(d)]
        if not fresh:
            return due, set()
        found = weighing.weigh(self._ledger, self._rules, self._guard, fresh)
        self.tally.held.extend(found)
        held = {same_key(i) for h in found for i in h.people}
        return [d for d in due if d.key not in held], held

    @staticmethod
    def _manager_among(people: Iterable[Due], requests: Iterable[_Request]) -> bool:
        """Whether one of these requests holds a manager of these people."""
        wanted = {same_key(d.user.manager_id) for d in people if d.user.manager_id}
        return any(same_key(d.user.external_id) in wanted for r in requests for d in r.people)

    def _with_intents(self, due: list[Due]) -> _Request:
        mapping, before = self._rules.mapping, set[str]()
        intents, resources = [], []
        for one in due:
            resource, counts = mapping.resource(one.user), self._guard.counts_as_disable(one)
            resources.append((one.user.employee_id, resource))
            differing = weighing.changed_attributes(one, mapping)
            intents.append(Intended(one, resource, plan.manager_known(one, before), counts, differing))
            before.add(same_key(one.user.external_id))
        again = [d.user.employee_id for d in due if same_key(d.user.employee_id) in self._in_doubt]
        if not self._ledger.write_intents(intents, self._lease, again):
            self._hold_on()
            if not self._ledger.write_intents(intents, self._lease, again):
                raise LeaseLost()
        self._begun += 1
        return _Request(due, scim.bulk_request(resources), _Origin(), ambiguous=bool(again))

    # --- one attempt ----------------------------------------------------------------------------------------------

    def _attempt(self, request: _Request) -> bool:
        if not self._ledger.count_call(self._lease, transport.DEADLINE, self._limit_for(request)):
            self._not_counted(request)
            return True
        self._pace.take()
        self.tally.counts["calls"] += 1
        request.attempts += 1
        if request.origin.refused:
            request.origin.extra_calls += 1
            self._extra_calls += 1
        self._in_flight[self._pool.submit(self._graph.upload, request.body)] = request
        return True

    def _not_counted(self, request: _Request) -> None:
        self._hold_on()
        state, limit = self._ledger.calls_used(), self._limit_for(request)
        if state.used_today >= self._budget.daily_limit:
            self.tally.budget_free_in = state.free_in
            self._stop(f"the {self._budget.daily_limit} calls of 24 h are used up (GRAPH_DAILY_CALL_LIMIT)")
            self._defer(request)
            return
        if state.used_today >= limit:
            self._only_forced(request)
            return
        self._pace.pause(0.5 if state.window_full else 0.0)
        self._retries.insert(0, request)

    def _limit_for(self, request: _Request) -> int:
        forced = all(d.person.forced_token is not None for d in request.people)
        return self._budget.daily_limit if forced else self._budget.for_runs

    def _only_forced(self, request: _Request) -> None:
        """What is left of the day's calls is kept for people who are forced; everybody else stays due."""
        if self.tally.short is None:
            reserve = f"{self._budget.reserve} are kept for resyncs (GRAPH_DAILY_CALL_LIMIT)"
            self.tally.short = f"{self._budget.for_runs} calls of 24 h are used up and {reserve}"
            logger.error("Run %s: %s.", self._ledger.run_id, self.tally.short)
        forced = [d.user.employee_id for d in request.people if d.person.forced_token is not None]
        self._forced.extendleft(reversed(forced))
        self.tally.counts["deferred"] += len(self._queue) - len(forced)
        self._queue.clear()
        self._defer(request)

    def _hold_on(self) -> None:
        """Renew the lease here and now: its keeper may be late, the machine may have slept."""
        if not self._lease.renew(self._ledger.db):
            raise LeaseLost()

    # --- what came back -------------------------------------------------------------------------------------------

    def _answered(self, request: _Request, answer: Answer) -> None:
        self._blocked = False
        answer = replace(answer, words=_without_values(answer.words, request.people))
        request.ambiguous = request.ambiguous or answer.ambiguous
        alone = len(request.people) == 1
        if answer.reaction is Reaction.ACCEPTED:
            self._accepted(request)
        elif self.tally.stopped and not (answer.reaction is Reaction.REFUSED and alone):
            self._defer(request)
        elif answer.reaction is Reaction.REFUSED:
            self._refused(request, answer)
        elif answer.reaction is Reaction.RENEW_TOKEN and not request.token_renewed:
            request.token_renewed = True
            self._graph.renew_token()
            self._retries.insert(0, request)
        elif answer.reaction is Reaction.AGAIN:
            self._again(request, answer)
        else:
            self._stop(f"Graph answered {answer.status or 'nothing'}: {answer.words}")
            self._defer(request)

    def _accepted(self, request: _Request) -> None:
        self._ledger.record_accepted(request.ids)
        self._in_doubt.difference_update(map(same_key, request.ids))
        self.tally.counts["sent"] += len(request.people)
        self.tally.sent_ids.update(map(same_key, request.ids))
        self._succeeded, request.origin.succeeded = True, True
        self._systematic = self._given_up = 0
        self._part_done(request)

    def _again(self, request: _Request, answer: Answer) -> None:
        pause = retry.backoff(request.attempts) if answer.wait is None else answer.wait
        logger.info("Upload answered %s; again in %.0f s.", answer.status or answer.words, pause)
        if request.attempts >= MOST_ATTEMPTS or self.tally.stopped:
            self._give_up(request, answer)
            return
        request.not_before = self._clock.monotonic() + pause
        everybody = answer.everybody or answer.status == 429
        if request.not_before >= self._ends:
            self._give_up(request, answer)
            if everybody:
                self._stop(f"Graph asks to wait {pause:.0f} s, longer than this run may last: {answer.words}")
            return
        if everybody:
            self._pace.pause(pause)
        self._retries.append(request)

    def _give_up(self, request: _Request, answer: Answer) -> None:
        """People of this request stay due; a service that takes nothing at all stops the run."""
        self._given_up += 1
        request.origin.given_up = True
        self._defer(request)
        if self._given_up >= MOST_GIVEN_UP or not self._succeeded:
            self._stop(f"Graph did not take a request in {request.attempts} attempts: {answer.words}")

    # --- a 400 ----------------------------------------------------------------------------------------------------

    def _refused(self, request: _Request, answer: Answer) -> None:
        """Take a refused request apart until the one who is wrong stands alone."""
        origin = request.origin
        origin.refused = True
        if len(request.people) == 1:
            self._end_intents(request)
            words = f"Graph answered {answer.status}, {answer.words}"
            origin.refusals.append((request.people[0], words))
            self.tally.refused_ids.update(map(same_key, request.ids))
            self._park([Parked(request.ids[0], (words,))])
            self._part_done(request)
            return
        along = {same_key(d.user.external_id) for d in request.people}
        reports = [d.user.employee_id for d in request.people if same_key(d.user.manager_id or "") in along]
        self._ledger.doubt_managers(reports)
        half, pair = (len(request.people) + 1) // 2, object()
        origin.open_parts += 1
        twin = next((n for n, r in enumerate(self._retries) if request.pair and r.pair is request.pair), -1)
        self._retries[twin + 1 : twin + 1] = [
            self._part(request, request.people[:half], pair),
            self._part(request, request.people[half:], pair),
        ]

    def _part(self, request: _Request, people: list[Due], pair: object) -> _Request:
        """Half of a refused request; its twin is tried before either is taken apart further."""
        mapping = self._rules.mapping
        body = scim.bulk_request([(d.user.employee_id, mapping.resource(d.user)) for d in people])
        return _Request(people, body, request.origin, ambiguous=request.ambiguous, pair=pair)

    def _part_done(self, request: _Request) -> None:
        self._blocked = False
        origin = request.origin
        origin.open_parts -= 1
        if origin.open_parts:
            return
        self._waiting_refusals.extend(origin.refusals)
        if origin.refused and not origin.succeeded and not origin.given_up and not self.tally.stopped:
            self._systematic += 1
            if self._systematic >= SYSTEMATIC_REFUSALS and not self._succeeded:
                self._all_refused()
        self._flush_refusals()

    def _all_refused(self) -> None:
        """It is not these people: nobody is parked for it, all stay due."""
        blamed = {same_key(due.user.employee_id) for due, _ in self._waiting_refusals}
        words = self._waiting_refusals[0][1] if self._waiting_refusals else "400"
        self._waiting_refusals.clear()
        self.tally.parked = [p for p in self.tally.parked if same_key(p.employee_id) not in blamed]
        self.tally.counts["parked"] -= len(blamed)
        self.tally.counts["deferred"] += len(blamed)
        self._stop(f"Graph refused every part of three requests; the mapping or the app's schema is wrong: {words}")

    def _flush_refusals(self, *, final: bool = False) -> None:
        """Put refusals down once it is clear that it is these people, not all."""
        if self._succeeded or final:
            for due, words in self._waiting_refusals:
                self._ledger.record_refused(due.user.employee_id, due.user.hash, words)
            self._settle([due.user.employee_id for due, _ in self._waiting_refusals])
            self._waiting_refusals.clear()

    # --- the end of people ----------------------------------------------------------------------------------------

    def _park(self, parked: Iterable[Parked], *, counted: bool = True) -> None:
        for one in parked:
            if not counted:
                self.tally.counts["candidates"] += 1
            self.tally.parked.append(one)
            self.tally.counts["parked"] += 1

    def _settle(self, employee_ids: Iterable[str]) -> None:
        """Those of them who were forced and cannot or need not go wait no longer."""
        keys = [same_key(i) for i in employee_ids]
        self._ledger.unforce([self._tokens.pop(key) for key in keys if key in self._tokens])

    def _defer(self, request: _Request) -> None:
        """These people stay due."""
        self.tally.counts["deferred"] += len(request.people)
        self._end_intents(request)
        self._part_done(request)

    def _end_intents(self, request: _Request) -> None:
        """Only an ambiguous end leaves intents; a definite refusal removes them."""
        if request.ambiguous:
            self._in_doubt.update(map(same_key, request.ids))
        else:
            self._ledger.drop_intents(request.ids)

    def _stop(self, why: str) -> None:
        """Start nothing more; what is in flight may end."""
        if self.tally.stopped is None:
            self.tally.stopped = why
            logger.error("Run %s stops: %s.", self._ledger.run_id, why)
        self.tally.counts["deferred"] += len(self._queue) + len(self._forced)
        self._queue.clear()
        self._forced.clear()
        retries, self._retries = self._retries, []
        for request in retries:
            self._defer(request)


def _without_values(words: str, people: Iterable[Due]) -> str:
    """Graph's words, at most 300 characters, without what they may quote of these people.

    A text of one or two ASCII characters goes only where it stands alone: "a" is in every sentence.
    """
    if not words:
        return ""
    texts = {" ".join(v.split()) for d in people for v in d.user.values if isinstance(v, str)} - {""}
    parts = [
        rf"(?<!\w){re.escape(t)}(?!\w)" if len(t) < 3 and t.isascii() else re.escape(t)
        for t in sorted(texts, key=len, reverse=True)
    ]
    cleaned = re.sub("|".join(parts), "[…]", words, flags=re.IGNORECASE) if parts else words
    return cleaned[:LONGEST_WORDS]
