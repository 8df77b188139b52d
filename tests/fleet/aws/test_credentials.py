"""Credentials, profiles and regions as a user's files have them: what is wrong with them is one line."""

from pathlib import Path

import botocore
import pytest

from evs_fleet.aws import session as session_module
from evs_fleet.aws.failures import too_old
from local_aws.evs_api import EvsControl
from tests.fleet.aws.cloudtrail import CloudTrail
from tests.fleet.aws.conftest import Run

SSO = """[profile work]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = Reader
region = us-east-1
[sso-session corp]
sso_start_url = https://corp.example.com/start
sso_region = us-east-1
"""


@pytest.fixture(autouse=True)
def from_files(evs: EvsControl, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials but those of the files."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(here / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(here / "credentials"))


def test_a_profile_with_keys_and_region(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    (here / "config").write_text("[profile work]\nregion = us-east-1\n")
    (here / "credentials").write_text("[work]\naws_access_key_id = test\naws_secret_access_key = test\n")
    assert run("--profile", "work", "environments", "--output", "ids").out.split()[0] == "env-abcde12345"
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert run("environments").status == 0


def test_the_region_is_that_of_the_cli_and_the_cdk(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 alone reads AWS_DEFAULT_REGION only."""
    (here / "credentials").write_text("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert run("environments").status == 0
    monkeypatch.setenv("AWS_DEFAULT_REGION", "somewhere over there")
    assert run("environments").status == 0


def test_an_sso_login_that_is_over(run: Run, here: Path) -> None:
    (here / "config").write_text(SSO)
    ran = run("--profile", "work", "environments")
    assert ran.status == 2
    assert ran.error.startswith("the AWS login of profile work is over or was never made: log in again (`aws sso")


def test_half_of_a_key(run: Run, here: Path) -> None:
    (here / "credentials").write_text("[default]\naws_access_key_id = test\n")
    ran = run("environments")
    assert ran.status == 2
    assert ran.error.startswith("AWS credentials are incomplete: ")


def test_a_process_that_gives_no_credentials(run: Run, here: Path) -> None:
    (here / "config").write_text("[profile work]\ncredential_process = false\nregion = us-east-1\n")
    ran = run("--profile", "work", "environments")
    assert ran.status == 2
    assert ran.error.startswith("AWS credentials of profile work can't be got: ")


def test_a_file_that_is_no_configuration(run: Run, here: Path) -> None:
    (here / "config").write_text("[profile work\n")
    ran = run("environments")
    assert ran.status == 2
    assert "config" in ran.error


def test_a_region_that_is_none(run: Run, here: Path) -> None:
    (here / "credentials").write_text("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
    ran = run("--region", "somewhere over there", "environments")
    assert ran.status == 2
    assert "somewhere over there" in ran.error


def test_a_botocore_without_entitlements(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "credentials").write_text("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
    monkeypatch.setattr(session_module, "_LATE", {"evs": "an_operation_of_tomorrow"})
    ran = run("environments")
    assert ran.status == 2
    assert ran.error == str(too_old("evs", botocore.__version__))


def test_cloudtrail_does_not_answer(
    run: Run, here: Path, cloudtrail: CloudTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "credentials").write_text("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", "http://127.0.0.1:9")
    ran = run("history")
    assert ran.status == 2
    assert ran.error.startswith("cloudtrail:LookupEvents: AWS was not reached in us-east-1: ")


@pytest.mark.parametrize(("settings", "calls"), [("", 6), ("max_attempts = 2\n", 2)])
def test_retries_are_the_profiles_or_else_six(settings: str, calls: int, run: Run, here: Path, evs: EvsControl) -> None:
    (here / "config").write_text(f"[default]\nretry_mode = standard\n{settings}" if settings else "[default]\n")
    (here / "credentials").write_text("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
    evs.fault("throttle", count=None)
    assert run("environments").status == 2
    assert len(evs.calls("ListEnvironments")) == calls
