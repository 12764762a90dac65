"""Who is met with which account, and what is said of whom: decided from what is handed in."""

from dataclasses import replace
from typing import Any

import pytest

from provisioning import comparison, first_load, flows
from provisioning.accounts import Accounts
from provisioning.comparison import Expected, Finding, Heading, Meeting
from provisioning.flows import Flows
from provisioning.people import Standing

TITLE = flows.Flow("title", "jobTitle", clears=True)
NAME = flows.Flow("userName", "userPrincipalName", before_at=True)
KNOWN = Flows((TITLE, NAME), (), (("externalId", "employeeId"),))


def directory(*users: dict[str, Any]) -> Accounts:
    found = Accounts.of(KNOWN.properties)
    found.take({"id": f"o{n}", "accountEnabled": True, **user} for n, user in enumerate(users))
    return found


def account(name: str, key: str | None = None, **more: Any) -> dict[str, Any]:
    return {"userPrincipalName": f"{name}@contoso.example", "employeeId": key, **more}


def somebody(key: str, name: str = "", mail: str | None = None, **more: Any) -> Expected:
    return Expected(key, more.pop("standing", Standing.ACTIVE), (key,), name or key, mail, **more)


def compare(meeting: Meeting, *people: Expected) -> dict[str | None, Finding]:
    """EmployeeId → what was found; of accounts that are nobody's, their object id."""
    found = comparison.compare(meeting, people)
    return {f.employee_id or (f.account.object_id if f.account else None): f for f in found}


@pytest.mark.parametrize(
    ("user", "by"),
    [
        (account("x", "e-1"), "employeeId"),
        (account("x", " E001 "), "employeeId"),
        (account("x", "E0001"), "employeeId"),
        (account("x", onPremisesExtensionAttributes={"extensionAttribute4": "e01"}), "extensionAttribute4"),
        (account("x", onPremisesSamAccountName="E01"), "onPremisesSamAccountName"),
        (account("anna", "OLD"), "userPrincipalName"),
        (account("x", "OLD", mail="ANNA.B@contoso.example"), "mail"),
        (account("anna.b"), "userPrincipalName"),  # her mail is its user name
        (account("x", mailNickname="anna.b"), "mailNickname"),
        (account("x", mailNickname="ANNA"), "mailNickname"),
    ],
)
def test_by_whatever_an_account_may_be_hers_it_is_found(user: dict[str, Any], by: str) -> None:
    anna = somebody("E01", "anna", "anna.b@contoso.example")
    found = compare(Meeting(directory(user), KNOWN), anna)["E01"]
    assert (found.heading, found.by) == (Heading.OTHER_KEY, by)
    assert by in found.remarks[0]


@pytest.mark.parametrize("user", [account("x", "E10"), account("x", "F01"), account("anna.c"), account("x", "1")])
def test_who_only_looks_a_little_like_her_is_not_hers(user: dict[str, Any]) -> None:
    anna = somebody("E01", "anna", "anna.b@contoso.example")
    found = compare(Meeting(directory(user), KNOWN), anna)
    assert (found["E01"].heading, found["o0"].heading) == (Heading.MISSING, Heading.WITHOUT_HR)


def test_a_key_is_compared_without_case_and_blanks_behind_it_as_everywhere() -> None:
    assert compare(Meeting(directory(account("E01", "e01 ")), KNOWN), somebody("E01"))["E01"].heading is Heading.ENABLED


def test_of_several_accounts_that_may_be_hers_the_one_with_most_of_hers_is() -> None:
    users = directory(account("x", mail="a@contoso.example"), account("anna", mail="a@contoso.example"), account("y"))
    found = compare(Meeting(users, KNOWN), somebody("E1", "anna", "a@contoso.example"))
    assert found["E1"].account is users.by_id["o1"]
    assert found["o0"].heading is Heading.WITHOUT_HR


