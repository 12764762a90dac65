"""The app settings: read in one go, everything wrong named at once, no secret told. HR_SOURCE: test_source."""

import pytest

from provisioning.errors import SettingsError
from provisioning.settings import Settings

UPLOAD = "https://graph.microsoft.com/v1.0/servicePrincipals/sp-1/synchronization/jobs/API2AAD.x.y/bulkUpload"
SOURCE = """
{"client": {"base_url": "https://hr.example/", "auth": {"type": "bearer", "token": "$HR_PASSWORD"}},
 "resources": [{"name": "Employees", "primary_key": "EmployeeId", "endpoint": {"path": "api/Employees"}}]}
"""


def problems(needs: tuple[str, ...] = (), **environ: str) -> str:
    with pytest.raises(SettingsError) as wrong:
        Settings.from_environ(environ, needs)
    return "\n".join(wrong.value.problems)


def test_without_any_setting_there_are_defaults() -> None:
    found = Settings.from_environ({})
    assert (found.hr_sources, found.bulk_upload, found.daily_call_limit) == ((), None, 2000)
    assert (found.create_lead_days, found.prehire_active, found.resend_days) == (7, True, 28)
    assert (found.time_zone.key, found.explicit_nulls, found.update_by_modified) == ("UTC", True, False)
    assert list(found.extensions) == ["hr"]


def test_what_a_verb_needs_is_named_when_missing_together_with_all_that_is_wrong() -> None:
    found = problems(("SQL_CONNECTION_STRING", "HR_SOURCE"), TIME_ZONE="Mars", RESEND_DAYS="0", SCIM_NULLS="maybe")
    assert found.splitlines() == [
        "SQL_CONNECTION_STRING: is missing.",
        "HR_SOURCE: is missing.",
        "SCIM_NULLS: must be explicit or omit.",
        "TIME_ZONE: 'Mars' is not an IANA time zone such as Europe/Copenhagen.",
        "RESEND_DAYS: must be a whole number from 1 to 3650.",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SQL_CONNECTION_STRING", "sqlite:/x.db"),
        ("SQL_CONNECTION_STRING", "Database=x;PWD=s3cret"),
        ("GRAPH_BULK_UPLOAD_URL", "not a url"),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD.replace("https", "http")),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD.replace("graph.microsoft.com", "graph.microsoft.com.evil.example")),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD.replace("bulkUpload", "start")),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD + "?x=1"),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD.replace("://", "://u:s3cret@")),
        ("GRAPH_BULK_UPLOAD_URL", UPLOAD.replace("://", "://:s3cret@")),
        ("ALERT_WEBHOOK_URL", "hooks.slack.com/services/s3cret"),
        ("ALERT_WEBHOOK_URL", "http://hooks.slack.com/services/s3cret"),
        ("ALERT_WEBHOOK_URL", "ftp://hooks.slack.com/services/s3cret"),
        ("ALERT_WEBHOOK_URL", "https:///services/s3cret"),
        ("ALERT_WEBHOOK_URL", "https://[::1/s3cret"),
        ("ALERT_WEBHOOK_URL", "https://hooks.slack.com:99999/s3cret"),
        ("ALERT_WEBHOOK_URL", "https://u:s3cret@hooks.slack.com/services/x"),
        ("ALERT_WEBHOOK_URL", "https://hooks.slack.com/s3cret x"),
        ("ALERT_WEBHOOK_URL", "https://höoks.example/s3cret"),
        ("ALERT_WEBHOOK_URL", "https://169.254.169.254/s3cret"),
        ("ALERT_WEBHOOK_URL", "https://[fe80::1]/s3cret"),
        ("ALERT_WEBHOOK_URL", "@Microsoft.KeyVault(SecretUri=https://v.example/s3cret)"),
        ("GRAPH_DAILY_CALL_LIMIT", "0"),
        ("GRAPH_DAILY_CALL_LIMIT", "many"),
        ("GRAPH_DAILY_CALL_LIMIT", "٣"),
        ("TIME_ZONE", "../etc/passwd"),
        ("TIME_ZONE", "Europe"),
        ("RESEND_DAYS", "1.5"),
        ("CREATE_LEAD_DAYS", "-1"),
        ("PREHIRE_ACTIVE", "yes"),
        ("UPDATE_BY", "clock"),
        ("COMPARE_IGNORE", "{"),
        ("COMPARE_IGNORE", '{"userType": "Guest"}'),
        ("COMPARE_IGNORE", "[{}]"),
        ("COMPARE_IGNORE", '["svc-*"]'),
        ("COMPARE_IGNORE", '[{"passwordProfile": "x*"}]'),
        ("COMPARE_IGNORE", '[{"userprincipalname": "svc-*"}]'),
        ("COMPARE_IGNORE", '[{"userType": "*"}]'),
        ("COMPARE_IGNORE", '[{"userType": null}]'),
        ("SCIM_EXTENSIONS", "{"),
        ("SCIM_EXTENSIONS", "[]"),
        ("SCIM_EXTENSIONS", '{"enterprise": "urn:a:b"}'),
        ("SCIM_EXTENSIONS", '{"urn": "urn:a:b"}'),
        ("SCIM_EXTENSIONS", '{"x": {"urn": "urn:a:b", "type": {}}}'),
        ("SCIM_EXTENSIONS", '{"x": {}}'),
        ("SCIM_EXTENSIONS", '{"x": "no urn"}'),
        ("SCIM_EXTENSIONS", '{"x": {"urn": "urn:a:b", "types": {"A": "date"}}}'),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_told(name: str, value: str) -> None:
    found = problems(**{name: value})
    assert found.startswith(f"{name}")
    assert len(found.splitlines()) == 1
    assert "s3cret" not in found


