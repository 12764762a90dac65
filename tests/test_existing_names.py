"""Names that exist: which lines of a list are taken over, and which stand against others."""

import pytest

from provisioning.existing_names import Existing, Known, TakenOver, read, take_over

HERS = Known("E1", "Ada.Byron@contoso.com", "ada.byron", is_hers=True, is_released=False)
FORMER = Known("E1", "ada.king@contoso.com", "ada.king", is_hers=False, is_released=True)
NOBODYS = Known(None, "printer@contoso.com", "printer", is_hers=False, is_released=False)


def said(found: TakenOver) -> list[tuple[str, str]]:
    return [(one.employee_id, why) for one, why in found.conflicts]


def test_a_list_is_read_with_the_headings_of_graph_too() -> None:
    text = '\ufeffDisplayName;EmployeeID;UserPrincipalName;MailNickname\nAda;E1;"Ada@contoso.com";ada\n;;\n;;x@y.z;\n'
    assert read(text.removeprefix("\ufeff")) == [
        Existing("Ada@contoso.com", "E1", "ada", 2),
        Existing("x@y.z", "", "", 4),
    ]


@pytest.mark.parametrize("head", ["#TYPE Selected.User\r\nEmployeeId,UserName", "EmployeeId\tUserName"])
def test_what_powershell_writes_can_be_read(head: str) -> None:
    separator = "\t" if "\t" in head else ","
    (one,) = read(f'{head}\r\n"E1"{separator}"ada"\r\n')
    assert (one.employee_id, one.user_name) == ("E1", "ada")


@pytest.mark.parametrize("text", ["", "Id,UserName\n1,a\n", "EmployeeId,Mail\n1,a\n"])
def test_a_list_without_its_columns_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has no column"):
        read(text)


def test_what_nobody_has_is_taken_over_as_it_stands() -> None:
    found = take_over(
        [Existing("Ada.Byron@Contoso.com", "E1"), Existing("room 1@contoso.com".replace(" ", ""), "")], []
    )
    assert [(one.user_name, key) for one, key in found.new] == [
        ("Ada.Byron@Contoso.com", "ada.byron"),
        ("room1@contoso.com", "room1"),
    ]
    assert (found.unchanged, found.conflicts) == (0, [])


def test_a_second_time_nothing_changes() -> None:
    again = [
        Existing("ada.byron@contoso.com", "e1"),
        Existing("Printer@contoso.com"),
        Existing("ada.byron@contoso.com"),
    ]
    found = take_over(again, [HERS, NOBODYS])
    assert (found.new, found.adopted, found.unchanged, found.conflicts) == ([], [], 3, [])


def test_one_part_before_the_at_sign_in_two_domains_is_a_fact() -> None:
    found = take_over([Existing("ada@a.example", "E1"), Existing("ada@b.example", "E2"), Existing("ada@c.example")], [])
    assert [key for _, key in found.new] == ["ada", "ada@b.example"]
    assert found.unchanged == 1  # of nobody in HR, and nobody gets it already


def test_a_name_without_a_domain_is_not_taken_over_beside_one_that_differs_in_its_domain_alone() -> None:
    lines = [Existing("ada@a.example", "E1"), Existing("ada", "E2")]
    found = take_over(lines, [])
    assert [key for _, key in found.new] == ["ada"]
    assert said(found) == [("E2", "without its domain it is that of another user name")]
    assert [key for _, key in take_over(lines[::-1], []).new] == ["ada", "ada@a.example"]


def test_a_name_kept_for_nobody_turns_out_to_be_somebodys() -> None:
    found = take_over([Existing("Printer@contoso.com", "E7")], [NOBODYS])
    assert [(one.employee_id, key) for one, key in found.adopted] == [("E7", "printer")]


def test_said_of_somebody_and_of_nobody_it_is_somebodys() -> None:
    lines = [Existing("ada@contoso.com"), Existing("ada@contoso.com", "E1")]
    for found in (take_over(lines, []), take_over(lines[::-1], [])):
        assert [(one.employee_id, key) for one, key in found.new] == [("E1", "ada")]
        assert (found.unchanged, found.conflicts) == (1, [])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (Existing("other@contoso.com", "E1"), "has another user name in dbo.UserNames already"),
        (Existing("ada.king@contoso.com", "E1"), "has another user name in dbo.UserNames already"),
        (Existing("ada.byron@contoso.com", "E2"), "dbo.UserNames has this user name for E1"),
        (Existing("ada.king@contoso.com", "E2"), "dbo.UserNames has this user name for E1"),
        (Existing("", "E2"), "is no user name"),
        (Existing("a b@contoso.com", "E2"), "is no user name"),
        (Existing("a@b@contoso.com", "E2"), "is no user name"),
        (Existing("@contoso.com", "E2"), "is no user name"),
        (Existing("a@", "E2"), "is no user name"),
        (Existing(f"{'a' * 110}@b.example", "E2"), "is no user name"),
        (Existing("a@b.example", "E" * 65), "its EmployeeId is longer than 64 characters"),
    ],
)
def test_what_stands_against_a_line_is_told_by_employee_id(line: Existing, why: str) -> None:
    found = take_over([line], [HERS, FORMER])
    assert (found.new, found.adopted) == ([], [])
    ((employee_id, told),) = said(found)
    assert (employee_id, told[: len(why)]) == (line.employee_id, why)
    assert not line.user_name or line.user_name not in told


def test_lines_that_contradict_each_other_are_both_left_out() -> None:
    found = take_over(
        [
            Existing("ada@contoso.com", "E1"),
            Existing("ADA@contoso.com", "E2"),
            Existing("bo@contoso.com", "E3"),
            Existing("bob@contoso.com", "E3"),
            Existing("cy@contoso.com", "E4"),
            Existing("cy@contoso.com", "e4"),
        ],
        [],
    )
    assert [one.employee_id for one, _ in found.new] == ["E4"]
    assert found.unchanged == 1
    assert said(found) == [
        ("E1", "the list has this user name for E2, too"),
        ("E2", "the list has this user name for E1, too"),
        ("E3", "the list has more than one user name for this EmployeeId"),
        ("E3", "the list has more than one user name for this EmployeeId"),
    ]