def test_an_account_is_one_persons_and_who_is_active_comes_first() -> None:
    users = directory(account("shared"))
    left = somebody("E1", "shared", standing=Standing.LEFT)
    found = compare(Meeting(users, KNOWN), left, somebody("E2", "shared"), somebody("E3", "shared"))
    assert (found["E1"].heading, found["E2"].heading) == (Heading.LEFT, Heading.OTHER_KEY)
    assert found["E3"].heading is Heading.MISSING
    assert found["E3"].remarks == ("her user name is that of E2's account",)


def test_a_leaver_is_not_told_by_a_nickname_alone() -> None:
    left = somebody("E1", "anna", standing=Standing.LEFT)
    found = compare(Meeting(directory(account("x", mailNickname="anna")), KNOWN), left)
    assert (found["E1"].heading, found["o0"].heading) == (Heading.LEFT, Heading.WITHOUT_HR)


def test_an_ended_row_of_who_is_active_under_another_with_the_same_key_is_no_leavers() -> None:
    """As where externalId is the person's and EmployeeId that of each of her employments."""
    people = [somebody("ENDED", standing=Standing.LEFT), somebody("NOW")]
    people = [replace(one, keys=("P7",)) for one in people]
    for order in (people, people[::-1]):
        meeting = Meeting(directory(account("x", "P7")), KNOWN)
        found = compare(meeting, *order)
        assert (found["ENDED"].heading, found["NOW"].heading) == (Heading.LEFT, Heading.ENABLED)
        assert list(meeting.taken.values()) == ["NOW"]
        foreseen = first_load.foresee(Meeting(directory(account("x", "P7")), KNOWN), order)
        assert [f.heading for f in foreseen if f.employee_id == "ENDED"] == [Heading.LEFT]
    later = [replace(one, standing=Standing.LATER) if one.employee_id == "NOW" else one for one in people]
    assert compare(Meeting(directory(account("x", "P7")), KNOWN), *later)["ENDED"].heading is Heading.LEFT_ENABLED


def test_of_a_leaver_every_enabled_account_with_her_key_is_told() -> None:
    users = (account("x", "E1"), account("y", "e1"), account("z", "E1", accountEnabled=False))
    one = compare(Meeting(directory(*users), KNOWN), somebody("E1", standing=Standing.LEFT))["E1"]
    assert one.heading is Heading.LEFT_ENABLED
    assert one.remarks == ("enabled with her key as well: y@contoso.example",)


def test_who_was_sent_before_and_is_gone_from_the_view_has_left() -> None:
    """Also where a rule says of accounts like hers that they need no HR."""
    users = directory(account("x", "K9"), account("y", "K8"))
    found = compare(Meeting(users, KNOWN, gone={"k9": "E9"}, ignored=[{"userPrincipalName": "x@*"}]))
    assert (found["E9"].heading, found["o1"].heading) == (Heading.LEFT_ENABLED, Heading.WITHOUT_HR)


def test_a_rule_fits_by_all_its_patterns_without_regard_to_case_and_what_is_not_set_fits_none() -> None:
    users = [account("SVC-1", department="IT"), account("svc-2", department="HR"), account("svc-3")]
    rules = [{"userPrincipalName": "svc-*", "department": "it"}]
    found = Accounts.of((*KNOWN.properties, "department"))
    found.take({"id": f"o{n}", "accountEnabled": True, **user} for n, user in enumerate(users))
    meeting = Meeting(found, KNOWN, ignored=rules)
    assert compare(meeting).keys() == {"o1", "o2"}
    assert meeting.left_out == {0: 1}


def test_a_bracket_in_a_pattern_is_a_bracket() -> None:
    """Else [Robot]* would hide everybody whose name begins with one of these letters."""
    users = directory(account("x", displayName="[Robot] 7"), account("y", displayName="Bert Roth"))
    assert compare(Meeting(users, KNOWN, ignored=[{"displayName": "[robot]*"}])).keys() == {"o1"}


