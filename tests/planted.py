"""Mistakes that systems of this kind really make, each as a small exact change of the source, and who sees it.

`make mutants` plants them one by one in a copy and runs those tests; a test of the ordinary suite checks that each text
still stands in the source as often as is said here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Edit(NamedTuple):
    """A text of a file, which stands there so many times, and what takes its place."""

    path: str
    old: str
    new: str
    times: int = 1


@dataclass(frozen=True)
class Mistake:
    """What is wrong, in words; the edits that make it so; tests (files or ids, in tests/) of which one must fail."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


def _in(path: str, old: str, new: str, times: int = 1) -> tuple[Edit]:
    return (Edit(path, old, new, times),)


def _mistake(name: str, edits: tuple[Edit, ...], *tests: str) -> Mistake:
    return Mistake(name, edits, tests)


PLAN, SCIM, SEND, JOBS = (f"provisioning/{name}.py" for name in ("plan", "scim", "send", "jobs"))
INGESTION = "provisioning/ingestion.py"
LEDGER, GRAPH, GUARDS, HR = (f"provisioning/{name}.py" for name in ("ledger", "graph", "guards", "hr"))
MIRROR, RUNS, TRANSPORT, DATABASE = (f"provisioning/{name}.py" for name in ("mirror", "runs", "transport", "database"))
PEOPLE, DOUBLES = "provisioning/people.py", "provisioning/doubles.py"
PACING, RETRY, BODIES = "provisioning/pacing.py", "provisioning/retry.py", "provisioning/bodies.py"
SHARE, EXPORTS, DELIMITED = "provisioning/share.py", "provisioning/exports.py", "provisioning/delimited.py"
OUTCOME, QUERIES = "provisioning/outcomes.py", "provisioning/queries"
DIRECTORY, COMPARISON = "provisioning/directory.py", "provisioning/comparison.py"
ALERTS, CALLERS = "provisioning/alerts.py", "provisioning/callers.py"

BY_HAND = (
    _mistake(
        "a run enables who was disabled by hand",
        _in(
            PLAN,
            "if person.by_hand and not _hr_agrees(person, rules):\n            return",
            "if False:\n            return",
        ),
        "test_by_hand.py::test_no_run_enables_her_whatever_hr_says",
    ),
    _mistake(
        "HR agrees although the end is only held",
        _in(JOBS, "if agreed and not _may_be_a_mistake(work):", "if agreed:"),
        "test_by_hand.py::test_an_end_that_nobody_has_approved_is_not_hrs_word",
    ),
    _mistake(
        "HR agrees although she may be active over there",
        _in(PLAN, "if person.was_active or not person.known:", "if not person.known:"),
        "test_by_hand.py::test_who_waits_in_a_mass_hold_goes_and_the_others_wait_on",
        "test_by_hand.py::test_where_only_changed_rows_are_looked_at_she_is_looked_at_too",
        "test_by_hand.py::test_once_hr_agrees_hr_counts_again",
    ),
    _mistake(
        "who is still on the way does not count as disabled",
        _in(LEDGER, '(*lately, *self.db.rows("pending_disables", self.target))', "lately"),
        "test_by_hand.py::test_those_who_are_still_on_their_way_count_too",
    ),
    _mistake(
        "who is disabled by hand goes as the row has her",
        _in(PLAN, "    if person.sent_user is None:\n        user =", "    if True:\n        user ="),
        "test_by_hand.py::test_no_run_enables_her_whatever_hr_says",
    ),
    _mistake(
        "a leaver whose row makes no SCIM user stays in",
        _in(PLAN, "        if not leaves:\n            raise", "        if True:\n            raise"),
        "test_by_hand.py::test_a_leaver_whose_row_makes_no_user_goes_as_she_was_last_sent_inactive",
    ),
    _mistake(
        "disabled one by one, a mass goes around the guard",
        _in("provisioning/by_hand.py", "len(lately) >= most", "False"),
        "test_by_hand.py::test_one_by_one_no_more_are_disabled_than_the_guard_allows",
    ),
    _mistake(
        "a mark does not stop who is disabled by hand",
        _in(GUARDS, 'return [(PROTECTED, "")] if due.protected and due.disables else []', "return []"),
        "test_by_hand.py::test_marked_as_protected_she_waits_for_an_approval",
    ),
)

SELECTION = (
    _mistake(
        "a last day is over a day early",
        _in(PLAN, "today > valid_to", "today >= valid_to"),
        "test_plan.py::test_the_last_day_is_over_when_it_is_over_where_she_works",
    ),
    _mistake(
        "a first day begins a day late",
        _in(
            PLAN,
            "ahead = valid_from is not None and valid_from > today",
            "ahead = valid_from is not None and valid_from >= today",
        ),
        "test_plan.py::test_before_her_start_a_joiner_goes_as_the_setting_says",
    ),
    _mistake(
        "the lead days begin a day late",
        _in(
            PLAN,
            "valid_from > today + timedelta(days=rules.lead_days)",
            "valid_from >= today + timedelta(days=rules.lead_days)",
        ),
        "test_plan.py::test_a_joiner_is_due_so_many_days_before_her_start",
    ),
    _mistake(
        "narrowed, a start is overlooked where the day begins first",
        _in(f"{QUERIES}/where_modified.sql", "{valid_from} <= ?", "{valid_from} < ?"),
        "test_moments.py::test_narrowed_by_modified_a_start_is_found_where_its_day_begins_first",
    ),
    _mistake(
        "at the moment it expires a lease is still its holder's",
        _in(
            f"{QUERIES}/sqlite/write_intents.sql", "l.expires_at > SYSUTCDATETIME()", "l.expires_at >= SYSUTCDATETIME()"
        ),
        "test_moments.py::test_at_the_moment_it_expires_a_lease_is_the_next_ones_and_no_longer_its_holders",
    ),
    _mistake(
        "at the moment it expires a lease is nobody's",
        _in(f"{QUERIES}/lease_acquire.sql", "expires_at <= SYSUTCDATETIME()", "expires_at < SYSUTCDATETIME()"),
        "test_moments.py::test_at_the_moment_it_expires_a_lease_is_the_next_ones_and_no_longer_its_holders",
    ),
    _mistake(
        "an intent counts as dead before the send that would clear it",
        _in(PLAN, "oldest < rules.dead_before", "oldest <= rules.dead_before"),
        "test_moments.py::test_an_intent_counts_as_dead_from_the_moment_on_at_which_a_202_clears_it",
    ),
    _mistake(
        "one call more than the limits allow",
        _in(f"{QUERIES}/count_call.sql", ") < ?", ") <= ?", 2),
        "test_ledger.py::test_calls_are_counted_up_to_the_days_limit_over_all_targets",
        "test_ledger.py::test_never_more_than_38_calls_in_5_seconds",
    ),
    _mistake(
        "one disable more than the guard allows is held too late",
        _in(GUARDS, "len(after) <= limits.disables", "len(after) <= limits.disables + 1"),
        "test_guards.py::test_a_class_is_held_whole_above_its_limit",
    ),
    _mistake(
        "as many disables as the guard allows are held",
        _in(GUARDS, "len(after) <= limits.disables", "len(after) < limits.disables"),
        "test_guards.py::test_a_class_is_held_whole_above_its_limit",
    ),
    _mistake(
        "an answer that has shrunk as much as it may is refused",
        _in(INGESTION, "if lost > max(", "if lost >= max("),
        "test_ingest.py::test_how_many_may_be_gone_is_a_setting",
    ),
    _mistake(
        "a wave's approval begins a day late",
        _in(f"{QUERIES}/approvals.sql", "h.due_on <= ?", "h.due_on < ?"),
        "test_around_the_guards.py::test_a_wave_that_is_approved_is_not_asked_for_again",
    ),
    _mistake(
        "a record that was refreshed at the moment a fetch began is overwritten by it",
        _in(f"{QUERIES}/refreshed_since.sql", "r.refreshed_at >= ?", "r.refreshed_at > ?"),
        "test_moments.py::test_what_a_resync_fetched_at_the_moment_an_ingest_began_is_the_newer",
    ),
    _mistake(
        "resend since a moment leaves out who was sent at that moment",
        _in(PLAN, "person.sent_at >= rules.resend_since", "person.sent_at > rules.resend_since"),
        "test_plan.py::test_resend_takes_all_or_those_sent_since",
    ),
    _mistake(
        "missing for exactly as long as is set is not yet missing",
        _in(f"{QUERIES}/people.sql", "a.AbsentSince <= DATEADD", "a.AbsentSince < DATEADD"),
        "test_moments.py::test_missing_for_exactly_as_long_as_is_set_she_is_gone",
    ),
    _mistake(
        "today is what it is in UTC, wherever she is",
        _in(PLAN, "return ZoneInfo(str(name))", "return ZoneInfo('UTC')"),
        "test_plan.py::test_today_is_the_day_where_she_works",
    ),
)

