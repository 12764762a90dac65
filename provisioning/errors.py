"""One error root, one subclass for each way to react.

Messages name settings, columns, counts, run ids and EmployeeIds; never a secret, never a name or an address.
"""

from typing import Any


class ProvisioningError(Exception):
    """Something that keeps a job from being done; the message says what to do."""

    exit_code = 1
    report: Any = None
    """What the failing job had done, where it had begun (`runs.Report`)."""


class SettingsError(ProvisioningError):
    """What is set up is wrong: mend every problem listed, then run again."""

    exit_code = 2

    def __init__(self, problems: list[str]) -> None:
        """Take every problem found, so that one error names them all."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class MappingError(SettingsError):
    """The view dbo.ScimUsers cannot be turned into SCIM users: mend sql/mapping.sql."""


class WrongUsage(ProvisioningError):
    """What was asked for cannot be meant; the message says what can."""

    exit_code = 2


class MalformedId(ProvisioningError):
    """What was given cannot be an EmployeeId."""

    exit_code = 2

    def __init__(self) -> None:
        """The text given is not repeated: it may be anything."""
        super().__init__("An EmployeeId has 1 to 64 of these characters: A-Z a-z 0-9 . _ -")


class UnknownEmployee(ProvisioningError):
    """Nobody of this EmployeeId is known to the mirror, nor to HR where it could be asked."""

    def __init__(self, employee_id: str) -> None:
        """Name the person that was asked for."""
        super().__init__(f"No employee {employee_id} in dbo.ScimUsers, nor in HR where it could be asked.")


class NotSendable(ProvisioningError):
    """The person is known but cannot be sent; the reasons say why."""

    def __init__(self, employee_id: str, reasons: tuple[str, ...]) -> None:
        """Name the person and every reason."""
        self.reasons = reasons
        super().__init__(f"{employee_id} cannot be sent: {'; '.join(reasons)}")


class Held(ProvisioningError):
    """A guard holds the person until somebody approves; `reasons` say which, `hold_ids` how to name it."""

    exit_code = 3

    def __init__(self, employee_id: str, reasons: tuple[str, ...], hold_ids: tuple[str, ...]) -> None:
        """Name the person and every hold she is in."""
        self.reasons, self.hold_ids = reasons, hold_ids
        super().__init__(f"{employee_id} is held for approval: {'; '.join(reasons)}")


class UnknownHold(ProvisioningError):
    """There is no hold of this name."""

    def __init__(self) -> None:
        """The text given is not repeated: it may be anything."""
        super().__init__("There is no such hold. What waits: python -m provisioning holds")


class NotApprovable(ProvisioningError):
    """The hold is approved already, or over, or its people are no longer due as they were held."""


class ChangedMeanwhile(ProvisioningError):
    """What was to be written was made from something that has changed since: nothing was written, look again."""

    def __init__(self) -> None:
        """The class says it all."""
        super().__init__(str(self.__doc__))


class NotReady(ProvisioningError):
    """The provisioning job may not be started as it is; the message says what is missing."""


class NotForgettable(ProvisioningError):
    """The person is still in HR, or her account is not disabled; or nobody was forgotten."""


class NotRenamable(ProvisioningError):
    """The person has no user name yet, or no other one can be made for her."""


class NotAllowed(ProvisioningError):
    """Who calls may not do this, or cannot be told."""


class UpstreamError(ProvisioningError):
    """HR or Graph refused, or could not be reached."""


class Unavailable(UpstreamError):
    """HR or Graph may answer the same question later, in `retry_after` seconds where it said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Say when to ask again, where that is known."""
        self.retry_after = retry_after
        super().__init__(message)


class NotPermitted(UpstreamError):
    """Graph says that this app may not ask that: an app role must be granted, asking again does not help."""

    def __init__(self, message: str, role: str) -> None:
        """Name the app role that is missing."""
        self.role = role
        super().__init__(message)


class TransportError(UpstreamError):
    """No usable answer came. `ambiguous`: the request may have been carried out all the same."""

    def __init__(self, message: str, *, ambiguous: bool) -> None:
        """Say whether the request may have arrived."""
        self.ambiguous = ambiguous
        super().__init__(message)


class Unacceptable(TransportError):
    """What came, or where it should come from, is not taken; asked again it would be no better."""


class DatabaseError(ProvisioningError):
    """The database refused a statement or could not be reached."""

    def __init__(self, message: str, *, transient: bool = False, collided: bool = False) -> None:
        """Say whether the same statement may succeed on a new connection, or at once: its key is there by now."""
        self.transient, self.collided = transient, collided
        super().__init__(message)


class Busy(ProvisioningError):
    """Another run of this kind is at work and holds the lease."""

    exit_code = 4


class LeaseLost(ProvisioningError):
    """Another sender has taken over; what this run had in flight is sent afresh by the next one."""

    def __init__(self) -> None:
        """The class says it all."""
        super().__init__(str(self.__doc__))


class UnfinishedRun(ProvisioningError):
    """A run could not send everybody who was due; they stay due, the next run goes on."""


class AskLater(ProvisioningError):
    """It cannot be done now; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        """Say when to ask again."""
        self.retry_after = retry_after
        super().__init__(message)


class BudgetSpent(AskLater):
    """The day's Graph calls are used up, until one is free again."""


class TooOften(AskLater):
    """Resyncs were asked for too often."""
