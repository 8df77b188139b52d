"""`resolve` and `init` where the policy leaves something to AWS: the connector, and the environment."""

import json
from pathlib import Path

import pytest

from evs_entitlements import EntitlementLock
from evs_fleet.policy import load
from local_aws import LocalAws
from tests.fleet.conftest import CONNECTOR, ENVIRONMENT
from tests.fleet.exports import govc, machines
from tests.fleet.run import Done, evs_entitlements, refused

#: It has one connector alone; ENVIRONMENT has several.
OTHER_ENVIRONMENT, OTHER_CONNECTOR = "env-zyxwv98765", "cnctr-zyxwv98765"


@pytest.fixture
def environment(aws: LocalAws, tmp_path: Path) -> dict[str, str]:
    """The local AWS begun anew, and what leads to it and nowhere else."""
    aws.evs.reset()
    (tmp_path / "vms.json").write_text(govc(machines()))
    nowhere = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    return {**aws.environment(), **nowhere, "AWS_EC2_METADATA_DISABLED": "true"}


def run(tmp_path: Path, environment: dict[str, str], *arguments: str) -> Done:
    return evs_entitlements("--inventory", "vms.json", *arguments, cwd=tmp_path, **environment)


def write_policy(tmp_path: Path, environment_id: str = ENVIRONMENT) -> None:
    (tmp_path / "entitlements.toml").write_text(f'environment = "{environment_id}"\n[[include]]\nname = "*"\n')


def test_the_connector_of_the_environment_is_found(tmp_path: Path, environment: dict[str, str]) -> None:
    write_policy(tmp_path, OTHER_ENVIRONMENT)
    assert run(tmp_path, environment, "resolve").status == 0
    assert EntitlementLock.load(tmp_path / "entitlements.lock.json").connector_id == OTHER_CONNECTOR


def test_of_several_connectors_one_has_to_be_named(tmp_path: Path, environment: dict[str, str]) -> None:
    write_policy(tmp_path)
    refused(run(tmp_path, environment, "resolve"), "entitlements.toml", "set connector", CONNECTOR)


def test_an_environment_that_is_not_known(tmp_path: Path, environment: dict[str, str]) -> None:
    write_policy(tmp_path, "env-unknown999")
    refused(run(tmp_path, environment, "resolve"), "env-unknown999")


def test_without_credentials_or_a_region(tmp_path: Path, environment: dict[str, str]) -> None:
    write_policy(tmp_path)
    without = {key: value for key, value in environment.items() if key not in ("AWS_REGION", "AWS_DEFAULT_REGION")}
    refused(run(tmp_path, without, "resolve"), "region")
    without = {key: value for key, value in environment.items() if not key.startswith(("AWS_ACCESS", "AWS_SECRET"))}
    refused(run(tmp_path, without, "resolve"), "credentials")


def test_init_names_environments_where_there_are_several(tmp_path: Path, environment: dict[str, str]) -> None:
    refused(run(tmp_path, environment, "init"), "--environment", ENVIRONMENT)
    assert not (tmp_path / "entitlements.toml").exists()


def test_init_without_aws_says_what_to_give(tmp_path: Path, environment: dict[str, str]) -> None:
    without = {key: value for key, value in environment.items() if not key.startswith("AWS_DEF")}
    without.pop("AWS_REGION", None)
    refused(run(tmp_path, without, "init"), "--environment", "region")


def test_with_an_environment_init_needs_no_aws(tmp_path: Path) -> None:
    (tmp_path / "vms.json").write_text(json.dumps(json.loads(govc(machines()))))
    assert run(tmp_path, {}, "init", "--environment", ENVIRONMENT).status == 0
    assert load(tmp_path / "entitlements.toml").connector is None