LEDGER_MISTAKES = (
    _mistake(
        "a clock window instead of the ledger: what HR stamped after the last send",
        _in(
            PLAN,
            "if user_hash != person.sent_hash or person.forced",
            "if not person.sent or (person.modified or '') > f'{person.sent_at:%Y-%m-%d %H:%M:%S}' or person.forced",
        ),
        "test_world.py::test_nobody_is_lost_stale_phantom_oversent_or_late",
    ),
    _mistake(
        "narrowed by a clock window: what HR stamped after the last send",
        _in(
            f"{QUERIES}/where_modified.sql",
            "CAST({modified} AS varchar(33)) <> l.modified_date_time",
            "CAST({modified} AS varchar(33)) > CAST(l.sent_at AS varchar(33))",
        ),
        "test_sending.py::test_narrowed_by_modified_edits_are_found_and_a_stamp_that_stood_still_by_reconcile",
    ),
    _mistake(
        "no intents: what is sent is written down when the 202 comes",
        (
            Edit(
                SEND,
                "        if not self._ledger.write_intents(intents, self._lease, again):\n"
                "            self._hold_on()\n"
                "            if not self._ledger.write_intents(intents, self._lease, again):\n"
                "                raise LeaseLost()\n"
                "        self._begun += 1\n"
                "        return _Request(due, scim.bulk_request(resources), _Origin(), ambiguous=bool(again))",
                "        request = _Request(due, scim.bulk_request(resources), _Origin(), ambiguous=bool(again))\n"
                "        request.origin.intents = intents, again\n"
                "        return request",
            ),
            Edit(
                SEND,
                "        self._ledger.record_accepted(request.ids)\n",
                "        intents, again = request.origin.intents\n"
                "        mine = [i for i in intents if i.due.user.employee_id in request.ids]\n"
                "        self._ledger.write_intents(mine, self._lease, again)\n"
                "        self._ledger.record_accepted(request.ids)\n",
            ),
        ),
        "test_world.py::test_nobody_is_lost_stale_phantom_oversent_or_late",
    ),
    _mistake(
        "a leftover intent is overlooked",
        _in(PLAN, "return bool(person.unanswered) or (oldest", "return bool(None) and (oldest"),
        "test_sending_answers.py::test_given_up_in_doubt_she_goes_with_the_next_run_and_once_more_when_that_run_must_be_dead",
    ),
    _mistake(
        "an ambiguous end removes the intents",
        _in(SEND, "        if request.ambiguous:\n", "        if False:\n"),
        "test_sending_answers.py::test_given_up_in_doubt_she_goes_with_the_next_run_and_once_more_when_that_run_must_be_dead",
    ),
    _mistake(
        "a definite refusal leaves the intents",
        _in(SEND, "        if request.ambiguous:\n", "        if True:\n"),
        "test_sending_answers.py::test_a_missing_right_stops_the_run_with_graphs_words_and_leaves_no_doubt",
    ),
    _mistake(
        "orphan intents are cleared at once by the next 202",
        _in(LEDGER, "*mine, -LIFE_OF_A_RUN, *mine", "*mine, 0, *mine"),
        "test_sending.py::test_what_arrives_after_something_newer_is_followed_by_a_fresh_send",
        "test_kill_points.py::test_a_process_that_stood_still_until_others_had_sent_does_no_lasting_harm",
    ),
    _mistake(
        "what was sent is put down before the 202",
        _in(
            SEND,
            "        self._in_flight[self._pool.submit(",
            "        self._ledger.record_accepted(request.ids)\n        self._in_flight[self._pool.submit(",
        ),
        "test_world.py::test_nobody_is_lost_stale_phantom_oversent_or_late",
    ),
    _mistake(
        "any answer of 2xx is taken for a 202",
        _in(GRAPH, "if status == 202:", "if status < 300:"),
        "test_graph.py::test_each_status_has_its_reaction",
    ),
    _mistake(
        "a 5xx is taken for a definite no",
        _in(GRAPH, "everybody=asked is not None, ambiguous=True)", "everybody=asked is not None, ambiguous=False)"),
        "test_graph.py::test_each_status_has_its_reaction",
    ),
    _mistake(
        "a connection that broke is taken for a definite no",
        _in(
            TRANSPORT,
            'no complete answer ({type(exc).__name__})", ambiguous=True',
            'no complete answer ({type(exc).__name__})", ambiguous=False',
        ),
        "test_transport.py::test_a_broken_connection_may_have_carried_the_request",
    ),
    _mistake(
        "whoever has lost the lease may still write intents",
        _in(f"{QUERIES}/sqlite/write_intents.sql", "l.owner = ? AND l.epoch = ?", "COALESCE(?, ?) IS NOT NULL"),
        "test_ledger.py::test_an_expired_lease_is_taken_over_and_its_owner_can_do_nothing_more",
    ),
    _mistake(
        "whoever has lost the lease may still make a call",
        _in(f"{QUERIES}/count_call.sql", "l.owner = ? AND l.epoch = ?", "COALESCE(?, ?) IS NOT NULL"),
        "test_ledger.py::test_an_expired_lease_is_taken_over_and_its_owner_can_do_nothing_more",
    ),
    _mistake(
        "whoever has lost the lease takes it back by renewing it",
        _in(f"{QUERIES}/lease_renew.sql", "owner = ? AND epoch = ?", "COALESCE(?, ?) IS NOT NULL"),
        "test_ledger.py::test_an_expired_lease_is_taken_over_and_its_owner_can_do_nothing_more",
    ),
    _mistake(
        "the lease is not renewed while the sender lives",
        _in(RUNS, "    lease.keep(lambda: database.connect(settings.sql_connection_string, clock), clock)\n", ""),
        "test_sending.py::test_a_long_wait_keeps_the_lease",
    ),
    _mistake(
        "a dead sender's lease is taken over without a pause",
        _in(RUNS, "clock.sleep(ledger.TAKEOVER_PAUSE)", "clock.sleep(0.0)"),
        "test_sending.py::test_whoever_takes_over_a_dead_senders_lease_waits_5_seconds",
    ),
    _mistake(
        "the lease is given back while somebody forced is waiting",
        _in(f"{QUERIES}/lease_release.sql", "    AND NOT EXISTS (", "    AND 1 = 1 OR 1 = 0 AND NOT EXISTS ("),
        "test_resync.py::test_who_is_forced_at_the_last_moment_is_sent_before_the_lease_is_given_back",
    ),
    _mistake(
        "a commit over two files without a super-journal: WAL",
        _in(
            DATABASE,
            'connection.execute(f"ATTACH DATABASE ? AS {schema}", (str(beside),))',
            'connection.execute(f"ATTACH DATABASE ? AS {schema}", (str(beside),)); '
            'connection.execute(f"PRAGMA {schema}.journal_mode=WAL")',
        ),
        "test_kill_points.py::test_killed_in_the_middle_of_a_commit_over_two_files_readers_see_all_of_it_or_nothing",
    ),
    _mistake(
        "a commit over two files without a super-journal: an in-memory main file",
        _in(
            DATABASE,
            "            path,\n            timeout=SQLITE_TURN_SECONDS",
            '            ":memory:",\n            timeout=SQLITE_TURN_SECONDS',
        ),
        "test_kill_points.py::test_killed_in_the_middle_of_a_commit_over_two_files_readers_see_all_of_it_or_nothing",
    ),
    _mistake(
        "who waits for a lock keeps what others wait for",
        _in(DATABASE, "SQLITE_TURN_SECONDS = 0.2", "SQLITE_TURN_SECONDS = 30.0"),
        "test_database.py::test_two_of_which_each_holds_what_the_other_waits_for_both_get_through",
    ),
    _mistake(
        "the day's calls are counted for each target",
        _in(
            f"{QUERIES}/count_call.sql",
            "AS d WHERE d.called_at",
            "AS d WHERE 'send ' || d.target IN (SELECT n.name FROM provisioning.leases AS n WHERE n.owner IS NOT NULL) "
            "AND d.called_at",
        ),
        "test_budget.py::test_what_another_target_uses_up_meanwhile_is_not_there_any_more",
    ),
    _mistake(
        "no calls are kept for resyncs",
        _in(SEND, "return self.daily_limit - self.reserve", "return self.daily_limit"),
        "test_budget.py::test_of_100_calls_5_are_kept_for_resyncs",
    ),
    _mistake(
        "a 202 is put down statement by statement",
        _in(
            DATABASE,
            '            with self._transaction("BEGIN"):\n                for part in parts:',
            "            if parts:\n                for part in parts:",
        ),
        "test_ledger.py::test_a_request_that_cannot_be_recorded_whole_is_not_recorded_at_all",
    ),
    _mistake(
        "who is forced and has not changed does not go",
        _in(PLAN, "!= person.sent_hash or person.forced_token is not None or _in", "!= person.sent_hash or _in"),
        "test_plan.py::test_somebody_forced_goes_in_every_job_even_unchanged_and_long_before_her_start",
    ),
    _mistake(
        "nobody is sent again whose send is long ago, so that what was purged stays lost",
        _in(
            PLAN,
            " or (person.sent_at is not None and person.sent_at < rules.resend_before)\n",
            "\n",
        ),
        "test_world.py::test_nobody_is_lost_stale_phantom_oversent_or_late",
    ),
    _mistake(
        "reports of a manager who came late are not sent again",
        _in(PLAN, "    if _has_late_manager(person, rules):\n", "    if False:\n"),
        "test_plan.py::test_reconcile_sends_what_is_old_and_reports_of_late_managers",
    ),
)

