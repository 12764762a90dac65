"""The look-out itself: it sees what it must, wherever it is."""

import logging
import sys
from datetime import date

import pytest

from provisioning.errors import UpstreamError
from tests import canary as canaries
from tests.canary import MARKER, Canary
from tests.emulators import people

logger = logging.getLogger(__name__)


def test_every_personal_text_of_a_marked_person_carries_the_marker() -> None:
    for person in canaries.marked(people.invent(30, today=date(2026, 11, 22))):
        for text in (*person["Name"].values(), person["Email"], person["NickName"], person["Title"]):
            assert canaries.is_in(text)
        assert canaries.is_in(person["BirthDate"])
        assert not canaries.is_in(person["EmployeeId"])


def test_a_name_in_a_log_record_is_seen(canary: Canary) -> None:
    logger.debug("sent %s", f"{MARKER} de Vries")
    assert canary.seen
    canary.seen.clear()


def fail_because_of(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as exc:
        raise UpstreamError("no") from exc


def test_a_name_in_the_cause_of_an_error_is_seen(canary: Canary) -> None:
    with pytest.raises(UpstreamError):
        fail_because_of(MARKER)
    canary.look_at_errors()
    assert canary.seen
    canary.seen.clear()
    canary.errors.clear()


def test_a_name_on_stderr_is_seen(canary: Canary, capfd: pytest.CaptureFixture[str]) -> None:
    print(MARKER, file=sys.stderr)
    canary.look_at(capfd.readouterr().err, "stderr")
    assert canary.seen
    canary.seen.clear()


def test_what_is_not_personal_is_let_by(canary: Canary) -> None:
    logger.info("42 people of O01 were sent.")
    assert canary.records == 1
