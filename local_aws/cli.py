"""The command line: start the local AWS and leave it running, look at it, and make trouble in it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
import click
from botocore.config import Config

from local_aws import ministack_venv, shell
from local_aws.cli_parts import Latency, ending_cleanly, of_instance, pairs_of, plain_errors
from local_aws.evs_api import EvsControl, Settings
from local_aws.function_logs import function_logs
from local_aws.inventory import SHIPPED, Inventory
from local_aws.launcher import LocalAws, running
from local_aws.table import entitlement_table, print_table


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """AWS on this machine, with no account and no Docker: CloudFormation, Lambda, S3, IAM,
    DynamoDB and others by ministack, and Amazon EVS with its Windows Server entitlements.

    \b
    In one terminal:      python -m local_aws start
    In another one:       paste the printed export lines, then
                          npx cdk bootstrap, npx cdk deploy ...
    To see what it did:   python -m local_aws entitlements
    """  # noqa: D205, D301 - click wants \b as it is, and shows this text


@cli.command()
@click.option(
    "--inventory",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=SHIPPED,
    show_default="the one that comes with it",
    help="JSON file of environments, connectors and VMs.",
)
@click.option(
    "--create-latency",
    type=Latency(),
    default="2",
    show_default=True,
    help="Seconds until an entitlement is CREATED; 2-10 for a different number for each VM.",
)
@click.option(
    "--delete-latency",
    type=Latency(),
    default="0",
    show_default=True,
    help="Seconds until a deleted entitlement leaves the list.",
)
@click.option(
    "--auth/--no-auth",
    default=True,
    show_default=True,
    help="Check credentials and IAM policies, EVS included.",
)
@click.option("--region", default="us-east-1", show_default=True, help="AWS Region.")
@click.option("--port", type=int, default=0, show_default="a free one", help="Port of all services but EVS.")
@click.option("--evs-port", type=int, default=0, show_default="a free one", help="Port of EVS.")
@click.option("--name", help="Name of this instance; several can run side by side.")
def start(inventory: Path, create_latency: Any, delete_latency: Any, name: str | None, **options: Any) -> None:
    """Start it, print the environment for your own cdk deploy, and run until Ctrl-C."""
    settings = Settings(create_latency=create_latency, delete_latency=delete_latency)
    with ending_cleanly() as ended, plain_errors():
        aws = LocalAws(Inventory.load(inventory), settings, name=name, **options)
        with aws:
            click.echo("\n".join(shell.lines(aws.name, os.getpid(), aws.environment())))
            click.echo(f"# Instance {aws.name} is running; its log is {aws.log_path}", err=True)
            click.echo("# Paste the lines above into another terminal. Ctrl-C stops everything.", err=True)
            ended.wait()
    click.echo("# Stopped.", err=True)


@cli.command()
def setup() -> None:
    """Install ministack into its own virtual environment, unless that is done."""
    with plain_errors():
        ministack_venv.python()


@cli.command()
def instances() -> None:
    """List the running instances."""
    from local_aws import instances as known

    found = known.running()
    if not found:
        click.echo("no instance is running: start one by `make local`", err=True)
    for name, instance in found.items():
        click.echo(f"{name}\tpid {instance['pid']}\t{instance['environment']['AWS_ENDPOINT_URL']}")


@cli.command()
@of_instance
def environment(name: str | None) -> None:
    """Print a running instance's environment, for: eval "$(python -m local_aws environment)".

    Where it can't be told, that eval fails, and the shell reaches no AWS at all: what follows it is meant for the
    local AWS, and must not go to a real account.
    """
    try:
        instance = running(name)
    except (LookupError, OSError, ValueError) as error:
        reason = str(error.args[0] if error.args else error)
        click.echo("\n".join(shell.refusal(reason)))
        sys.exit(1)
    click.echo("\n".join(shell.lines(instance["name"], instance["pid"], instance["environment"])))


@cli.command()
@of_instance
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def entitlements(name: str | None, as_json: bool) -> None:
    """Show what EVS says is entitled."""
    with plain_errors():
        rows = _evs(name).rows()
        if as_json:
            click.echo(json.dumps(rows, indent=1))
        else:
            print_table(entitlement_table(rows))


@cli.command()
@of_instance
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE]...")
def settings(name: str | None, changes: tuple[str, ...]) -> None:
    """Show how EVS behaves, or change it: settings create_latency=30 already_entitled=refuse."""
    with plain_errors():
        evs = _evs(name)
        values = evs.set(**pairs_of(changes)) if changes else evs.settings()
        for setting, value in values.items():
            click.echo(f"{setting}={json.dumps(value)}")


@cli.command()
@of_instance
@click.argument("effect", required=False)
@click.argument("fields", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--clear", is_flag=True, help="Drop all rules and release all calls.")
def faults(name: str | None, effect: str | None, fields: tuple[str, ...], clear: bool) -> None:
    """Show fault rules, or add one: faults throttle count=5 'operations=["CreateEntitlement"]'.

    Effects: throttle, error, access_denied, close_before, close_after, hang, hold.
    """
    with plain_errors():
        evs = _evs(name)
        if clear:
            evs.clear_faults()
        if effect:
            evs.fault(effect, **pairs_of(fields))
        for rule in evs.faults():
            click.echo(json.dumps(rule))


@cli.command()
@of_instance
@click.argument("state", type=click.Choice(["reachable", "unreachable"]))
@click.argument("connector_id", required=False)
def connector(name: str | None, state: str, connector_id: str | None) -> None:
    """Let a connector lose its vCenter, or reach it again: connector unreachable [CONNECTOR_ID].

    All of them where none is named. What they hold is AT_RISK meanwhile, and removed after EVS's grace.
    """
    with plain_errors():
        evs = _evs(name)
        known = {item["id"]: item for item in evs.inventory()["connectors"]}
        if connector_id is not None and connector_id not in known:
            raise LookupError(f"no connector {connector_id}; there are {', '.join(sorted(known))}")
        for each in [connector_id] if connector_id else sorted(known):
            evs.by_hand("set_connector", each, reachable=state == "reachable")
            click.echo(f"{each} of {known[each]['environmentId']} is {state}")


@cli.command()
@of_instance
def logs(name: str | None) -> None:
    """Print what Lambda functions wrote."""
    with plain_errors():
        there = running(name)["environment"]
        client = boto3.client(
            "logs",
            endpoint_url=there["AWS_ENDPOINT_URL"],
            verify=there["AWS_CA_BUNDLE"],
            region_name=there["AWS_REGION"],
            aws_access_key_id=there["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=there["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}),
        )
        for line in function_logs(client):
            click.echo(line)


def _evs(name: str | None) -> EvsControl:
    return EvsControl(running(name)["evs_url"])
