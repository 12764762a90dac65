"""Letters of user names: any script becomes lower-case ASCII, by a country's own rules where it has some."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning import letters


@pytest.mark.parametrize(
    ("name", "languages", "plain"),
    [
        ("Müller-Lüdenscheidt", (), "muller-ludenscheidt"),
        ("Müller-Lüdenscheidt", ("de",), "mueller-luedenscheidt"),
        ("Groß", ("de",), "gross"),
        ("GROẞ", (), "gross"),
        ("Søren Ærøskøbing Ågård", (), "sorenaeroskobingagard"),
        ("Søren Ærøskøbing Ågård", ("da",), "soerenaeroeskoebingaagaard"),
        ("Bjørn", ("no",), "bjoern"),
        ("Згурський", ("uk",), "zghurskyi"),
        ("Єлизавета", ("uk",), "yelyzaveta"),
        ("Андрій", ("uk",), "andrii"),
        ("Мар’яна", ("uk",), "mariana"),
        ("Ґалаґан", ("uk",), "galagan"),
        ("Щукин", (), "shchukin"),
        ("Щерев", ("bg",), "shterev"),
        ("Мария", ("bg",), "maria"),
        ("Παπαδόπουλος", ("el",), "papadopoulos"),
        ("Ευάγγελος", ("el",), "evangelos"),
        ("Αυγουστίνος Ευθυμίου", ("el",), "avgoustinosefthymiou"),
        ("Μπάμπης", ("el",), "bampis"),
        ("Ђорђевић", ("sr",), "djordjevic"),
        ("Đorđević", ("sr",), "djordjevic"),
        ("İpek Şahin", (), "ipeksahin"),
        ("Łukasz", (), "lukasz"),
        ("Þórður", (), "thordur"),
        ("王小明", (), "wangxiaoming"),
        ("김철수", (), "gimcheolsu"),
        ("נועה", (), "nv'h".replace("'", "")),
        ("O'Brien", (), "obrien"),
        ("D’Angelo", (), "dangelo"),
        ("van der Berg", (), "vanderberg"),
        ("Anna--Maria ", (), "anna-maria"),
        ("- Ada -", (), "ada"),
        ("u\u0308", ("de",), "ue"),
        ("Ⅳ①", (), "iv1"),
        ("!?", (), ""),
        ("", (), ""),
    ],
)
def test_a_name_is_written_as_its_country_writes_it(name: str, languages: tuple[str, ...], plain: str) -> None:
    assert letters.plain(name, languages) == plain


@given(st.text(max_size=30), st.sets(st.sampled_from(sorted(letters.RULES))))
def test_whatever_a_name_is_only_letters_digits_and_inner_hyphens_are_left(text: str, languages: set[str]) -> None:
    plain = letters.plain(text, tuple(sorted(languages)))
    assert re.fullmatch(r"(?:[a-z0-9]+(?:-[a-z0-9]+)*)?", plain, re.ASCII)
    assert letters.plain(plain) == plain
