"""Setting up the provisioning app: shown first, written only as shown, by an administrator, all else untouched."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from provisioning import __main__ as command_line
from provisioning import app_schema, app_setup, graph_admin, jobs, notices, schema_changes
from provisioning.errors import NotPermitted, UpstreamError
from provisioning.graph_admin import GraphAdmin
from provisioning.notices import Notices
from provisioning.schema_changes import Change, Link, Unfit
from provisioning.scim import Attribute, compile_mapping
from provisioning.settings import Extension, Settings
from tests.clock import MovedClock
from tests.conftest import NAMED, environment
from tests.emulators.app_schema import ENTERPRISE, HR
from tests.emulators.app_schema import AppSchema as Emulated
from tests.emulators.entra import Directory
from tests.emulators.graph import WRITE_ROLE, GraphEmulator
from tests.emulators.hr import HrEmulator

HIRE, LEAVE, CODE = f"{HR}:HireDate", f"{HR}:LeaveDate", f"{HR}:CostCode"
EXTENSION = "extension_0123456789abcdef0123456789abcdef_costCode"
JOB = "API2AAD.x"


def document(*forgotten: str) -> dict[str, Any]:
    emulated = Emulated()
    for path in forgotten:
        emulated.forget(path)
    return emulated.document(JOB)


def columns(*names: str, types: dict[str, str] | None = None) -> tuple[Attribute, ...]:
    wanted = ("EmployeeId", "externalId", "userName", "active", *names)
    extensions = {"hr": Extension(HR, types or {})}
    return compile_mapping(wanted, extensions, explicit_nulls=True).attributes


def lacking(
    text: dict[str, Any], *names: str, maps: tuple[tuple[str, str], ...] = (), match: bool = False, **types: str
) -> Change:
    return schema_changes.change(text, columns(*names, types=types), maps, match=match)


# --- what is missing ----------------------------------------------------------------------------------------------


def test_an_app_that_knows_and_maps_everything_lacks_nothing() -> None:
    assert lacking(document(), "title", "hr:HireDate@05:00", "enterprise:manager.value").empty


def test_dates_of_lifecycle_workflows_go_where_their_names_say() -> None:
    found = lacking(document(HIRE, LEAVE), "hr:HireDate@05:00", "hr:LeaveDate@22:00")
    assert found.attributes == ((HIRE, "String"), (LEAVE, "String"))
    assert found.links == (Link(HIRE, "employeeHireDate"), Link(LEAVE, "employeeLeaveDateTime"))
    assert found.unmapped == ()


def test_where_something_else_writes_the_date_already_nothing_is_mapped_to_it() -> None:
    text = document(HIRE)
    mappings_of(text).append(plain("userType", "employeeHireDate"))
    found = lacking(text, "hr:HireDate")
    assert (found.attributes, found.links, found.unmapped) == (((HIRE, "String"),), (), (HIRE,))


def test_on_premises_there_is_no_such_date_and_nothing_is_guessed() -> None:
    text = document(HIRE)
    target = text["directories"][1]["objects"][0]
    target["attributes"] = [a for a in target["attributes"] if a["name"] != "employeeHireDate"]
    assert lacking(text, "hr:HireDate").links == ()


def test_an_attribute_without_a_known_target_is_listed_and_its_mapping_left_to_whoever_knows() -> None:
    found = lacking(document(), "hr:CostCode", "profileUrl")
    assert (found.attributes, found.links) == (((CODE, "String"),), ())
    assert found.unmapped == (CODE, "profileUrl")
    assert next(line for line in found.lines() if "no target" in line).endswith(f"--map '{CODE}=TARGET' maps it")


def test_types_are_those_that_scim_extensions_declares() -> None:
    found = lacking(document(), "hr:Level", "hr:Remote", "hr:Seen", Level="integer", Remote="boolean", Seen="dateTime")
    assert [kind for _, kind in found.attributes] == ["Integer", "Boolean", "DateTime"]


@pytest.mark.parametrize("name", ["hr:CostCode", CODE])
def test_a_mapping_may_be_asked_for_by_column_or_by_path(name: str) -> None:
    found = lacking(document(), "hr:CostCode", maps=((name, "costCenter"),))
    assert (found.links, found.unmapped) == ((Link(CODE, "costCenter"),), ())


def test_a_column_with_a_time_of_day_is_named_without_it_or_with_it() -> None:
    for name in ("hr:HireDate", "hr:HireDate@05:00"):
        found = lacking(document(HIRE), "hr:HireDate@05:00", maps=((name, "extensionAttribute9"),))
        assert found.links == (Link(HIRE, "extensionAttribute9"),)


def test_a_mapping_that_is_there_already_is_nothing_to_do() -> None:
    assert lacking(document(), "title", maps=(("title", "jobTitle"),)).empty


def test_a_directory_extension_is_added_to_the_list_over_there_unless_that_is_read_only() -> None:
    text = document()
    found = lacking(text, "hr:CostCode", maps=(("hr:CostCode", EXTENSION),))
    assert (found.targets, found.links) == ((EXTENSION,), (Link(CODE, EXTENSION),))
    text["directories"][1]["readOnly"] = True
    with pytest.raises(Unfit, match="read-only; add extension_"):
        lacking(text, "hr:CostCode", maps=(("hr:CostCode", EXTENSION),))


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((("hr:Code", "costCenter"),), "--map hr:Code: dbo.ScimUsers has no column of this name."),
        ((("hr:CostCode", "costcenter"),), "it is spelled costCenter."),
        ((("hr:CostCode", "cosCenter"),), "the app knows no attribute cosCenter over there."),
        ((("hr:CostCode", "jobTitle"),), "[title] writes it already; change that in the portal."),
        ((("hr:CostCode", "usageLocation"),), "a constant writes it already"),
        ((("hr:CostCode", "userPrincipalName"),), "Join("),
        ((("hr:CostCode", "costCenter"), ("hr:Grade", "costCenter")), f"{CODE} goes there, too"),
        ((("hr:CostCode", "extension_12_costCode"),), "knows no attribute extension_12_costCode"),
    ],
)
def test_a_mapping_that_cannot_be_is_told(asked: tuple[tuple[str, str], ...], told: str) -> None:
    with pytest.raises(Unfit) as caught:
        lacking(document(), "hr:CostCode", "hr:Grade", maps=asked)
    assert told in str(caught.value)


def test_everything_that_cannot_be_is_told_at_once() -> None:
    with pytest.raises(Unfit) as caught:
        lacking(document(), "hr:CostCode", maps=(("hr:A", "mobile"), ("hr:CostCode", "nowhere"), ("title", "mail")))
    assert len(caught.value.problems) == 3


def test_an_attribute_over_there_that_can_only_be_read_is_refused() -> None:
    text = document()
    next(a for a in text["directories"][1]["objects"][0]["attributes"] if a["name"] == "mobile").update(
        mutability="ReadOnly"
    )
    with pytest.raises(Unfit, match="mobile can only be read"):
        lacking(text, "hr:CostCode", maps=(("hr:CostCode", "mobile"),))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t["synchronizationRules"].append(t["synchronizationRules"][0]), "has 2 mappings of users"),
        (lambda t: t["synchronizationRules"].clear(), "has 0 mappings of users"),
        (lambda t: t["synchronizationRules"][0].update(editable=False), "read-only"),
        (lambda t: t["synchronizationRules"][0].update(sourceDirectoryName="X"), "does not define User of X"),
        (lambda t: t["directories"][1].update(objects=None), "does not define User of Azure Active Directory"),
        (lambda t: t["synchronizationRules"][0]["objectMappings"][0].update(attributeMappings=1), "no attributes"),
    ],
)
def test_a_schema_that_cannot_be_edited_is_told(change: Callable[[Any], Any], told: str) -> None:
    text = document()
    change(text)
    with pytest.raises(Unfit, match=told):
        lacking(text, "title")


# --- matching -----------------------------------------------------------------------------------------------------


def test_matching_by_the_id_alone_is_nothing_to_change() -> None:
    assert lacking(document(), match=True).matching == ()


def test_matching_is_changed_only_when_asked_for() -> None:
    emulated = Emulated()
    emulated.matching = {"userName": 1, "externalId": 2}
    text = emulated.document(JOB)
    assert lacking(text).empty
    found = lacking(text, match=True)
    assert found.matching == ("(an expression) → userPrincipalName", "externalId → employeeId")
    new = app_schema.read(schema_changes.changed(text, found))
    assert [(m.priority, str(m)) for m in new.matches] == [(1, "externalId → employeeId")]


def test_it_is_refused_where_the_id_is_not_mapped_as_it_is() -> None:
    text = document()
    next(m for m in mappings_of(text) if m["targetAttributeName"] == "employeeId").update(
        source=plain("title", "")["source"], matchingPriority=1
    )
    with pytest.raises(Unfit, match="externalId is not mapped to employeeId as it is"):
        lacking(text, match=True)


# --- the whole document -------------------------------------------------------------------------------------------


def test_the_new_schema_holds_all_there_was_and_what_was_asked_for_and_nothing_else() -> None:
    text = document(HIRE)
    before = copy.deepcopy(text)
    wanted = lacking(text, "hr:HireDate", "hr:CostCode", maps=(("hr:CostCode", EXTENSION),))
    new = schema_changes.changed(text, wanted)
    assert text == before
    source, target = (d["objects"][0]["attributes"] for d in new["directories"])
    assert [a["name"] for a in source[-2:]] == [HIRE, CODE]
    assert source[:-2] == before["directories"][0]["objects"][0]["attributes"]
    assert (target[-1]["name"], target[:-1]) == (EXTENSION, before["directories"][1]["objects"][0]["attributes"])
    assert [m["targetAttributeName"] for m in mappings_of(new)[-2:]] == [EXTENSION, "employeeHireDate"]
    assert mappings_of(new)[:-2] == mappings_of(before)
    assert "@odata.context" in before
    assert "@odata.context" not in new


def test_a_new_attribute_tells_what_its_neighbours_tell() -> None:
    text = document()
    for attribute in text["directories"][0]["objects"][0]["attributes"]:
        del attribute["apiExpressions"], attribute["flowNullValues"]
    new = schema_changes.changed(text, lacking(text, "hr:CostCode"))
    *others, last = new["directories"][0]["objects"][0]["attributes"]
    assert last.keys() == others[0].keys()
    assert (last["name"], last["type"], last["anchor"], last["required"]) == (CODE, "String", False, False)


def test_a_plan_has_another_name_for_another_app_version_or_change() -> None:
    change = lacking(document(HIRE), "hr:HireDate")
    other = lacking(document(HIRE), "hr:HireDate", maps=(("hr:HireDate", "mobile"),))
    names = {change.plan("sp/job"), change.plan("sp/other"), replace(change, version="2").plan("sp/job")}
    assert len(names | {other.plan("sp/job")}) == 4
    assert change.plan("sp/job") == lacking(document(HIRE), "hr:HireDate").plan("sp/job")


def test_what_came_of_a_writing_is_told_by_name() -> None:
    text = document(HIRE)
    sent = schema_changes.changed(text, lacking(text, "hr:HireDate"))
    assert schema_changes.differences(sent, sent) == []
    assert schema_changes.differences(sent, text) == [
        f"not there: attribute {HIRE}",
        "not there: mapping to employeeHireDate",
    ]
    other = copy.deepcopy(sent)
    mappings_of(other)[-1]["source"]["name"] = "title"
    mappings_of(other).append(plain("title", "mobile"))
    assert schema_changes.differences(sent, other) == [
        "not as sent: mapping to employeeHireDate",
        "not sent: mapping to mobile",
    ]


def mappings_of(text: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = text["synchronizationRules"][0]["objectMappings"][0]["attributeMappings"]
    return found


def plain(path: str, target: str) -> dict[str, Any]:
    source = {"expression": f"[{path}]", "name": path, "parameters": [], "type": "Attribute"}
    rest = {"exportMissingReferences": False, "flowBehavior": "FlowWhenChanged", "flowType": "Always"}
    return {"defaultValue": None, **rest, "matchingPriority": 0, "source": source, "targetAttributeName": target}


# --- the emulator is strict ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda t: None, 204),
        (lambda t: t.update(version="older"), 409),
        (lambda t: t.pop("directories"), 400),
        (lambda t: t["directories"].pop(), 400),
        (lambda t: t["synchronizationRules"].clear(), 400),
        (lambda t: t.update(another=1), 400),
        (lambda t: t["directories"][0]["objects"][0]["attributes"][0].update(kind=1), 400),
        (lambda t: t["directories"][0]["objects"][0]["attributes"][0].update(type="Text"), 400),
        (lambda t: t["directories"][0]["objects"][0]["attributes"][5].update(name="TITLE"), 400),
        (lambda t: mappings_of(t).append(plain("title", "jobTitle")), 400),
        (lambda t: mappings_of(t).append(plain("title", "nowhere")), 400),
        (lambda t: mappings_of(t).append(plain("nothing", "mobile")), 400),
        (lambda t: mappings_of(t)[0].update(matchingPriority=0), 400),
        (lambda t: mappings_of(t)[0].update(flowType="Sometimes"), 400),
    ],
)
def test_the_emulator_takes_a_schema_as_published_and_nothing_else(
    graph: GraphEmulator, change: Callable[[Any], Any], status: int
) -> None:
    graph.roles.add(WRITE_ROLE)
    text = graph.directory().schema.document(graph.directory().job)
    change(text)
    endpoint = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": graph.upload_url}).bulk_upload
    assert endpoint
    with GraphAdmin(endpoint) as admin:
        assert admin._graph.exchange("PUT", f"{endpoint.job_url}/schema", body=text).status == status


def test_a_role_that_only_reads_writes_nothing(graph: GraphEmulator) -> None:
    endpoint = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": graph.upload_url}).bulk_upload
    assert endpoint
    with GraphAdmin(endpoint) as admin:
        for write in (
            lambda: admin.write_schema(admin.schema()),
            lambda: admin.write_secrets({}),
            admin.start,
        ):
            with pytest.raises(NotPermitted, match="Application Administrator") as caught:
                write()
            assert caught.value.role == WRITE_ROLE
            assert "--device-code" in str(caught.value)
        graph.denies_with_401 = True  # as people report of these APIs
        with pytest.raises(NotPermitted, match="401 UnknownError: this needs"):
            admin.start()
    assert graph.directory().starts == 0


# --- whom the app tells -------------------------------------------------------------------------------------------

NOTICES = (
    '{"Enabled":true,"Recipients":"hr-it@contoso.example","DeleteThresholdEnabled":true,"DeleteThresholdValue":50}'
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (NOTICES, Notices("hr-it@contoso.example", 50)),
        ("", Notices()),
        ('{"Enabled":false,"Recipients":"a@b.example","DeleteThresholdEnabled":false}', Notices()),
        ('{"Enabled":true,"Recipients":null,"DeleteThresholdEnabled":false,"DeleteThresholdValue":5}', Notices()),
    ],
)
def test_notices_are_read_as_microsoft_writes_them(text: str, found: Notices) -> None:
    assert notices.read({notices.KEY: text, "SyncAll": "false"}) == found


def test_notices_are_written_beside_whatever_else_the_secrets_hold() -> None:
    secrets = {"SyncAll": "false", notices.KEY: '{"Enabled":false,"Future":1}'}
    new = notices.written(secrets, Notices("it@contoso.example", 40))
    assert new["SyncAll"] == "false"
    assert json.loads(new[notices.KEY]) == {
        "Enabled": True,
        "Future": 1,
        "Recipients": "it@contoso.example",
        "DeleteThresholdEnabled": True,
        "DeleteThresholdValue": 40,
    }


@pytest.mark.parametrize("others", [{"Password": "*"}, {"SecretToken": "real?"}, {"Domain": "***"}])
def test_secrets_that_may_be_masked_are_never_written_back(others: dict[str, str]) -> None:
    with pytest.raises(notices.Unwritable, match=next(iter(others))) as caught:
        notices.written(others, Notices("it@contoso.example", 40))
    assert "real?" not in str(caught.value)


@pytest.mark.parametrize("text", ["it", "it@contoso", "a@b.example,c@d.example", "a b@c.example", "a@b.example\n", ""])
def test_what_is_no_single_address_is_refused(text: str) -> None:
    assert not notices.is_address(text)
    assert notices.is_address("hr-it@contoso.example")


# --- the commands -------------------------------------------------------------------------------------------------

Told = tuple[int, dict[str, Any], str]


class Desk:
    """An administrator at the command line, and the app she sets up."""

    def __init__(self, environ: dict[str, str], graph: GraphEmulator, capsys: pytest.CaptureFixture[str]) -> None:
        self.environ, self.graph, self.capsys = environ, graph, capsys

    @property
    def directory(self) -> Directory:
        return self.graph.directory()

    def run(self, *words: str) -> Told:
        code = command_line.main(words, self.environ)
        told = self.capsys.readouterr()
        (line,) = told.out.splitlines()
        return code, json.loads(line), told.err

    def confirmed(self, *words: str) -> Told:
        """What is shown, done."""
        return self.run(*words, "--confirm", self.run(*words)[1]["plan"])


@pytest.fixture
def desk(
    sqlite_string: str, hr: HrEmulator, graph: GraphEmulator, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    graph.roles = {WRITE_ROLE}  # an administrator cannot send, and whoever sends is no administrator
    yield Desk(environment(sqlite_string, hr.url, graph.upload_url), graph, capsys)
    assert graph.directory().schema.removed == []


def test_nothing_is_written_by_looking(desk: Desk) -> None:
    desk.directory.schema.forget(HIRE)
    before = desk.directory.schema.document("x")
    for words in (["app-schema"], ["app-schema", "--dry-run"], ["app-notices", "--email", "it@contoso.example"]):
        code, line, told = desk.run(*words)
        assert (code, line["written"]) == (0, False)
        assert f"--confirm {line['plan']}" in told
    assert desk.directory.schema.document("x") == before
    assert "hr-it@contoso.example" in desk.directory.secrets[notices.KEY]


def test_what_was_shown_is_written_and_proven_and_then_nothing_is_missing(desk: Desk) -> None:
    desk.directory.schema.forget(HIRE)
    code, shown, told = desk.run("app-schema")
    assert f"+ attribute  {HIRE} (String)" in told
    assert f"+ mapping    {HIRE} → employeeHireDate" in told
    code, line, told = desk.run("app-schema", "--confirm", shown["plan"])
    assert (code, line["written"], line["attributes"]) == (0, True, [{"name": HIRE, "type": "String"}])
    assert "read back" in told
    code, line, told = desk.run("app-schema")
    assert (code, line["attributes"], line["mappings"]) == (0, [], [])
    assert "Nothing is missing" in told


def test_what_is_added_reaches_whoever_was_sent_before_only_when_all_are_sent_again(desk: Desk) -> None:
    desk.directory.schema.forget(HIRE)
    desk.graph.roles = {"SynchronizationData-User.Upload", "Synchronization.Read.All", WRITE_ROLE}
    settings = Settings.from_environ(desk.environ)
    jobs.ingest(settings)
    jobs.create(settings, NAMED)
    _, _, told = desk.confirmed("app-schema")
    assert "100 people were sent before; what is new reaches them with: resend --all" in told
    assert not any(HIRE in state for state in desk.directory.users.values())
    assert jobs.update(settings).counts["sent"] == 0
    assert desk.run("resend", "--all")[0] == 0
    assert sum(HIRE in state for state in desk.directory.users.values()) > 50


@pytest.mark.parametrize("when", ["before", "at the last moment"])
def test_what_has_changed_since_it_was_shown_is_not_written(desk: Desk, when: str) -> None:
    desk.directory.schema.forget(HIRE)
    plan = desk.run("app-schema")[1]["plan"]
    if when == "before":
        desk.directory.schema.touch()
    else:
        desk.graph.meanwhile = desk.directory.schema.touch
    code, line, told = desk.run("app-schema", "--confirm", plan)
    assert (code, line["written"]) == (1, False)
    assert "nothing was written, look again" in told
    assert HIRE not in desk.directory.schema.attributes


def test_what_was_shown_is_not_done_with_other_words(desk: Desk) -> None:
    desk.directory.schema.forget(HIRE)
    plan = desk.run("app-schema")[1]["plan"]
    assert desk.run("app-schema", "--map", "hr:HireDate=mobile", "--confirm", plan)[0] == 1
    assert desk.run("app-notices", "--email", "it@contoso.example", "--confirm", plan)[0] == 1
    assert desk.directory.schema.document("x")["directories"][0]["objects"][0]["attributes"][-1]["name"] == LEAVE


def test_a_mapping_is_made_as_the_operator_says(desk: Desk) -> None:
    code, line, _ = desk.confirmed("app-schema", "--map", "nickName=extensionAttribute7")
    assert (code, line["mappings"]) == (0, [{"source": "nickName", "target": "extensionAttribute7"}])
    assert desk.run("app-schema", "--map", "nickName=extensionAttribute7")[1]["mappings"] == []


def test_wrong_usage_is_2_and_says_all_of_it(desk: Desk) -> None:
    code, _, told = desk.run("app-schema", "--map", "hr:Nothing=mobile", "--map", "title=nowhere")
    assert code == 2
    assert "hr:Nothing" in told
    assert "nowhere" in told
    assert desk.run("app-notices", "--email", "nobody")[0] == 2
    for words in (["app-schema", "--map", "title"], ["app-schema", "--confirm", "yes"], ["app-notices", "--x"]):
        with pytest.raises(SystemExit) as ended:
            command_line.main(words, desk.environ)
        assert ended.value.code == 2


def test_whom_people_are_matched_by_is_changed_only_before_anybody_was_processed(desk: Desk) -> None:
    desk.directory.schema.matching = {"userName": 1}
    code, _, told = desk.run("app-schema", "--match")
    assert (code, "never run" in told) == (2, True)
    desk.directory.begun = False
    code, line, told = desk.confirmed("app-schema", "--match")
    assert (code, line["written"]) == (0, True)
    assert "~ matching" in told
    _, line, _ = desk.run("app-schema")
    assert line["matching"] == ["externalId → employeeId"]
    desk.directory.schema.removed.clear()  # the two mappings whose priority is now another


def test_not_even_then_where_somebody_was_sent(desk: Desk) -> None:
    desk.graph.roles = {"SynchronizationData-User.Upload", "Synchronization.Read.All", WRITE_ROLE}
    settings = Settings.from_environ(desk.environ)
    jobs.ingest(settings)
    jobs.create(settings, NAMED)
    desk.directory.begun = False
    assert desk.run("app-schema", "--match")[0] == 2


def test_who_may_only_read_is_told_what_is_needed(desk: Desk) -> None:
    desk.directory.schema.forget(HIRE)
    desk.graph.roles = {"Synchronization.Read.All"}
    code, line, told = desk.run("app-schema", "--confirm", desk.run("app-schema")[1]["plan"])
    assert (code, line["written"]) == (1, False)
    assert "Application Administrator" in told


def test_graphs_own_words_about_a_schema_are_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.directory.schema.forget(HIRE)
    monkeypatch.setattr(schema_changes, "changed", lambda document, change: {**document, "odd": 1})
    code, _, told = desk.confirmed("app-schema")
    assert code == 1
    assert "the schema has no property odd. Nothing was written." in told


def test_a_schema_that_graph_took_and_did_not_keep_is_a_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.directory.schema.forget(HIRE)
    monkeypatch.setattr(desk.directory.schema, "put", lambda job, document: None)
    code, line, told = desk.confirmed("app-schema")
    assert (code, line["written"]) == (1, False)
    assert f"not there: attribute {HIRE}" in told


def test_e_mail_and_threshold_are_written_and_the_other_secrets_stay(desk: Desk) -> None:
    desk.directory.secrets = {"SyncAll": "true", "Domain": '{"domain":"contoso.example"}'}
    words = ("app-notices", "--email", "hr-it@contoso.example", "--delete-threshold", "120")
    code, _, told = desk.run(*words)
    assert "~ e-mail     nobody  becomes  hr-it@contoso.example" in told
    code, line, _ = desk.confirmed(*words)
    assert (code, line["email"], line["threshold"]) == (0, "hr-it@contoso.example", 120)
    assert desk.directory.secrets["SyncAll"] == "true"
    assert desk.directory.secrets["Domain"] == '{"domain":"contoso.example"}'
    assert "Nothing is missing" in desk.run(*words)[2]


def test_an_app_with_a_password_is_left_to_the_portal(desk: Desk) -> None:
    desk.directory.secrets["Password"] = "real"
    code, line, told = desk.confirmed("app-notices", "--delete-threshold", "120")
    assert (code, line["written"]) == (1, False)
    assert "set e-mail and threshold in the portal" in told
    assert desk.directory.secrets["Password"] == "real"


def test_a_job_that_never_ran_is_started_and_is_then_at_work(desk: Desk) -> None:
    desk.directory.begun = False
    code, line, _ = desk.run("app-start")
    assert (code, line["job_status"], line["started"], line["missing"]) == (0, "NotRun", False, [])
    code, line, _ = desk.confirmed("app-start")
    assert (code, line["job_status"], line["started"]) == (0, "Active", True)
    assert desk.directory.starts == 1


def test_a_job_that_is_at_work_is_not_started_again(desk: Desk) -> None:
    code, line, told = desk.run("app-start")
    assert (code, line["started"]) == (0, False)
    assert "nothing is to be done" in told
    assert desk.run("app-start", "--confirm", line["plan"])[0] == 0
    assert desk.directory.starts == 0


def test_a_job_without_e_mail_matching_or_attributes_is_not_started(desk: Desk) -> None:
    desk.directory.begun = False
    desk.directory.secrets = {}
    desk.directory.schema.forget(HIRE)
    desk.directory.schema.matching = {"userName": 1}
    code, line, told = desk.run("app-start")
    assert (code, len(line["missing"])) == (1, 3)
    assert all(word in told for word in ("app-notices --email", "app-schema --match", HIRE))
    assert desk.run("app-start", "--confirm", line["plan"])[0] == 1
    assert desk.directory.starts == 0
    code, line, told = desk.confirmed("app-start", "--anyway")  # and what Microsoft says of the e-mail comes true
    assert (code, line["job_status"]) == (1, "Quarantine")
    assert "went into quarantine at once" in told


def test_a_quarantine_for_too_many_deletes_is_lifted_only_by_somebody_who_looks(desk: Desk) -> None:
    desk.directory.quarantine_reason = "TooManyDeletes"
    code, line, told = desk.run("app-start", "--anyway")
    assert (code, "allow or reject them in the portal" in told) == (1, True)
    assert desk.run("app-start", "--anyway", "--confirm", line["plan"])[0] == 1
    assert desk.directory.starts == 0


def test_it_asks_nobody_who_the_app_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `az login`, or a code in a browser: no managed identity, no secret that lies in the environment."""
    asked: list[str] = []

    def no_token(host: str) -> graph_admin.TokenSource:
        asked.append(host)
        raise RuntimeError("secret details")

    monkeypatch.setattr(graph_admin, "azure_cli_tokens", no_token)
    endpoint = Settings.from_environ(desk.environ).bulk_upload
    assert endpoint
    with GraphAdmin(replace(endpoint, host="graph.microsoft.com")) as admin, pytest.raises(UpstreamError) as caught:
        admin.job()
    assert asked == ["graph.microsoft.com"]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("host", ["graph.microsoft.com", "graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"])