GUARD_MISTAKES = (
    _mistake(
        "no shrink guard",
        _in(INGESTION, "lost = before - fetch.distinct", "lost = 0"),
        "test_ingest.py::test_an_answer_that_lacks_too_many_people_changes_nothing",
    ),
    _mistake(
        "an empty answer is believed",
        _in(INGESTION, "if not fetch.fetched and (fetch.held_keys or needed):", "if False:"),
        "test_ingest.py::test_an_answer_without_anybody_is_a_failure_from_the_first_one_on",
    ),
    _mistake(
        "a resync asks no guard",
        _in(JOBS, "    _check_held(work, rules, due)\n", ""),
        "test_around_the_guards.py::test_an_expired_approval_lets_no_resync_through",
    ),
    _mistake(
        "whoever is forced meanwhile is not weighed",
        _in(
            SEND,
            "fresh = [d for d in due if not self._guard.is_let_go(d)]",
            "fresh = [d for d in due if d.person.forced_token is None]",
        ),
        "test_review.py::test_somebody_forced_meanwhile_is_weighed_by_the_run_at_work",
    ),
    _mistake(
        "a missing person is disabled after one fetch",
        _in(f"{QUERIES}/people.sql", "a.AbsentSince < c.misses_counted_at AND ", ""),
        "test_missing.py::test_missing_from_one_fetch_is_nothing_yet_and_from_two_it_is_gone",
    ),
    _mistake(
        "a fetch with a record without a key counts misses",
        _in("provisioning/tables.py", "    if fetch.keyless:\n", "    if False:\n"),
        "test_ingest.py::test_a_record_without_a_key_proves_nobody_missing",
    ),
    _mistake(
        "an answer with other keys is believed",
        _in(
            INGESTION,
            "    replaced = gone - max(0, before - fetch.distinct)\n",
            "    replaced = before - fetch.distinct\n",
        ),
        "test_ingest.py::test_so_many_may_be_others_than_before_as_may_be_gone",
    ),
    _mistake(
        "whoever was noted as absent counts as newly gone",
        _in("provisioning/tables.py", "for key in fetch.absent()} - noted)", "for key in fetch.absent()})"),
        "test_ingest.py::test_so_many_may_be_others_than_before_as_may_be_gone",
    ),
    _mistake(
        "a rejected record counts as missing",
        (
            Edit(MIRROR, "        self.seen.add(canonical)\n", ""),
            Edit(
                MIRROR,
                "        if self.table.key.type in TEXTS:\n            row[",
                "        self.seen.add(canonical)\n        if self.table.key.type in TEXTS:\n            row[",
            ),
        ),
        "test_mirror.py::test_a_rejected_record_is_present",
    ),
    _mistake(
        "a held person slips out of her hold when she is parked",
        _in(JOBS, "return (made.looked_at | gone) - undecided", "return made.looked_at | gone"),
        "test_around_the_guards.py::test_parked_for_an_hour_is_no_way_out_of_a_hold",
    ),
    _mistake(
        "an approval covers whatever is due by then",
        _in(
            GUARDS,
            "return due.hash in self._known.approved.get(due.key, ())",
            "return due.key in self._known.approved",
        ),
        "test_around_the_guards.py::test_whoever_changes_between_the_approval_and_the_run_stays_held",
    ),
    _mistake(
        "an approval can be used again",
        _in(f"{QUERIES}/record_accepted.sql", "SET used_at = SYSUTCDATETIME()", "SET used_at = used_at"),
        "test_review.py::test_approved_exactly_they_go_once_and_are_recorded",
    ),
    _mistake(
        "disables are counted run by run, not over 24 hours",
        _in(RUNS, "disabled_lately=set() if ahead else self.book.disabled_lately()", "disabled_lately=set()"),
        "test_review.py::test_few_disables_a_time_are_held_when_they_become_many_in_24_hours",
    ),
    _mistake(
        "a first load waits for nobody",
        _in(GUARDS, "first = not due.sent and (not", "first = False and (not"),
        "test_review.py::test_a_first_load_is_held_and_approved_it_goes",
    ),
    _mistake(
        "a changed mapping waits for nobody",
        _in(GUARDS, "if self._known.changed_mapping and due.changed:", "if False:"),
        "test_review.py::test_a_changed_mapping_waits_for_a_word_whatever_it_touches",
    ),
    _mistake(
        "a start to come deactivates who is active",
        _in(PLAN, "(not ahead or person.was_active or _before_start", "(not ahead or _before_start"),
        "test_plan.py::test_a_future_start_never_deactivates_somebody_active",
    ),
    _mistake(
        "who vanishes from the view is no alarm",
        _in(
            JOBS,
            'are no longer in dbo.ScimUsers: {named}")\n        report.exit_code = 3',
            'are no longer in dbo.ScimUsers: {named}")',
        ),
        "test_sending.py::test_who_vanishes_from_the_view_is_an_alarm_and_never_disabled",
    ),
    _mistake(
        "two active people with one userName both go",
        _in(DOUBLES, "            for keys in self._active.by_several.values()\n", "            for keys in ()\n"),
        "test_plan.py::test_two_active_people_with_one_user_name_are_parked_and_nobody_else",
    ),
    _mistake(
        "a protected person is disabled like anybody",
        _in(GUARDS, "if due.protected and due.known and (due.disables or renamed):", "if False:"),
        "test_review.py::test_a_protected_person_is_held_alone",
    ),
    _mistake(
        "an attribute may turn null for everybody",
        _in(GUARDS, "        held += self._emptied_by_many(unapproved, differences)\n", ""),
        "test_review.py::test_an_attribute_that_many_lose_is_held",
    ),
    _mistake(
        "who has ended and was never sent is created as disabled",
        _in(PLAN, "    if state.ended and not person.known:\n", "    if False:\n"),
        "test_plan.py::test_nobody_is_created_who_has_ended_or_is_out_of_scope",
    ),
)

PAYLOAD = (
    _mistake(
        "the hash depends on the order of the columns",
        _in(
            SCIM,
            "order = tuple(sorted(range(len(attributes)), key=lambda n: attributes[n].path))",
            "order = tuple(range(len(attributes)))",
        ),
        "test_scim.py::test_the_hash_is_that_of_the_payload_whatever_the_order_of_columns",
    ),
    _mistake(
        "another version hashes the same people otherwise, so that everybody is sent again",
        _in(SCIM, "', '.join(texts)", "','.join(texts)"),
        "test_scim.py::test_a_hash_stays_what_it_was_since_another_is_another_send_of_everybody",
    ),
    _mistake(
        "active is always true",
        _in(SCIM, "values[self._active] = active\n", "values[self._active] = True\n"),
        "test_sending.py::test_leavers_go_before_changes_and_an_unmapped_edit_not_at_all",
    ),
    _mistake(
        "51 operations in a request",
        _in(SCIM, "MOST_OPERATIONS = 50", "MOST_OPERATIONS = 51"),
        "test_scim.py::test_a_bulk_request_holds_1_to_50",
    ),
    _mistake(
        "the same bulkId for everybody",
        _in(SCIM, '"bulkId": bulk_id,', '"bulkId": "1",'),
        "test_scim.py::test_a_bulk_request_is_what_the_contract_says",
    ),
    _mistake(
        "unset attributes are left out, so that nothing is ever cleared",
        _in(SCIM, "if value is None and not self.explicit_nulls:", "if value is None:"),
        "test_scim.py::test_unset_attributes_go_as_null_inside_what_holds_them",
    ),
    _mistake(
        "an extension's attributes lie beside it",
        _in(SCIM, "home = data if attribute.schema == CORE else data.setdefault(attribute.schema, {})", "home = data"),
        "test_scim.py::test_a_path_says_where_the_value_goes",
    ),
    _mistake(
        "a date leaves as if everybody lived in UTC",
        _in(SCIM, "datetime.combine(day, at, zone)", "datetime.combine(day, at, UTC)"),
        "test_scim.py::test_a_date_leaves_as_the_instant_of_its_local_time",
    ),
    _mistake(
        "the upload is plain JSON",
        _in(GRAPH, '"application/scim+json"', '"application/json"'),
        "test_acceptance.py::test_1000_people_take_20_calls_then_none_then_one_for_25_edits",
    ),
)

