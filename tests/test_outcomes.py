"""What entries of the log mean: entries in, what came of people out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provisioning import outcomes
from provisioning.outcomes import Entry, State
from provisioning.people import same_key

T0 = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
UPN = "AzureActiveDirectoryDuplicateUserPrincipalName"


def raw(**fields: Any) -> dict[str, Any]:
    """An entry as Graph documents it."""
    return {
        "id": "e1",
        "activityDateTime": "2026-11-22T12:00:00Z",
        "jobId": "job",
        "changeId": "c1",
        "provisioningAction": "create",
        "provisioningStatusInfo": {"status": "success", "errorInformation": None},
        "sourceIdentity": {"identityType": "User", "id": "E1", "displayName": "Ada Rosenquist", "details": {}},
        "targetIdentity": {"identityType": "User", "id": "o1", "displayName": "", "details": {}},
        "modifiedProperties": [
            {"displayName": "userPrincipalName", "oldValue": None, "newValue": "ada@contoso.example"},
            {"displayName": "title", "oldValue": "Duck", "newValue": "Otter"},
        ],
        **fields,
    }


def failure(**more: Any) -> dict[str, Any]:
    error = {"errorCode": UPN, "reason": "ada@contoso.example is taken", "recommendedAction": "Make it unique"}
    return {"status": "failure", "errorInformation": {**error, **more}}


def entry(status: str = "success", minutes: float = 0, action: str = "update", **fields: Any) -> Entry:
    name = fields.pop("entry_id", f"{status}{minutes}{action}")
    return Entry(name, fields.pop("external_id", "E1"), T0 + timedelta(minutes=minutes), action, status, **fields)


def told(*entries: Entry, known: State | None = None) -> State:
    """The state of E1 after these entries, given in that order."""
    before = known or State("E1", "E1")
    return outcomes.tell({"e1": before}, entries).states.get("e1", before)


# --- what an entry says -------------------------------------------------------------------------------------------


def test_an_entry_is_understood() -> None:
    found = outcomes.understand(raw(provisioningStatusInfo=failure()))
    assert found == Entry(
        entry_id="e1",
        external_id="E1",
        activity_at=T0,
        action="create",
        status="failure",
        error_code=UPN,
        reason="ada@contoso.example is taken",
        recommended_action="Make it unique",
        modified=("userPrincipalName", "title"),
        change_id="c1",
        object_id="o1",
        user_name="ada@contoso.example",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"provisioningStatusInfo": {"status": "failure", "errorInfo": failure()["errorInformation"]}},
        {"provisioningStatusInfo": None, "statusInfo": failure()},
        {"provisioningStatusInfo": None, "statusInfo": {"status": "failure", **failure()["errorInformation"]}},
        {"provisioningAction": None, "action": "Create", "provisioningStatusInfo": failure()},
    ],
)
def test_older_names_say_the_same(fields: dict[str, Any]) -> None:
    assert outcomes.understand(raw(**fields)) == outcomes.understand(raw(provisioningStatusInfo=failure()))


def test_no_value_of_a_modified_property_is_kept_but_the_user_name() -> None:
    found = repr(outcomes.understand(raw()))
    assert "Otter" not in found
    assert "Duck" not in found
    assert "ada@contoso.example" in found


def test_the_user_name_is_also_taken_from_the_targets_details() -> None:
    target = {"id": "o1", "details": {"UserPrincipalName": "ada@contoso.example"}}
    found = outcomes.understand(raw(modifiedProperties=[], targetIdentity=target))
    assert found
    assert found.user_name == "ada@contoso.example"


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "text",
        raw(id=None),
        raw(id=7),
        raw(activityDateTime=None),
        raw(activityDateTime="yesterday"),
        raw(activityDateTime="0001-01-01T00:00:00+14:00"),
        raw(sourceIdentity=None),
        raw(sourceIdentity={"id": " "}),
    ],
)
def test_an_entry_about_nobody_that_can_be_told_is_none(broken: Any) -> None:
    assert outcomes.understand(broken) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"modifiedProperties": None},
        {"modifiedProperties": 7},
        {"modifiedProperties": ["x", {"displayName": 3}]},
        {"targetIdentity": None},
        {"provisioningStatusInfo": None},
        {"provisioningAction": "unknownFutureValue"},
        {"provisioningStatusInfo": {"status": "deferred", "errorInformation": "?"}},
        {"changeId": "\ud800" + "x" * 500},
    ],
)
def test_what_nobody_foresaw_in_an_entry_does_not_lose_it(odd: dict[str, Any]) -> None:
    found = outcomes.understand(raw(**odd))
    assert found
    assert found.external_id == "E1"
    repr(found).encode()


def test_unknown_actions_and_statuses_are_kept_as_they_are_called() -> None:
    found = outcomes.understand(raw(provisioningAction="Merge", provisioningStatusInfo={"status": "Deferred"}))
    assert found
    assert (found.action, found.status, found.outcome) == ("merge", "deferred", "deferred")


def test_times_of_seven_digits_and_of_other_zones_are_understood() -> None:
    for text in ("2026-11-22T12:00:00.0000000Z", "2026-11-22T13:00:00+01:00", "2026-11-22T12:00:00"):
        found = outcomes.understand(raw(activityDateTime=text))
        assert found
        assert found.activity_at == T0


# --- what came of somebody ----------------------------------------------------------------------------------------


def test_nothing_to_do_is_a_success_other_skips_are_none() -> None:
    assert entry("skipped", error_code="RedundantExport").outcome == "success"
    assert entry("skipped").outcome == "success"
    assert entry("skipped", error_code="NotEffectivelyEntitled").outcome == "skipped"


@pytest.mark.parametrize("entries", [("failure", "success"), ("success", "failure"), ("success", "warning")])
def test_of_several_entries_the_newest_counts_in_whatever_order_they_come(entries: tuple[str, str]) -> None:
    first, second = entry(entries[0], 1), entry(entries[1], 2)
    assert told(first, second) == told(second, first)
    assert told(first, second).outcome == entries[1]
    assert told(second, known=told(first)) == told(first, second)


def test_an_entry_that_comes_late_undoes_nothing_that_is_newer() -> None:
    newer = told(entry("success", 10, object_id="new", user_name="new@contoso.example"))
    late = told(entry("failure", 5, object_id="old", user_name="old@contoso.example"), known=newer)
    assert (late.outcome, late.outcome_at, late.answered_at) == ("success", newer.outcome_at, newer.answered_at)
    assert (late.object_id, late.user_name) == ("new", "new@contoso.example")


def test_of_two_at_one_time_the_worse_one_counts() -> None:
    assert told(entry("failure"), entry("success")).outcome == "failure"
    assert told(entry("success"), known=told(entry("failure"))).outcome == "failure"
    assert told(entry("failure"), known=told(entry("success"))).outcome == "failure"


@pytest.mark.parametrize("later", ["skipped", "deferred"])
def test_a_failure_stays_until_a_success(later: str) -> None:
    failed = told(entry("failure", 0, error_code=UPN), entry(later, 5, error_code="Whatever"))
    assert (failed.outcome, failed.error_code) == ("failure", UPN)
    assert failed.answered_at == T0 + timedelta(minutes=5)  # but the log has answered
    assert told(entry("success", 6), known=failed).outcome == "success"
    assert told(entry("warning", 6), known=failed).outcome == "warning"


def test_a_skip_that_says_nothing_does_not_undo_a_failure() -> None:
    """Out of the app's scope, say: Microsoft's log gives some skips no code."""
    failed = told(entry("failure", 0, "create", error_code=UPN), entry("skipped", 5, "other"))
    assert (failed.outcome, failed.error_code, failed.succeeded_at) == ("failure", UPN, None)
    assert failed.answered_at == T0 + timedelta(minutes=5)
    assert told(entry("success", 6, "create"), known=failed).recreated_at is None  # her first account
    assert told(entry("skipped", 6, "other", error_code="RedundantExport"), known=failed).outcome == "success"


def test_told_once_more_nothing_changes() -> None:
    entries = [entry("success", 1, "create"), entry("failure", 2), entry("skipped", 3, error_code="X")]
    once = told(*entries)
    assert told(*entries, known=once) == once


def test_the_first_success_and_the_last_creation_are_remembered() -> None:
    found = told(entry("success", 5), entry("success", 1, "create"), entry("failure", 0, "create"))
    assert found.succeeded_at == found.created_at == T0 + timedelta(minutes=1)


def test_a_creation_after_a_success_means_that_she_was_deleted_over_there() -> None:
    known = {"e1": told(entry("success", 0, "create"))}
    again = outcomes.tell(known, [entry("success", 60, "create")])
    assert again.recreated == {"success60create"}
    assert again.states["e1"].recreated_at == T0 + timedelta(minutes=60)


@pytest.mark.parametrize(
    "entries",
    [
        [entry("success", 1, "create"), entry("success", 2)],
        [entry("success", 2), entry("success", 1, "create")],  # the creation came late
        [entry("failure", 1, "create"), entry("success", 2, "create")],  # Entra tried again
        [entry("success", 1, "create"), entry("failure", 2, "create")],
    ],
)
def test_a_first_creation_is_no_alarm_in_whatever_order_it_is_told(entries: list[Entry]) -> None:
    assert told(entries[1], known=told(entries[0])).recreated_at is None
    assert told(*entries).recreated_at is None


def test_entries_about_nobody_known_are_left_out_and_one_told_twice_counts_once() -> None:
    found = outcomes.tell({"e1": State("E1", "E1")}, [entry(), entry(), entry(external_id="stranger", entry_id="s")])
    assert [(e.external_id, employee) for e, employee in found.entries] == [("E1", "E1")]


def test_people_are_found_without_regard_to_case() -> None:
    found = outcomes.tell({same_key("e1"): State("e1", "e1")}, [entry(external_id="E1 ")])
    assert found.states["e1"].outcome == "success"
