"""Patterns of user names: what they make, in which order, and what nobody gets."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.errors import SettingsError
from provisioning.settings import Settings
from provisioning.user_names import ALL_TAKEN, NO_LETTERS, NoName, Policy, Taken, Wanted, propose

PATTERNS = "{given}.{family}, {given:1}{family}, {given}.{family}{n}"


def policy(patterns: str = PATTERNS, **settings: str) -> Policy:
    more = {f"USER_NAME_{name.upper()}": value for name, value in settings.items()}
    found = Settings.from_environ({"USER_NAME_PATTERNS": patterns, **more}).user_names
    assert found
    return found


def person(given: str = "Anna", family: str = "Schmidt", employee_id: str = "E1", middle: str = "") -> Wanted:
    return Wanted(employee_id, given, family, middle)


def problems(**settings: str) -> list[str]:
    with pytest.raises(SettingsError) as wrong:
        Settings.from_environ({f"USER_NAME_{name.upper()}": value for name, value in settings.items()})
    return list(wrong.value.problems)


def names(wanted: Wanted, many: int, of: Policy, taken: Taken | None = None) -> list[str]:
    taken = taken or Taken()
    return [propose(wanted, of, taken).user_name for _ in range(many)]


def test_without_patterns_names_are_none_of_the_apps_business() -> None:
    assert Settings.from_environ({"USER_NAME_DOMAIN": "contoso.com"}).user_names is None


def test_the_first_pattern_that_gives_a_free_name_counts_and_numbers_go_on() -> None:
    assert names(person(), 5, policy()) == [
        "anna.schmidt",
        "aschmidt",
        "anna.schmidt2",
        "anna.schmidt3",
        "anna.schmidt4",
    ]


def test_a_numbered_pattern_begins_with_1_where_no_other_gives_the_name_without_a_number() -> None:
    assert names(person(), 2, policy("{given:1}{family}{n}")) == ["aschmidt1", "aschmidt2"]


def test_numbers_go_on_from_what_others_have() -> None:
    taken = Taken({"anna.schmidt", "aschmidt", *(f"anna.schmidt{n}" for n in range(2, 40))})
    assert names(person(), 1, policy(), taken) == ["anna.schmidt40"]


@pytest.mark.parametrize(
    ("patterns", "name"),
    [
        ("{given}_{family}", "anna_schmidt"),
        ("{family}-{given:2}", "schmidt-an"),
        ("x{id}", "xe1"),
        ("{given:1}.{middle:1}.{family}", "a.k.schmidt"),
        ("{given:12}{family:3}", "annasch"),
        ("{given}; {family}", "anna"),
        ("{given} {family}", "anna"),
    ],
)
def test_a_pattern_takes_what_it_names(patterns: str, name: str) -> None:
    assert propose(person(middle="Katrin"), policy(patterns), Taken()).user_name == name


def test_the_domain_goes_behind_the_nickname_is_without_it() -> None:
    given_name = propose(person(), policy(domain="@Contoso.com"), Taken())
    assert (given_name.user_name, given_name.mail_nickname) == ("anna.schmidt@contoso.com", "anna.schmidt")


@pytest.mark.parametrize(("given", "family"), [("Anna", ""), ("", "Schmidt"), ("Anna", "?!"), ("", "")])
def test_a_pattern_whose_part_is_empty_gives_none(given: str, family: str) -> None:
    with pytest.raises(NoName, match=re.escape(NO_LETTERS)):
        propose(person(given, family), policy(), Taken())
    assert propose(person(given, family), policy(f"{PATTERNS}, {{id}}"), Taken()).user_name == "e1"


def test_who_has_one_name_only_gets_a_name_where_a_pattern_says_so() -> None:
    patterns = policy(f"{PATTERNS}, {{given}}{{n}}")
    assert names(person("Sukarno", ""), 2, patterns) == ["sukarno1", "sukarno2"]


def test_without_a_number_patterns_are_soon_used_up() -> None:
    taken = Taken()
    assert names(person(), 1, policy("{given}"), taken) == ["anna"]
    with pytest.raises(NoName, match=re.escape(ALL_TAKEN)):
        propose(person(), policy("{given}"), taken)


def test_national_letters_are_an_option() -> None:
    assert names(person("Jürgen", "Groß"), 1, policy()) == ["jurgen.gross"]
    assert names(person("Jürgen", "Ørsted"), 1, policy(letters="DE, da")) == ["juergen.oersted"]


@pytest.mark.parametrize("reserved", ["admin", "Administrator", "postmaster", "ssladmin", "con", "noreply"])
def test_reserved_words_are_nobodys_name(reserved: str) -> None:
    assert names(person(reserved), 1, policy("{given}, {given}{n}")) == [f"{reserved.lower()}2"]


def test_a_company_has_reserved_words_of_its_own() -> None:
    assert names(person(), 1, policy(reserved="Anna.Schmidt ceo")) == ["aschmidt"]


def test_a_name_is_compared_without_case_and_its_domain() -> None:
    taken = Taken()
    taken.add("Anna.Schmidt@old.example", "ASchmidt")
    assert names(person(), 1, policy(domain="new.example"), taken) == ["anna.schmidt2@new.example"]


def test_a_name_of_somebody_forgotten_is_known_by_its_hash_alone() -> None:
    taken = Taken(is_hidden=lambda local: local == "anna.schmidt")
    assert names(person(), 1, policy(), taken) == ["aschmidt"]


def test_a_long_name_is_cut_to_64_characters_with_its_number() -> None:
    long = person("Anna-" * 10, "Schmidt" * 8)
    found = names(long, 12, policy("{given}.{family}, {given}.{family}{n}"))
    assert len(set(found)) == 12
    assert all(len(name) <= 64 for name in found)
    assert found[0] == "anna-anna-anna-anna-anna-anna-a.schmidtschmidtschmidtschmidtsch"
    assert found[-1].endswith("12")


def test_a_bare_employee_id_is_no_name_but_by_the_pattern_that_says_so() -> None:
    """The mapping shows the EmployeeId of whoever has no name yet."""
    assert names(person("anna", "x", "anna"), 1, policy("{given}, {given}{n}")) == ["anna2"]
    assert names(person("anna", "x", "anna"), 1, policy("{given:9}{family}, {id}")) == ["annax"]
    assert policy("{given}, {id}").may_be_the_id
    assert not policy("{given}, {id}", domain="contoso.com").may_be_the_id
    assert not policy().may_be_the_id


def test_names_that_were_hers_may_be_hers_again() -> None:
    taken = Taken({"anna.schmidt"})
    assert propose(person(), policy(), taken, frozenset({"anna.schmidt"})).user_name == "anna.schmidt"


@given(
    st.lists(
        st.tuples(st.text(max_size=20), st.text(max_size=80), st.sampled_from(["E1", "e-2", "0003", "Ä"])), max_size=30
    )
)
def test_whoever_they_are_no_two_get_one_name_and_each_name_is_allowed(people: list[tuple[str, str, str]]) -> None:
    taken, of = Taken(), policy(f"{PATTERNS}, {{given}}{{n}}, {{id}}{{n}}", domain="contoso.com", letters="de,el,uk")
    found = []
    for given_name, family, employee_id in people:
        found.append(propose(person(given_name, family, employee_id), of, taken).user_name)
    assert len({name.casefold() for name in found}) == len(found)
    assert all(re.fullmatch(r"(?=.{1,64}@)[a-z0-9]+([._-][a-z0-9]+)*@contoso\.com", name) for name in found)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("patterns", "{given}.{surname}", "takes lower-case letters"),
        ("patterns", "{Given}", "takes lower-case letters"),
        ("patterns", "{given}@contoso.com", "takes lower-case letters"),
        ("patterns", "{given:0}", "takes lower-case letters"),
        ("patterns", "sales", "has nothing of a person in it"),
        ("patterns", "user{n}", "has nothing of a person in it"),
        ("patterns", "{given}{n}{n}", "a number goes once"),
        ("patterns", "{given}{n:2}", "a number goes once"),
        ("domain", "contoso", "must be a domain"),
        ("domain", "höfe.example", "must be a domain"),
        ("domain", f"{'x' * 45}.com", "must be a domain"),
        ("letters", "de, klingon", "not klingon"),
        ("reserved", "a b@c", "'b@c' can be no user name"),
        ("keep_years", "101", "must be a whole number from 0 to 100"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_wrong(name: str, value: str, told: str) -> None:
    (found,) = problems(**{name: value})
    assert found.startswith(f"USER_NAME_{name.upper()}: ")
    assert told in found


def test_every_wrong_pattern_is_named() -> None:
    assert len(problems(patterns="{x}, {given}, Y", domain="z")) == 3