SENDING = (
    _mistake(
        "a manager and her reports in two requests at once",
        _in(
            SEND,
            "return any(same_key(d.user.external_id) in wanted for r in requests for d in r.people)",
            "return False",
        ),
        "test_sending.py::test_a_request_waits_for_the_answer_to_the_one_that_holds_its_managers",
    ),
    _mistake(
        "reports go before their managers",
        _in(PLAN, "for one in _managers_first(groups[group])", "for one in groups[group]"),
        "test_plan.py::test_managers_go_before_their_reports",
    ),
    _mistake(
        "leavers go last",
        _in(
            PEOPLE,
            "    LEAVER = 1\n    JOINER = 2\n    CHANGE = 3\n",
            "    JOINER = 2\n    CHANGE = 3\n    LEAVER = 1\n",
        ),
        "test_plan.py::test_forced_then_leavers_then_joiners_then_changes",
    ),
    _mistake(
        "a person in two requests at once",
        _in(SEND, "return {same_key(i) for r in requests for i in r.ids}", "return set()"),
        "test_sending.py::test_nobody_is_in_two_requests_at_once_not_even_when_forced_meanwhile",
    ),
    _mistake(
        "retry on 400",
        _in(GRAPH, "return Answer(Reaction.REFUSED, status, words)", "return Answer(Reaction.AGAIN, status, words)"),
        "test_sending_answers.py::test_bad_people_are_found_and_block_nobody",
    ),
    _mistake(
        "one bad person takes the other 49 with her",
        _in(SEND, "        if len(request.people) == 1:\n", "        if True:\n"),
        "test_sending_answers.py::test_bad_people_are_found_and_block_nobody",
    ),
    _mistake(
        "who was refused is sent again every hour",
        _in(PLAN, "if person.refused_hash == user.hash and person.forced_token is None:", "if False:"),
        "test_sending_answers.py::test_bad_people_are_found_and_block_nobody",
    ),
    _mistake(
        "Retry-After of Graph is ignored",
        _in(GRAPH, 'asked = retry.retry_after(reply.headers.get("Retry-After"))', "asked = None"),
        "test_sending_answers.py::test_what_may_pass_is_tried_again",
        "test_sending_answers.py::test_retry_after_may_be_a_date",
    ),
    _mistake(
        "Retry-After of HR is ignored",
        _in(RETRY, "cap=8.0) if asked is None else asked", "cap=8.0)"),
        "test_hr.py::test_retry_after_is_waited_for_in_seconds_or_until_a_date",
    ),
    _mistake(
        "other requests go on while Graph asks to wait",
        _in(SEND, "        if everybody:\n            self._pace.pause(pause)\n", ""),
        "test_sending.py::test_a_full_bucket_lets_no_other_request_go_meanwhile",
    ),
    _mistake(
        "an expired token is not renewed",
        _in(SEND, "            self._graph.renew_token()\n", ""),
        "test_sending.py::test_a_token_that_expires_is_replaced_by_a_new_one_and_the_run_goes_on",
    ),
    _mistake(
        "a limiter that bursts: 40 calls, then a wait",
        _in(PACING, "+ self._spacing", "+ (self._spacing * 40 if int(self._free_at * 7) % 40 == 0 else 0.0)"),
        "test_graph.py::test_calls_are_spaced_evenly_and_idle_slots_not_saved_up",
    ),
    _mistake(
        "who has changed since she was found due is weighed by what she is now",
        _in(PLAN, "return user if user is not None and user.hash == brief.hash else None", "return user"),
        "test_weighing.py::test_who_is_another_since_she_was_found_due_is_left_to_the_sender",
    ),
    _mistake(
        "a limiter that saves up the slots nobody used",
        _in(
            PACING,
            "now if now - self._free_at > IDLE else max(self._free_at",
            "min(self._free_at",
        ),
        "test_graph.py::test_calls_are_spaced_evenly_and_idle_slots_not_saved_up",
    ),
    _mistake(
        "a run ends when the host ends it",
        _in(SEND, "if self._clock.monotonic() >= self._ends and", "if False and"),
        "test_sending_answers.py::test_a_run_ends_in_time_and_defers_the_rest",
        "test_sending.py::test_when_its_time_is_up_a_run_defers_the_rest_and_the_next_one_goes_on",
    ),
    _mistake(
        "a run that left people shows as done",
        _in(JOBS, "    if tally.stopped or deferred:\n", "    if False:\n"),
        "test_sending_answers.py::test_a_missing_right_stops_the_run_with_graphs_words_and_leaves_no_doubt",
    ),
    _mistake(
        "a name in a log line",
        _in(
            SEND, 'logger.info("Upload answered %s;', 'logger.info(f"{request.people[0].user.values}" + " answered %s;'
        ),
        "test_world.py::test_nobody_is_lost_stale_phantom_oversent_or_late",
    ),
    _mistake(
        "Graph's words, which quote people, are told as they came",
        _in(SEND, "    return cleaned[:LONGEST_WORDS]", "    return words[:LONGEST_WORDS]"),
        "test_sending.py::test_what_graph_quotes_of_a_person_is_repeated_nowhere",
    ),
    _mistake(
        "a database error tells the driver's words, which quote values",
        _in(DATABASE, 'told = f"{name}: SQL Server answered {number}', 'told = f"{name}: {exc.args} {number}'),
        "test_database.py::test_errors_are_told_by_number_and_state_never_by_text",
    ),
    _mistake(
        "the reason why somebody is parked tells the value",
        _in(SCIM, 'reasons.append(f"{attribute.column} {exc}")', 'reasons.append(f"{attribute.column} {exc} {row}")'),
        "test_scim.py::test_a_value_that_does_not_fit_parks_the_person_without_telling_it",
    ),
    _mistake(
        "a timer that failed shows as done",
        _in(
            "function_app.py",
            "    report = job(Settings.from_environ(os.environ, needs), patience=runs.TIMER_PATIENCE)\n",
            "    try:\n"
            "        report = job(Settings.from_environ(os.environ, needs), patience=runs.TIMER_PATIENCE)\n"
            "    except errors.ProvisioningError as exc:\n"
            "        return logger.error(str(exc))\n",
        ),
        "test_functions.py::test_a_failed_run_shows_as_failed",
    ),
)

