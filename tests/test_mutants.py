"""The planted mistakes can still be planted, and the tests that should see them exist. `make mutants` plants them."""

import pytest

from tests import mutants, reach
from tests.mutants import ROOT
from tests.planted import MISTAKES, Edit, Mistake


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_changes_texts_that_stand_in_the_source(mistake: Mistake) -> None:
    for edit in mistake.edits:
        changed = mutants.planted((ROOT / edit.path).read_text("utf-8"), edit)
        if edit.path.endswith(".py"):
            compile(changed, edit.path, "exec")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_the_tests_that_should_see_it_exist(mistake: Mistake) -> None:
    assert mistake.tests
    for test in mistake.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in reach.functions(ROOT / "tests" / file)


def test_every_mistake_has_a_name_of_its_own() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)


def test_a_text_that_does_not_stand_there_so_often_is_refused() -> None:
    edit = Edit("x.sql", "a > b", "a >= b", times=2)
    assert mutants.planted("a > b and a > b", edit) == "a >= b and a >= b"
    for text in ("a > b", "a < b", "a > b, a > b, a > b"):
        with pytest.raises(ValueError, match="not 2"):
            mutants.planted(text, edit)


@pytest.mark.parametrize(
    ("code", "told", "killer"),
    [
        (1, "..F\nFAILED tests/test_x.py::test_y[2 - 1] - assert 3 == 4\n1 failed", "test_x.py::test_y[2 - 1]"),
        (1, "E\nERROR tests/test_x.py::test_y - fixture\n", "test_x.py::test_y"),
        (0, "3 passed", None),
        (2, "ERROR tests/test_x.py - SyntaxError\n", None),
        (-1, "not done", None),
    ],
)
def test_a_mutant_is_killed_by_a_test_that_fails_not_by_one_that_cannot_begin(
    code: int, told: str, killer: str | None
) -> None:
    assert mutants.killer(code, told) == killer