def test_a_guest_with_somebodys_key_is_hers_rule_or_not() -> None:
    """Entra finds by key, whatever kind of user it is."""
    meeting = Meeting(directory(account("E1", "E1", userType="Guest")), KNOWN, ignored=[{"userType": "Guest"}])
    assert compare(meeting, somebody("E1"))["E1"].heading is Heading.ENABLED


def test_an_account_from_on_premises_is_marked_since_entra_cannot_change_it() -> None:
    users = directory(account("E1", "E1", onPremisesSyncEnabled=True, jobTitle="Cook"))
    found = compare(Meeting(users, KNOWN), somebody("E1", sent={"title": "Chef"}))
    assert found["E1"].remarks == (comparison.SYNCED_REMARK,)


def test_what_was_not_sent_at_all_is_not_compared() -> None:
    users = directory(account("E1", "E1", jobTitle="Cook"))
    assert compare(Meeting(users, KNOWN), somebody("E1", sent={"userName": "E1"}))["E1"].heading is Heading.ENABLED
    assert compare(Meeting(users, KNOWN), somebody("E1", sent=None))["E1"].heading is Heading.ENABLED


def test_a_disabled_account_is_that_first_and_tells_its_differences_too() -> None:
    users = directory(account("E1", "E1", accountEnabled=False, jobTitle="Cook"))
    found = compare(Meeting(users, KNOWN), somebody("E1", sent={"title": "Chef"}))["E1"]
    assert (found.heading, [d.property for d in found.differences]) == (Heading.DISABLED, ["jobTitle"])


def test_everybody_is_under_exactly_one_heading() -> None:
    users = directory(*(account(f"u{n}", f"E{n}") for n in range(5)), account("nobody"))
    people = [somebody(f"E{n}", standing=standing) for n, standing in enumerate(Standing)]
    found = comparison.compare(Meeting(users, KNOWN), people)
    assert sorted(f.employee_id or "-" for f in found) == ["-", *(f"E{n}" for n in range(len(Standing)))]


# --- a first load -------------------------------------------------------------------------------------------------


def foresee(users: Accounts, *people: Expected) -> dict[str | None, Finding]:
    found = first_load.foresee(Meeting(users, KNOWN), people)
    return {f.employee_id or (f.account.object_id if f.account else None): f for f in found}


def going(key: str, name: str = "", **more: Any) -> Expected:
    return somebody(key, name, goes=more.pop("goes", True), sent={"userName": name or key, "title": "Cook"}, **more)


def test_a_user_name_that_another_has_is_refused_also_to_who_is_found() -> None:
    users = directory(account("old", "E1"), account("new", "E2"), account("room"))
    found = foresee(users, going("E1", "new"), going("E2", "new2"), going("E3", "room"))
    assert {key: f.heading for key, f in found.items()} == {
        "E1": Heading.CLASH,
        "E2": Heading.MATCHED,
        "E3": Heading.CLASH,
    }
    assert "is found, and would be renamed" in found["E1"].remarks[0]


def test_who_is_switched_on_or_off_is_told() -> None:
    users = directory(account("E1", "E1", accountEnabled=False), account("E2", "E2"), account("E3", "E3"))
    found = foresee(users, going("E1"), going("E2", goes=False), going("E3"))
    assert [first_load.switched(found[key]) for key in ("E1", "E2", "E3")] == [True, False, None]


def test_nobody_who_does_not_go_is_matched_or_made() -> None:
    users = directory(account("E1", "E1"), account("E2", "E2"))
    found = foresee(users, somebody("E1", standing=Standing.LATER), somebody("E2", standing=Standing.LEFT))
    assert [found[key].heading for key in ("E1", "E2")] == [Heading.LATER, Heading.LEFT_ENABLED]


# --- as it is told ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_of_the_csv_is_a_formula(text: str) -> None:
    users = directory(account("x", displayName=text))
    (finding,) = comparison.compare(Meeting(users, KNOWN), [])
    (row,) = comparison.rows(comparison.told(finding, users))
    assert dict(zip(comparison.COLUMNS, row, strict=True))["display_name"] == f"'{text}"