INGEST = (
    _mistake(
        "redirects are followed",
        (
            Edit(TRANSPORT, "follow_redirects=False", "follow_redirects=True"),
            Edit(TRANSPORT, '        event_hooks={"response": [_forget_location]},\n', ""),
        ),
        "test_hr.py::test_a_redirect_is_not_followed_and_takes_no_credential_along",
        "test_hostile_hr.py::test_a_redirect_to_another_origin_takes_no_credential_there",
    ),
    _mistake(
        "a proxy of the environment is used",
        _in(
            TRANSPORT,
            "        transport=bounded,\n        follow_redirects=False,\n        trust_env=False,\n",
            "        follow_redirects=False,\n        trust_env=True,\n",
        ),
        "test_transport.py::test_a_proxy_of_the_environment_is_not_used",
    ),
    _mistake(
        "any certificate will do",
        _in(
            TRANSPORT,
            "httpx.create_ssl_context(trust_env=False)",
            "httpx.create_ssl_context(verify=False, trust_env=False)",
            times=2,
        ),
        "test_transport.py::test_a_certificate_that_nobody_vouches_for_is_refused",
    ),
    _mistake(
        "an id goes into an address as it is",
        _in(HR, 'quote(key, safe="")', "key"),
        "test_hr.py::test_an_id_is_one_step_of_the_path",
    ),
    _mistake(
        "any failure to find a person is taken for her absence",
        _in(HR, "if missing and reply.status == 404:", "if missing and reply.status >= 400:"),
        "test_hr.py::test_a_single_record_that_hr_does_not_know_is_none",
        "test_resync.py::test_when_hr_cannot_answer_nothing_is_sent",
    ),
    _mistake(
        "an empty page ends a fetch, whatever the total",
        _in("provisioning/paginators.py", "if total is not None and records < total:", "if False:"),
        "test_hr.py::test_a_fetch_that_does_not_add_up_fails",
    ),
    _mistake(
        "what a page holds is written before the last page came",
        _in(
            INGESTION,
            "    for is_new, row in fetch.changes(list(rows), held):\n",
            "    for is_new, row in fetch.changes(list(rows), held):\n"
            "        tables.write(db, fetch.table, [(is_new, row)])\n",
        ),
        "test_ingest.py::test_a_page_that_fails_leaves_the_mirror_as_it_was",
    ),
    _mistake(
        "one endpoint's outage keeps the others",
        _in(JOBS, "        runs.add(report, fetched=fetch.fetched)\n        return str(exc)", "        raise"),
        "test_ingest.py::test_one_endpoints_outage_does_not_keep_the_others",
    ),
    _mistake(
        "an ingest that failed shows as done",
        _in(JOBS, '                raise UpstreamError(" ".join(failures))\n', "                pass\n"),
        "test_ingest.py::test_several_outages_are_all_told_and_each_table_is_left_alone",
    ),
    _mistake(
        "fitter is Fitter",
        _in(
            MIRROR,
            "            elif before is row or before == row:\n",
            "            elif str(before).casefold() == str(row).casefold():\n",
        ),
        "test_ingest.py::test_only_what_differs_is_written_even_by_one_letters_case",
    ),
    _mistake(
        "every row is written every hour",
        _in(MIRROR, "            elif before is row or before == row:\n", "            elif False:\n"),
        "test_ingest.py::test_a_quiet_round_writes_nothing",
    ),
    _mistake(
        "a row is unchanged whatever the table holds",
        _in(MIRROR, "if given == cells or given == tuple(map(as_text, cells)):", "if True:"),
        "test_mirror.py::test_a_row_is_itself_only_where_the_table_holds_just_that",
    ),
    _mistake(
        "whoever is forced waits for all who were due before her",
        _in(SEND, "LOOKS_FOR_FORCED_EVERY = 0.5", "LOOKS_FOR_FORCED_EVERY = 3600.0"),
        "test_sending.py::test_whoever_is_forced_while_many_wait_goes_before_most_of_them",
    ),
    _mistake(
        "a leaver who went as active just so is as she was sent",
        _in(PLAN, "goes_as_hashed = person.known and state.active and", "goes_as_hashed = person.known and"),
        "test_properties.py::test_whoever_is_looked_at_among_all_others_is_judged_as_by_herself",
    ),
    _mistake(
        "a text that cannot be sent has a hash all the same",
        _in("provisioning/scim.py", 'and _is_whole("".join(filter(None, values)))', "and True"),
        "test_properties.py::test_hashes_made_together_are_those_of_each_user",
    ),
    _mistake(
        "of a page looked at together, a second record with one key is written, too",
        _in(MIRROR, ' or "" in seen or not seen.isdisjoint(self.seen):', ' or "" in seen:'),
        "test_properties.py::test_records_looked_at_together_become_what_each_of_them_becomes_by_itself",
    ),
    _mistake(
        "of a page looked at together, two fields for one column are one",
        _in(MIRROR, "if column.name in given or column is source:", "if column is source:"),
        "test_properties.py::test_records_looked_at_together_become_what_each_of_them_becomes_by_itself",
    ),
    _mistake(
        "a text that came before fits every column",
        _in("provisioning/columns.py", "fit and whole.isascii()", "whole.isascii()"),
        "test_mirror.py::test_values_looked_at_together_are_what_each_of_them_is",
    ),
    _mistake(
        "a name given twice goes unnoticed where another has a space before its colon",
        _in("provisioning/bodies.py", "if '\" :' not in text and not any(", "if not any("),
        "test_bodies.py::test_what_is_not_strictly_json_is_refused_and_not_repeated",
    ),
    _mistake(
        "a field that comes twice is looked at once",
        _in(MIRROR, "    comes_once = len(found) == len(record) + nested\n", "    comes_once = True\n"),
        "test_mirror.py::test_every_field_of_a_record_is_looked_at_as_often_as_it_is_there",
    ),
    _mistake(
        "an ingest writes older data over what a resync has fetched",
        _in(INGESTION, "if not newer or mirror.canonical_key(json.loads(text)[key]) not in newer:", "if True:"),
        "test_ingest.py::test_what_a_resync_has_fetched_since_is_not_overwritten",
    ),
    _mistake(
        "an endpoint is written in more than one transaction",
        _in(
            INGESTION,
            "        with db.transaction():\n            newer",
            "        if True:\n            newer",
        ),
        "test_kill_points.py::test_ingest_is_killed_before_and_after_every_statement_and_every_page",
    ),
    _mistake(
        "what HR says comes next may be anywhere",
        _in(
            HR,
            "if (url.scheme, url.raw_host, url.port, url.userinfo) != "
            '(origin.scheme, origin.raw_host, origin.port, b""):',
            "if False:",
        ),
        "test_hr.py::test_what_is_asked_next_never_leaves_the_origin",
    ),
    _mistake(
        "the last attempt at a page takes as long as it likes",
        _in(RETRY, "yield attempt, stop.left()", "yield attempt, math.inf"),
        "test_hr.py::test_the_last_attempt_ends_with_the_patience_too",
    ),
    _mistake(
        "a drip never ends",
        (
            Edit(TRANSPORT, "left: float = _attempt.ends - time.monotonic()", "left: float = DEADLINE"),
            Edit(TRANSPORT, "if time.monotonic() > _attempt.ends:", "if False:"),
        ),
        "test_transport.py::test_a_drip_ends_with_the_attempt",
    ),
    _mistake(
        "where a cloud gives its secrets away may be asked",
        _in(TRANSPORT, "if any(hosts.is_link_local(address) for address in found):", "if False:"),
        "test_transport.py::test_a_link_local_address_is_never_asked_however_it_is_spelled",
    ),
    _mistake(
        "a body that was cut is taken for complete",
        _in(BODIES, "if began and not inflater.eof:", "if False:"),
        "test_bodies.py::test_a_body_that_lacks_its_last_byte_or_more_is_refused",
    ),
    _mistake(
        "a small body may become as large as it likes",
        _in(BODIES, "if size > most:", "if False:"),
        "test_bodies.py::test_the_limit_is_of_what_comes_out",
    ),
    _mistake(
        "of two values under one name the last is taken",
        _in(BODIES, "if len(found) != len(pairs):", "if False:"),
        "test_bodies.py::test_what_is_not_strictly_json_is_refused_and_not_repeated",
    ),
)

OUTCOMES = (
    _mistake(
        "an entry of the log that comes late undoes what is newer",
        _in(OUTCOME, "return entry.activity_at > state.outcome_at and says_something", "return says_something"),
        "test_outcomes.py::test_an_entry_that_comes_late_undoes_nothing_that_is_newer",
    ),
    _mistake(
        "a failure is forgotten when Entra skips her the next time",
        _in(
            OUTCOME,
            "entry.outcome in DONE and not (vague and state.outcome == FAILURE)",
            "entry.outcome in (*DONE, SKIPPED)",
        ),
        "test_outcomes.py::test_a_failure_stays_until_a_success",
    ),
    _mistake(
        "of whom the log says nothing, nothing is thought",
        _in(PLAN, "return rules.log.says_nothing_of(posted, person.answered_at)", "return False"),
        "test_plan.py::test_reconcile_alone_sends_who_is_unconfirmed_for_a_day",
    ),
    _mistake(
        "with outcomes, a late manager counts before she is there",
        _in(PLAN, "(not person.manager_known and person.manager_succeeded)", "(not person.manager_known)"),
        "test_plan.py::test_with_outcomes_a_late_manager_counts_when_she_has_succeeded",
    ),
)

TOLD = (
    _mistake(
        "of two who write the same person at the same moment one is told of an error",
        _in("provisioning/database.py", "    for _ in range(AT_ONCE - 1):\n", "    for _ in range(0):\n"),
        "test_database.py::test_what_collides_is_done_again_a_few_times_and_nothing_else_is",
    ),
    _mistake(
        "a login without rights is told that all is migrated",
        _in("provisioning/runs.py", "    if found[0] is None:\n", "    if False:\n"),
        "test_doctor.py::test_a_login_without_any_right_is_not_told_that_the_database_is_empty",
    ),
    _mistake(
        "the same failure rings every hour",
        _in(ALERTS, "if (ended.exit_code, ended.error) == (before.exit_code, before.error):", "if False:"),
        "test_alerts.py::test_a_run_that_fails_rings_once_for_each_kind_of_error_and_once_when_it_works_again",
    ),
    _mistake(
        "a run that fails before it has begun leaves nothing to compare with",
        _in(ALERTS, "ledger.start_run(db, ended.run_id, ended.job, target)", "pass"),
        "test_alerts.py::test_a_run_that_fails_before_it_has_begun_rings_once_too",
    ),
    _mistake(
        "a run that did not ask how the job stands takes it for at work",
        _in(
            ALERTS,
            "= ended.standing if asked else before.standing\n",
            "= ended.standing or ''\n",
        ),
        "test_alerts.py::test_a_job_in_quarantine_rings_once_whichever_run_finds_it_and_once_when_it_is_at_work_again",
    ),
    _mistake(
        "a hold that shrank rings again",
        _in(f"{QUERIES}/opened_holds.sql", "h.held_at >= r.started_at AND ", ""),
        "test_alerts.py::test_a_hold_that_grew_has_another_name_and_rings_one_that_shrank_does_not",
    ),
    _mistake(
        "people gone from the view ring every hour",
        _in(ALERTS, "if not gone or gone == before.out_of_scope:", "if not gone:"),
        "test_alerts.py::test_people_who_vanish_from_the_view_ring_when_their_number_changes",
    ),
    _mistake(
        "each time Entra tries somebody in vain is news",
        _in(
            "provisioning/aftermath.py", "{key for key in failing if known[key].outcome != outcomes.FAILURE}", "failing"
        ),
        "test_alerts.py::test_who_fails_in_entra_rings_once_however_often_entra_tries",
    ),
    _mistake(
        "a database out of reach rings every hour",
        _in(ALERTS, " or now.hour % BLIND_HOURS", ""),
        "test_alerts.py::test_without_a_database_one_job_rings_in_every_fourth_hour",
    ),
    _mistake(
        "a mistake in telling fails the run",
        _in(ALERTS, "except Exception as exc:  # its text may quote", "except OSError as exc:  # its text may quote"),
        "test_alerts.py::test_a_mistake_in_telling_fails_no_run",
    ),
    _mistake(
        "another server on this machine is the same site",
        _in(CALLERS, "return (parts.hostname, port) if", "return (parts.hostname, 0) if"),
        "test_callers.py::test_another_port_is_another_site",
    ),
    _mistake(
        "a page of another site forces people through",
        _in("function_app.py", "        callers.check_same_site(req.headers, req.url, os.environ)\n", ""),
        "test_routes.py::test_a_page_of_another_site_forces_nobody_on_ones_own_machine",
    ),
    _mistake(
        "a name that another site lets point at this machine is taken for its own",
        _in(CALLERS, "return not _is_served(environ) and not is_loopback(urlsplit(url).hostname)", "return False"),
        "test_routes.py::test_a_site_whose_name_points_at_this_machine_forces_nobody",
    ),
    _mistake(
        "a body that is not as described approves all the same",
        _in("function_app.py", "if not isinstance(by, str):", "if False:"),
        "test_routes.py::test_a_body_that_is_not_as_described_approves_nothing",
    ),
)

