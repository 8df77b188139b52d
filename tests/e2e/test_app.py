"""The app as a user deploys it: the real CLI and app.py, through a whole life."""

import json
from pathlib import Path

from app_context import default_stack_name
from testing.cdk import PROJECT, Cdk, Done
from testing.observed import changing_calls, failures, stack_status
from tests.e2e.conftest import APP, CONTEXT, Cloud
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT
from tests.support.app import run_app

NAME = default_stack_name(ENVIRONMENT)


def cdk(cloud: Cloud, command: str, *vm_ids: str, options: tuple[str, ...] = ()) -> Done:
    return cloud.cdk(command, *options, *CONTEXT, "-c", f"vmIds={','.join(vm_ids)}", "-c", "timeoutMinutes=2")


def test_deploy_update_failing_update_destroy(cloud: Cloud) -> None:
    done = cdk(cloud, "diff", "vm-101", "vm-102")
    assert done.exit_code == 0, done.output
    assert "vm-101, vm-102" in done.output.partition("Outputs")[2]
    assert "2 VMs are declared for env-abcde12345 at cnctr-abcde12345: vm-101, vm-102; stack " in done.words
    assert "region us-east-1" in done.words

    done = cloud.cdk("deploy", app=done.assembly)
    assert done.exit_code == 0, done.output
    assert cloud.held() == ["vm-101", "vm-102"]
    assert "DeclaredVms = 2" in done.words
    assert "assumed-role/" in cloud.evs.calls("CreateEntitlement")[0]["principal"]

    done = cdk(cloud, "diff", "vm-102", "vm-101", options=("--fail",))
    assert done.exit_code == 0, done.output
    assert "There were no differences" in done.output

    done = cdk(cloud, "deploy", "vm-101", "vm-103")
    assert done.exit_code == 0, done.output
    assert cloud.held() == ["vm-101", "vm-103"]
    assert changing_calls(cloud.aws, ["vm-101"], since=done.began) == []

    done = cdk(cloud, "deploy", "vm-101", "vm-103", "vm-201")
    assert done.exit_code != 0
    assert "vm-201: UNSUPPORTED_GUEST_OS" in done.words
    assert any("vm-201" in reason for reason in failures(cloud.aws, NAME, since=done.began))
    assert stack_status(cloud.aws, NAME) == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.held() == ["vm-101", "vm-103"]
    assert changing_calls(cloud.aws, ["vm-101", "vm-103"], since=done.began) == []

    done = cloud.cdk("destroy", app=done.assembly)
    assert done.exit_code == 0, done.output
    assert cloud.evs.rows() == []
    assert stack_status(cloud.aws, NAME) == "GONE"
    # crhelper would have slept for 120 s here, and all else comes on top of that.
    assert done.seconds < 110


def test_a_second_environment_is_a_second_stack_and_takes_nothing_away(cloud: Cloud, tmp_path: Path) -> None:
    assemblies = {}
    for environment, connector, vm_id in (
        (ENVIRONMENT, CONNECTOR, "vm-101"),
        ("env-zyxwv98765", "cnctr-zyxwv98765", "vm-401"),
    ):
        folder = tmp_path / environment
        folder.mkdir()
        given = {"environmentId": environment, "connectorId": connector, "vmIds": vm_id, "timeoutMinutes": "2"}
        done = run_app(folder, {**json.loads((PROJECT / "cdk.json").read_text())["context"], **given})
        assert done.returncode == 0, done.stderr
        assemblies[default_stack_name(environment)] = str(folder / "cdk.out")
    for name, assembly in assemblies.items():
        deployed = cloud.deploy_assembly(assembly, name)
        assert deployed.exit_code == 0, deployed.output
    assert cloud.held() == ["vm-101"]
    assert cloud.evs.held("env-zyxwv98765", "cnctr-zyxwv98765") == ["vm-401"]
    for name, assembly in assemblies.items():
        destroyed = cloud.destroy_assembly(assembly, name)
        assert destroyed.exit_code == 0, destroyed.output
    assert cloud.evs.rows() == []


def test_a_value_under_another_name_is_refused(cloud: Cloud) -> None:
    done = cloud.deploy_app(APP, *CONTEXT, "-c", "vmIds=vm-101", "-c", "removalPolicy=RETAIN")
    assert done.exit_code != 0
    assert "error: removalPolicy: is no context value of this app; did you mean retain=true?" in done.words
    assert cloud.evs.calls() == []


def test_synth_prints_the_template_and_no_banner(cloud: Cloud) -> None:
    as_users_do = Cdk(cloud.aws, cloud.directory)
    done = as_users_do("synth", *CONTEXT, "-c", "vmIds=vm-101")
    assert done.exit_code == 0, done.output
    # What the CDK's own rules say of a template.
    assert "Template validation" not in done.output
    assert "CloudFormation Validate" not in done.output
    assert "Custom::EvsWindowsServerEntitlements" in done.output
    assert "!!" not in done.output
    assert "end-of-life" not in done.output


def test_a_wrong_value_is_one_line_that_names_it(cloud: Cloud) -> None:
    done = cdk(cloud, "deploy", "web01")
    assert done.exit_code != 0
    assert "error: vmIds: got 'web01'" in done.output
    assert "Traceback" not in done.output
    assert cloud.evs.calls() == []