def test_a_code_in_a_browser_asks_for_one_permission(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = pytest.importorskip("azure.identity")
    asked: list[str] = []
    monkeypatch.setattr(
        identity.DeviceCodeCredential,
        "get_token",
        lambda self, *scopes: asked.extend(scopes) or type("T", (), {"token": "t"}),
    )
    assert graph_admin.device_code_tokens(host)() == "t"
    assert asked == [f"https://{host}/{WRITE_ROLE}"]


def test_a_manager_that_is_listed_without_its_part_needs_nothing() -> None:
    assert lacking(document(), "enterprise:manager.value").empty
    assert f"{ENTERPRISE}:manager" in Emulated().attributes


# --- the app itself -----------------------------------------------------------------------------------------------

APPS_ROLE = "Application.ReadWrite.All"


@pytest.fixture
def founder(desk: Desk) -> Desk:
    """Somebody who may make apps, too, and has no address yet."""
    desk.graph.roles = {WRITE_ROLE, APPS_ROLE}
    del desk.environ["GRAPH_BULK_UPLOAD_URL"]
    return desk


def create(desk: Desk, *words: str) -> Told:
    return desk.run("app-create", "HR to Entra", "--graph", desk.graph.url, *words)


def test_an_app_is_made_with_its_job_and_its_address_is_told(founder: Desk) -> None:
    code, line, told = create(founder)
    assert (code, line["app"], line["created"], founder.graph.gallery.apps) == (0, None, False, {})
    assert "+ app        HR to Entra" in told
    code, line, told = create(founder, "--confirm", line["plan"])
    assert (code, line["created"]) == (0, True)
    assert f"GRAPH_BULK_UPLOAD_URL={line['url']}" in told
    found = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": line["url"]}).bulk_upload
    assert found
    assert found.service_principal == line["app"]
    assert found.job.startswith("API2AAD.")


def test_from_no_app_at_all_to_one_that_is_at_work(founder: Desk) -> None:
    """As the page says: make it, its attributes, whom it tells, start; each shown before it is done."""
    url = create(founder, "--confirm", create(founder)[1]["plan"])[1]["url"]
    founder.environ["GRAPH_BULK_UPLOAD_URL"] = url
    *_, principal, _, _, job, _ = url.split("/")
    made = founder.graph.directory(principal, job)
    made.schema.forget(HIRE)
    made.schema.forget(LEAVE)
    code, line, _told = founder.run("app-start")
    assert (code, len(line["missing"])) == (1, 2)
    assert founder.confirmed("app-schema")[1]["written"] is True
    assert founder.confirmed("app-notices", "--email", "hr-it@contoso.example", "--delete-threshold", "500")[0] == 0
    code, line, _ = founder.confirmed("app-start")
    assert (code, line["job_status"]) == (0, "Active")
    assert made.schema.removed == []


def test_an_app_that_is_there_is_told_and_not_made_again(founder: Desk) -> None:
    url = create(founder, "--confirm", create(founder)[1]["plan"])[1]["url"]
    code, line, told = create(founder)
    assert (code, line["url"], line["created"]) == (0, url, False)
    assert "nothing is to be done" in told
    assert len(founder.graph.gallery.apps) == 1


def test_one_that_was_made_without_its_job_gets_it(founder: Desk) -> None:
    gallery = founder.graph.gallery
    app = gallery.instantiate(gallery.templates[app_setup.TEMPLATE], {"displayName": "HR to Entra"})
    code, line, told = create(founder)
    assert (code, line["app"]) == (0, app["servicePrincipal"]["id"])
    assert "+ app" not in told
    assert create(founder, "--confirm", line["plan"])[1]["url"]
    assert len(gallery.apps) == 1


def test_a_new_app_that_graph_does_not_find_at_once_is_waited_for_and_not_for_ever(
    founder: Desk, clock: MovedClock
) -> None:
    gallery = founder.graph.gallery

    def made(confirm: str | None = None) -> dict[str, Any]:
        opened = lambda: graph_admin.Gallery(f"{founder.graph.url}/v1.0", "127.0.0.1")  # noqa: E731
        return app_setup.app_create("HR to Entra", opened, confirm=confirm, clock=clock).answer

    gallery.delay = 3
    assert made(made()["plan"])["url"]
    assert clock.sleeps == [5, 5, 5]
    gallery.apps.clear()
    gallery.delay = 1000
    with pytest.raises(UpstreamError, match="The app is made, and Graph does not find it yet"):
        made(made()["plan"])
    assert sum(clock.sleeps) < 200


def test_the_name_of_another_app_is_refused_and_so_is_an_app_that_the_gallery_has_not(founder: Desk) -> None:
    gallery = founder.graph.gallery
    gallery.instantiate(
        gallery.templates["API-driven provisioning to on-premises Active Directory"], {"displayName": "HR to Entra"}
    )
    code, _, told = create(founder)
    assert (code, "another app called HR to Entra" in told) == (1, True)
    code, _, told = create(founder, "--template", "API-driven nonsense")
    assert (code, "has 0 apps called" in told) == (1, True)


def test_who_may_not_make_apps_is_told_the_permission(founder: Desk) -> None:
    founder.graph.roles = {WRITE_ROLE}
    code, _, told = create(founder)
    assert (code, APPS_ROLE in told) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        ["app-create"],
        ["app-create", "x", "--graph", "https://contoso.example"],
        ["app-create", "x", "--graph", "http://graph.microsoft.com"],
        ["app-create", "x", "--graph", "https://graph.microsoft.com/beta"],
    ],
)
def test_only_graph_is_asked(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(words, {})
    assert ended.value.code == 2


def test_a_name_of_nothing_is_refused(founder: Desk) -> None:
    assert founder.run("app-create", " ", "--graph", founder.graph.url)[0] == 2