NEW_HR = (
    _mistake(
        "a new field is told by every run",
        _in("provisioning/tables.py", "    return new\n", "    return sorted(unknown)\n"),
        "test_ingest.py::test_a_new_field_is_told_once_and_runs_go_on",
    ),
    _mistake(
        "a retyped column rejects everybody one by one",
        _in(INGESTION, "if retyped := fetch.retyped_fields(mapped):", "if retyped := []:"),
        "test_ingest.py::test_a_mapped_column_that_is_retyped_stops_the_endpoint_before_anything_is_written",
    ),
    _mistake(
        "two bad dates of leaving stop a whole company",
        _in(MIRROR, "and (wrong > RETYPED_ROWS or wrong * 2 >= self.fetched)", "and self.fetched"),
        "test_ingest.py::test_a_few_bad_values_of_a_column_that_few_have_are_a_few_bad_records",
    ),
    _mistake(
        "an answer without any key is a good answer",
        _in(MIRROR, "            self._count_unfit(self.table.key.name)\n", ""),
        "test_ingest.py::test_a_mapped_column_that_is_gone_stops_also_where_the_table_needs_it",
    ),
    _mistake(
        "whoever one HR system lacks is missing, whatever the other says",
        _in(
            f"{QUERIES}/people.sql",
            "COALESCE(CAST({hr_table} AS nvarchar(128)), ?)",
            "COALESCE(CAST({hr_table} AS nvarchar(128)), ?) OR c.of_people = 1",
        ),
        "test_several.py::test_whoever_has_left_one_of_the_two_goes_as_the_other_has_her",
        "test_several.py::test_a_row_that_is_of_no_endpoint_is_never_missing",
    ),
    _mistake(
        "a row whose record is gone speaks for her, too",
        _in(
            DOUBLES,
            "if before.missing == place.missing and not (place.missing and before.table != place.table):",
            "if True:",
        ),
        "test_several.py::test_whoever_has_left_one_of_the_two_goes_as_the_other_has_her",
    ),
    _mistake(
        "who has moved to another HR system is disabled like any leaver",
        _in(GUARDS, "if due.disables and due.moved_to:", "if False:"),
        "test_several.py::test_who_has_moved_to_another_system_is_not_disabled_until_somebody_says_so",
    ),
    _mistake(
        "narrowed, nobody looks for who has moved",
        _in(RUNS, "        if narrowed:\n            made.due", "        if False:\n            made.due"),
        "test_several.py::test_where_only_some_are_looked_at_she_is_held_as_well",
    ),
    _mistake(
        "one HR system's outage ends the ingest of all",
        _in(
            JOBS,
            "                failures += [",
            "                if found:\n                    raise UpstreamError('')\n                failures += [",
        ),
        "test_several.py::test_an_outage_of_one_system_leaves_the_other_ingested",
    ),
    _mistake(
        "an HR system that keeps one waiting has all the time there is",
        _in(JOBS, "share = (ends - clock.monotonic()) / left", "share = ends - clock.monotonic()"),
        "test_several.py::test_a_system_that_keeps_one_waiting_leaves_the_next_its_time",
    ),
    _mistake(
        "a manager's key gets no prefix, and is somebody else's",
        _in(
            "provisioning/source.py", "(key, *(_column(node, spelling.column_name(name)) for name in fields))", "(key,)"
        ),
        "test_several.py::test_each_system_fills_its_table_and_no_two_people_have_one_id",
    ),
    _mistake(
        "no key at all gets the prefix, and is one",
        _in(
            "provisioning/spelling.py",
            "if is_key and value is not None and str(value).strip() else value",
            "if is_key and value is not None else value",
        ),
        "test_spelling.py::test_a_record_without_a_key_has_none_behind_the_prefix_either",
    ),
    _mistake(
        "HR is asked for a single person by the prefixed key",
        _in(JOBS, "record = api.record(resource, own_key)", "record = api.record(resource, key)"),
        "test_several.py::test_a_resync_asks_the_system_that_has_her_by_her_own_key_there",
    ),
    _mistake(
        "a table that is only joined holds people",
        _in(
            "provisioning/views.py",
            '        if _is(item, "union"):',
            '        if _is(item, "union") or _is(item, "join"):',
        ),
        "test_views.py::test_the_tables_of_each_part_are_those_of_its_from_clause",
    ),
    _mistake(
        "a comment in the mapping uses a column",
        _in(INGESTION, """|--[^\\n]*|/\\*.*?\\*/|\\bAS""", "|\\bAS"),
        "test_ingest.py::test_a_column_is_mapped_where_the_view_reads_it",
    ),
    _mistake(
        "only a key called EmployeeId is a person's",
        _in("provisioning/tables.py", "keyed[0] if keyed else next(iter(read), None)", "keyed[0] if keyed else None"),
        "test_onboarding.py::test_whoever_is_missing_is_disabled_whatever_the_key_of_people_is_called",
    ),
    _mistake(
        "a field's name is a statement",
        _in(
            "provisioning/inference.py",
            "    plain = _PLAIN_NAME.fullmatch(name) and name.isprintable()",
            "    plain = True",
        ),
        "test_inference.py::test_a_field_of_a_hostile_name_is_no_column_and_no_statement",
    ),
    _mistake(
        "a column is as long as what was seen",
        _in("provisioning/inference.py", "if n >= 2 * max(longest, 1)", "if n >= max(longest, 1)"),
        "test_inference.py::test_a_type_holds_what_was_seen_with_room_above_it",
    ),
    _mistake(
        "a script that is there is written over",
        _in("provisioning/onboarding.py", 'path.open("x", ', 'path.open("w", '),
        "test_onboarding.py::test_a_file_that_came_to_be_there_meanwhile_is_not_overwritten_and_nothing_is_left_behind",
    ),
    _mistake(
        "private mail is work's",
        _in(
            "provisioning/recognition.py",
            "if attribute.contact and set(words) & _PRIVATE",
            "if False and set(words) & _PRIVATE",
        ),
        "test_recognition.py::test_what_is_private_or_about_others_is_never_mapped",
    ),
    _mistake(
        "whoever is called manager is one",
        _in("provisioning/recognition.py", "bool(field.words) and known * 2 > len(field.words)", "bool(field.words)"),
        "test_recognition.py::test_a_manager_is_the_field_that_holds_keys_of_these_people",
    ),
    _mistake(
        "a status nobody knows is active",
        _in(
            "provisioning/recognition.py",
            '{_case(INACTIVE_WORDS, 0)}    END"',
            '{_case(INACTIVE_WORDS, 0)}    ELSE 1 END"',
        ),
        "test_recognition.py::test_nobody_is_active_or_inactive_by_a_word_that_nobody_knows",
    ),
)