@pytest.mark.parametrize("host", ["graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"])
def test_the_national_clouds_are_graph_hosts(host: str) -> None:
    found = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": UPLOAD.replace("graph.microsoft.com", host)}).bulk_upload
    assert found
    assert (found.target, found.needs_token) == ("sp-1/API2AAD.x.y", True)


def test_an_emulator_on_loopback_needs_no_token() -> None:
    url = UPLOAD.replace("https://graph.microsoft.com", "http://127.0.0.1:8072")
    found = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": url}).bulk_upload
    assert found
    assert not found.needs_token


def test_settings_tell_no_secret_of_theirs() -> None:
    environ = {"HR_SOURCE": SOURCE, "HR_PASSWORD": "s3cret", "SQL_CONNECTION_STRING": "Server=x;UID=a;PWD=s3cret"}
    assert "s3cret" not in repr(Settings.from_environ(environ))


def test_every_setting_is_read() -> None:
    found = Settings.from_environ(
        {
            "SQL_CONNECTION_STRING": " sqlite:////data/bridge.db ",
            "GRAPH_DAILY_CALL_LIMIT": "6000",
            "SCIM_NULLS": "omit",
            "CREATE_LEAD_DAYS": "0",
            "PREHIRE_ACTIVE": "FALSE",
            "TIME_ZONE": "Europe/Copenhagen",
            "UPDATE_BY": "modified",
            "RESEND_DAYS": "1",
        }
    )
    assert (found.sql_connection_string, found.daily_call_limit) == ("sqlite:////data/bridge.db", 6000)
    assert (found.create_lead_days, found.prehire_active, found.resend_days) == (0, False, 1)
    assert (found.time_zone.key, found.explicit_nulls, found.update_by_modified) == ("Europe/Copenhagen", False, True)


def test_the_directory_is_compared_by_a_timer_where_one_is_set_and_guests_need_no_hr_unless_rules_say_otherwise() -> (
    None
):
    found = Settings.from_environ({"COMPARE_SCHEDULE": "", "COMPARE_IGNORE": ""})
    assert (found.compares, found.compare_ignore) == (False, ({"userType": "Guest"},))
    found = Settings.from_environ({"COMPARE_SCHEDULE": "0 30 5 * * *", "COMPARE_IGNORE": '[{"mail": "svc-*"}]'})
    assert (found.compares, found.compare_ignore) == (True, ({"mail": "svc-*"},))
    assert Settings.from_environ({"COMPARE_IGNORE": "[]"}).compare_ignore == ()


def test_an_extension_may_declare_the_types_of_its_attributes() -> None:
    text = '{"x": {"urn": "urn:a:b", "types": {"Badge": "boolean"}}, "y": "urn:a:c"}'
    found = Settings.from_environ({"SCIM_EXTENSIONS": text}).extensions
    assert {k: (v.urn, dict(v.types)) for k, v in found.items()} == {
        "x": ("urn:a:b", {"Badge": "boolean"}),
        "y": ("urn:a:c", {}),
    }


@pytest.mark.parametrize("text", ["Server=x", "DRIVER={x};server = tcp:x,1433;PWD=s3cret", "Data Source=x;UID=a"])
def test_an_odbc_connection_string_needs_a_server(text: str) -> None:
    assert Settings.from_environ({"SQL_CONNECTION_STRING": text}).sql_connection_string == text


def test_days_that_no_calendar_holds_are_a_wrong_setting() -> None:
    """999,999 days before now there is no date: refused here, not by an OverflowError in the middle of a run."""
    assert problems(RESEND_DAYS="999999").startswith("RESEND_DAYS")


def test_the_upload_urls_job_may_be_percent_encoded() -> None:
    found = Settings.from_environ({"GRAPH_BULK_UPLOAD_URL": UPLOAD.replace("API2AAD.x.y", "API2AAD%2Ex")}).bulk_upload
    assert found
    assert (found.service_principal, found.job) == ("sp-1", "API2AAD.x")


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com/services/T/B/s3cret",
        "https://prod-1.westeurope.logic.azure.com:443/workflows/a/triggers/manual/paths/invoke?sp=%2Frun&sig=s3cret",
        "http://127.0.0.1:8073/s3cret",
        "http://localhost/s3cret",
    ],
)
def test_a_webhook_is_https_or_on_this_machine_and_is_not_shown(url: str) -> None:
    found = Settings.from_environ({"ALERT_WEBHOOK_URL": f" {url} "})
    assert found.alert_webhook_url == url
    assert "s3cret" not in repr(found)
    assert Settings.from_environ({"ALERT_WEBHOOK_URL": " "}).alert_webhook_url == ""