HR_SOURCE = (
    _mistake(
        "HR_SOURCE: everything is never fetched again",
        _in(INGESTION, "or now - last.completed_at >= resource.since.full_every", ""),
        "test_since.py::test_everything_is_fetched_again_within_a_day_and_who_is_gone_is_seen_then",
    ),
    _mistake(
        "HR_SOURCE: changes are asked for from the end of the last fetch on",
        _in(
            INGESTION,
            "return last.completed_at - timedelta(seconds=RUN_SECONDS) - CLOCKS_APART",
            "return last.completed_at",
        ),
        "test_since.py::test_after_a_full_fetch_only_changes_are_asked_for",
    ),
    _mistake(
        "HR_SOURCE: a field that no changed record has empties its column",
        _in(INGESTION, "    if partial:\n        keys", "    if False:\n        keys"),
        "test_since.py::test_a_field_that_no_changed_record_has_keeps_its_column",
    ),
    _mistake(
        "HR_SOURCE: who comes back among the changes stays absent",
        _in("provisioning/tables.py", "if mirror.canonical_key(key) in fetch.seen}", "if False}"),
        "test_since.py::test_who_comes_back_is_no_longer_absent_though_only_changes_are_fetched",
    ),
    _mistake(
        "HR_SOURCE: a date that may mean two days is guessed",
        _in("provisioning/spelling.py", "if len(found) > 1:", "if False:"),
        "test_spelling.py::test_a_date_that_may_mean_two_days_or_none_rejects_the_record",
    ),
    _mistake(
        "HR_SOURCE: a resync knows nothing of how HR spells",
        _in(JOBS, "Fetch(table, mirrored, resource.spelling)", "Fetch(table, mirrored)"),
        "test_spelling.py::test_a_resync_gives_the_same_row_as_an_ingest",
    ),
    _mistake(
        "HR_SOURCE: a token is used to its last second",
        _in("provisioning/credentials.py", "life - min(RENEW_BEFORE, life / 2)", "life"),
        "test_credentials.py::test_a_token_is_renewed_shortly_before_its_end",
    ),
    _mistake(
        "HR_SOURCE: a token that was taken back is asked with until the run ends",
        _in(HR, "and not renewed and self._credentials.refused()", "and not renewed and False"),
        "test_credentials.py::test_a_token_that_was_taken_back_is_renewed_once",
    ),
    _mistake(
        "HR_SOURCE: a literal secret will do",
        _in("provisioning/source.py", "            if secret:\n", "            if False:\n"),
        "test_source.py::test_a_mistake_is_told_by_its_place_and_what_is_allowed",
    ),
    _mistake(
        "HR_SOURCE: another way of signing in is mixed with a preset's",
        _in("provisioning/presets.py", "if name in _TYPED and", "if False and"),
        "test_presets.py::test_another_type_of_auth_or_paginator_takes_the_place_of_the_whole",
    ),
    _mistake(
        "HR_SOURCE: what is laid over a preset's people makes them twice",
        _in("provisioning/presets.py", "if other is not namesake]", "if True]"),
        "test_presets.py::test_objects_are_merged_and_everything_else_takes_the_place_of_the_presets",
    ),
    _mistake(
        "a preset: the end of an earlier employment ends this one",
        _in("sql/presets/mapping-bamboohr.sql", "e.TerminatedDate >= e.HiredDate", "e.TerminatedDate IS NOT NULL", 2),
        "test_presets.py::test_who_is_active_and_from_when_to_when",
    ),
    _mistake(
        "a preset: a status that nobody knows is active",
        _in("sql/presets/mapping-bamboohr.sql", "WHEN 'inactive' THEN 0 END", "WHEN 'inactive' THEN 0 ELSE 1 END"),
        "test_presets.py::test_who_is_active_and_from_when_to_when",
    ),
    _mistake(
        "HR_SOURCE: more that HR announces and does not give is left out",
        _in("provisioning/paginators.py", "if more is None:\n", "if True:\n"),
        "test_paginators.py::test_pages_that_do_not_add_up_fail",
    ),
    _mistake(
        "HR_SOURCE: a rate is for decoration",
        _in(HR, "self._clock.sleep(wait)", "pass"),
        "test_hr.py::test_no_more_requests_a_second_than_were_allowed",
    ),
)

SETUP, CHANGES = "provisioning/app_setup.py", "provisioning/schema_changes.py"

APP_SETUP = (
    _mistake(
        "APP: what was never shown is written",
        _in(SETUP, "if confirm is not None and confirm != plan:", "if False:"),
        "test_app_setup.py::test_what_has_changed_since_it_was_shown_is_not_written",
        "test_app_setup.py::test_what_was_shown_is_not_done_with_other_words",
    ),
    _mistake(
        "APP: that Graph took it is proof enough",
        _in(SETUP, "            _prove(wanted, admin)\n", ""),
        "test_app_setup.py::test_a_schema_that_graph_took_and_did_not_keep_is_a_failure",
    ),
    _mistake(
        "APP: people are matched anew though the job has run",
        _in(SETUP, "if match and (job.ran or sent):", "if False:"),
        "test_app_setup.py::test_whom_people_are_matched_by_is_changed_only_before_anybody_was_processed",
    ),
    _mistake(
        "APP: a job at work is started once more",
        _in(SETUP, "nothing=not job.stands", "nothing=False"),
        "test_app_setup.py::test_a_job_that_is_at_work_is_not_started_again",
    ),
    _mistake(
        "APP: a quarantine for too many deletes is lifted by a command",
        _in(SETUP, "if job.reason == TOO_MANY_DELETES:", "if False:"),
        "test_app_setup.py::test_a_quarantine_for_too_many_deletes_is_lifted_only_by_somebody_who_looks",
    ),
    _mistake(
        "APP: masked secrets are written back",
        _in("provisioning/notices.py", "    if masked:\n", "    if False:\n"),
        "test_app_setup.py::test_secrets_that_may_be_masked_are_never_written_back",
    ),
    _mistake(
        "APP: a date is mapped to what something else writes",
        _in(CHANGES, "target.casefold() in where.targets and target.casefold() not in taken", "bool(target)"),
        "test_app_setup.py::test_where_something_else_writes_the_date_already_nothing_is_mapped_to_it",
    ),
    _mistake(
        "APP: its set-up is written under any identity that is at hand",
        _in("provisioning/graph_admin.py", "tokens or (lambda: azure_cli_tokens(endpoint.host))", "tokens"),
        "test_app_setup.py::test_it_asks_nobody_who_the_app_is",
    ),
)

INFRASTRUCTURE = (
    _mistake(
        "infrastructure: the host's storage takes keys",
        _in("infra/modules/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
        "test_infra.py::test_what_must_hold_for_the_infrastructure_does",
    ),
    _mistake(
        "infrastructure: a guard is not handed to the app",
        _in("infra/main.bicep", "      MAX_DISABLES: maxDisables\n", ""),
        "test_infra.py::test_what_must_hold_for_the_infrastructure_does",
    ),
    _mistake(
        "infrastructure: the firewall stays open after a migration",
        _in("infra/scripts/firewall.sh", "    trap close_firewall EXIT\n", ""),
        "test_infra_scripts.py::test_the_firewall_is_open_for_as_long_as_the_script_runs_and_no_longer",
    ),
    _mistake(
        "infrastructure: the hook stumbles over a password that is in the vault only",
        _in("infra/scripts/migrate.sh", "unset AZURE_CLIENT_ID HR_SOURCE\n", "unset AZURE_CLIENT_ID\n"),
        "test_infra_scripts.py::test_the_hook_migrates_with_what_azd_hands_over_though_hrs_password_is_in_the_vault_only",
    ),
    _mistake(
        "infrastructure: the app may delete what it sent",
        _in(
            "sql/grants.sql",
            "GRANT SELECT, INSERT, UPDATE ON provisioning.ledger TO provisioning_app;",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON provisioning.ledger TO provisioning_app;",
        ),
        "test_least_privilege.py::test_every_statement_has_its_grant_and_every_grant_its_statement",
    ),
    _mistake(
        "infrastructure: another call of Graph is made with a role that is not for it",
        _in(GRAPH, "self._get(self._endpoint.job_url, JOB_ROLE)", "self._get(self._endpoint.job_url, LOGS_ROLE)"),
        "test_least_privilege.py::test_each_call_of_the_app_is_made_with_the_role_that_microsoft_names",
    ),
    _mistake(
        "HR_SOURCE: a secret that Azure could not read goes to HR as a password",
        _in("provisioning/source.py", "elif found.startswith(_UNRESOLVED):", "elif False:"),
        "test_source.py::test_a_secret_is_the_name_of_an_hr_setting",
    ),
)

PIPELINE = (
    _mistake(
        "Dependencies: pip takes what has another hash",
        _in("Makefile", " --require-hashes\n", "\n"),
        "test_lock.py::test_make_installs_by_hash_only",
    ),
    _mistake(
        "Local start: a worker outlives Ctrl-C",
        _in("tests/start.py", "            _signal(process, signal.SIGKILL)", "            process.kill()"),
        "test_start.py::test_who_does_not_end_by_itself_is_killed_with_its_workers",
    ),
    _mistake(
        "Smoke test: everybody on the machine sees the key",
        _in(".ci/smoke", '"${ask[@]}" "$url"', '"${ask[@]}" -H "x-functions-key: $key" "$url"'),
        "test_workflows.py::test_the_smoke_test_asks_for_the_status_with_a_key_that_nobody_sees",
    ),
    _mistake(
        "Deployment: what CI found does not matter",
        _in(".github/workflows/deploy.yml", "    needs: ci\n", ""),
        "test_workflows.py::test_a_deployment_migrates_as_the_deployer_then_deploys_then_looks",
    ),
)

FILES = (
    _mistake(
        "a file that changes while it is copied is believed",
        _in(SHARE, "if len(seen) != 1 or copied != found.size:", "if False:"),
        "test_share.py::test_a_file_that_changes_while_it_is_read_is_not_believed",
    ),
    _mistake(
        "a file that was just written is read",
        _in(EXPORTS, "if resource.done_file or age >= SETTLED:", "if True:"),
        "test_exports.py::test_a_file_that_is_still_being_written_is_waited_for_and_never_read_half",
    ),
    _mistake(
        "yesterday's done_file is good for today's file",
        _in(SHARE, "done is not None and done.written_ns >= found.written_ns", "done is not None"),
        "test_share.py::test_yesterdays_done_file_says_nothing_of_todays_file",
    ),
    _mistake(
        "a file that ends in the middle of a line is whole",
        _in(DELIMITED, "if self._dialect.final_newline and not", "if False and not"),
        "test_delimited.py::test_a_file_that_was_cut_anywhere_but_at_a_lines_end_is_refused",
    ),
    _mistake(
        "a path may lead out of the share",
        _in(SHARE, 'part in ("", ".", "..")', 'part in ("", ".")'),
        "test_share.py::test_no_path_leads_out_of_the_folder",
        "test_source.py::test_a_mistake_is_told_by_its_place_and_what_is_allowed",
    ),
    _mistake(
        "a link leads out of the share",
        _in(SHARE, "    return path.is_symlink() or bool(junction and junction(path))", "    return False"),
        "test_share.py::test_a_link_is_not_followed_wherever_it_leads",
    ),
    _mistake(
        "a row that lacks a field is read as far as it goes",
        (
            Edit(DELIMITED, "if len(row) != len(names):", "if False:"),
            Edit(DELIMITED, "zip(names, row, strict=True)", "zip(names, row, strict=False)"),
        ),
        "test_delimited.py::test_what_does_not_fit_is_told_by_its_line_and_nothing_of_it_is_repeated",
    ),
    _mistake(
        "an export that nobody renews is an hour without changes",
        _in(EXPORTS, "if now - written > resource.max_age:", "if False:"),
        "test_exports.py::test_a_file_older_than_it_may_be_fails_the_endpoint",
    ),
)

NAMES = (
    _mistake(
        "somebody new goes under her bare EmployeeId",
        _in(PLAN, "if rules.why_unnamed and not person.known and", "if False and not person.known and"),
        "test_naming.py::test_who_can_get_no_name_is_parked_and_never_goes_under_her_employee_id",
    ),
    _mistake(
        "a plan gives the names that it shows",
        _in("provisioning/naming.py", "        raise _Undone\n\n\n", "\n\n"),
        "test_first_load.py::test_people_are_foreseen_under_the_user_names_that_a_run_would_give_them",
        "test_naming.py::test_a_plan_shows_the_names_that_would_be_given_and_gives_none",
    ),
    _mistake(
        "names are compared with their case",
        _in(
            "provisioning/user_names.py",
            'user_name.rpartition("@")[0].casefold() or user_name.casefold()',
            'user_name.rpartition("@")[0] or user_name',
        ),
        "test_user_names.py::test_a_name_is_compared_without_case_and_its_domain",
    ),
    _mistake(
        "under which name somebody is sent without the table is free",
        _in("provisioning/naming.py", "in work.book.shown_user_names(work.mapping):", "in ():"),
        "test_naming.py::test_a_name_that_somebody_was_sent_under_without_the_table_is_taken",
    ),
    _mistake(
        "a name is free as soon as its holder has another",
        _in(f"{QUERIES}/taken_user_names.sql", "AS u\nUNION", "AS u WHERE u.ReleasedAt IS NULL\nUNION"),
        "test_naming.py::test_asked_for_she_gets_another_name_and_keeps_the_old_one_as_an_alias",
        "test_naming.py::test_of_who_is_forgotten_hashes_stay_and_nobody_gets_her_name",
    ),
    _mistake(
        "an alias is free while its holder has a name",
        _in(
            f"{QUERIES}/drop_user_names.sql",
            "AND EmployeeId NOT IN (SELECT u.HeldBy FROM dbo.UserNames AS u)",
            "AND EmployeeId IS NOT NULL",
        ),
        "test_naming.py::test_an_alias_is_nobody_elses_as_long_as_its_holder_has_a_name",
    ),
    _mistake(
        "a leaver's years go on counting when she is back",
        _in("provisioning/name_book.py", '    db.run("keep_user_names")\n', ""),
        "test_naming.py::test_a_leavers_name_stays_hers_and_she_comes_back_under_it",
    ),
    _mistake(
        "whoever comes second fails instead of taking the next name",
        _in(
            f"{QUERIES}/sqlite/give_user_names.sql",
            "NOT EXISTS (SELECT 1 FROM dbo.UserNames AS n WHERE n.NameKey = json_extract(j.value, '$.name_key'))",
            "1 = 1",
        ),
        "test_naming.py::test_a_name_that_another_run_gives_at_the_same_moment_is_given_once",
    ),
    _mistake(
        "of who is forgotten her names stay",
        _in("provisioning/erasure.py", "                name_book.hide(db, name)\n", ""),
        "test_naming.py::test_of_who_is_forgotten_hashes_stay_and_nobody_gets_her_name",
    ),
    _mistake(
        "a list that contradicts itself is taken over",
        _in(
            "provisioning/existing_names.py",
            "_malformed(one) or conflicts.get(each) or books.against(one)",
            "_malformed(one) or books.against(one)",
        ),
        "test_existing_names.py::test_lines_that_contradict_each_other_are_both_left_out",
    ),
)

COMPARED = (
    _mistake(
        "the token goes wherever a next link leads",
        _in(GRAPH, "None if link is None else self.same_origin(str(link))", "None if link is None else str(link)"),
        "test_directory.py::test_a_link_to_another_address_gets_no_token",
    ),
    _mistake(
        "a directory of which Graph forgot the rest is taken for the whole",
        _in(DIRECTORY, 'logger.info("The directory is read anew: %s", exc)', "return found if exc else found"),
        "test_directory.py::test_a_page_that_is_asked_for_too_late_begins_the_reading_anew",
    ),
    _mistake(
        "what changes while the directory is read is not seen",
        _in(DIRECTORY, "                if link:\n", "                if False:\n"),
        "test_directory.py::test_what_changes_behind_the_page_at_hand_is_caught_up_with",
    ),
    _mistake(
        "a leave date that may not be read is compared as nothing",
        _in(DIRECTORY, "if not self._may_read_leave_dates():", "if False:"),
        "test_directory.py::test_a_token_that_has_no_such_permission_does_not_ask_for_leave_dates",
    ),
    _mistake(
        "of the leavers only those whom HR ended are looked for",
        _in(COMPARISON, "Standing.BY_HAND: Heading.LEFT,", "Standing.BY_HAND: Heading.OUT_OF_SCOPE,"),
        "test_comparing.py::test_who_is_disabled_by_hand_and_enabled_there_is_among_the_leavers",
    ),
    _mistake(
        "a leaver whose key is gone over there is not looked for",
        _in(
            COMPARISON,
            "    return not_active(one, like.account, like.by[0], like.told)",
            "    return not_active(one, None, None)",
        ),
        "test_comparing.py::test_each_kind_of_difference_planted_200_times_among_20000_is_found_under_its_heading_and"
        "_nothing_else_is",
    ),
    _mistake(
        "a rule for service accounts hides who has left",
        _in(
            COMPARISON,
            "elif key and (gone := self.gone.get(same_key(key))):",
            "elif key and self._rule(account) is None and (gone := self.gone.get(same_key(key))):",
        ),
        "test_comparison.py::test_who_was_sent_before_and_is_gone_from_the_view_has_left",
    ),
    _mistake(
        "an ended employment makes an account in use a leaver's",
        _in(
            COMPARISON,
            "finding.heading is Heading.LEFT_ENABLED and finding.account and",
            "False and finding.account and",
        ),
        "test_comparison.py::test_an_ended_row_of_who_is_active_under_another_with_the_same_key_is_no_leavers",
    ),
    _mistake(
        "an account is told as two people's",
        _in(COMPARISON, "                self.take(best.account, one.employee_id)\n", "                pass\n"),
        "test_comparison.py::test_an_account_is_one_persons_and_who_is_active_comes_first",
    ),
    _mistake(
        "nulls that Entra lets be count as edited by hand",
        _in("provisioning/flows.py", "return there is None or not self.clears", "return there is None"),
        "test_comparing.py::test_what_entra_does_not_clear_is_no_hand_edit_either",
    ),
    _mistake(
        "a report that everybody on the machine may read",
        _in("provisioning/comparing.py", "0o600", "0o644", times=2),
        "test_comparing.py::test_report_and_csv_are_for_their_owner_only_and_hold_everybody",
    ),
    _mistake(
        "a cell of the CSV may be a formula",
        _in(COMPARISON, """if text.startswith(("=", "+", "-", "@", "\\t", "\\r")) else text""", "if False else text"),
        "test_comparison.py::test_no_cell_of_the_csv_is_a_formula",
    ),
    _mistake(
        "a first load is foreseen as if nobody's name were taken",
        _in(
            "provisioning/first_load.py",
            'if named := meeting.named(one.user_name or ""):',
            'if named := meeting.named(""):',
        ),
        "test_first_load.py::test_what_is_foreseen_for_2000_people_is_what_then_happens_to_each_of_them",
    ),
    _mistake(
        "the timer compares although nobody switched it on",
        _in("function_app.py", "if os.environ.get(COMPARE):", "if True:"),
        "test_functions.py::test_the_directory_is_compared_by_a_timer_only_where_its_schedule_is_set",
    ),
)

MISTAKES = (
    *COMPARED,
    *NAMES,
    *FILES,
    *APP_SETUP,
    *INFRASTRUCTURE,
    *HR_SOURCE,
    *PIPELINE,
    *BY_HAND,
    *SELECTION,
    *LEDGER_MISTAKES,
    *GUARD_MISTAKES,
    *PAYLOAD,
    *SENDING,
    *INGEST,
    *OUTCOMES,
    *TOLD,
    *NEW_HR,
)
