"""Which environment and connector a command is about.

Owns the order in which that is looked for: options, the lock, the policy, and at last AWS where there is but one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evs_fleet.aws import evs
from evs_fleet.errors import AwsError, UsageError
from evs_health.connectors import VCENTER

if TYPE_CHECKING:
    from evs_fleet.aws.session import Session
    from evs_fleet.context import Context

F = TypeVar("F", bound=Callable[..., Any])
_ENVIRONMENT_ID = re.compile(r"env-[a-zA-Z0-9]{10}")
_CONNECTOR_ID = re.compile(r"cnctr-[a-zA-Z0-9]{10}")
_WHERE = "of the lock or the policy, or the only one"


@dataclass(frozen=True, order=True)
class Target:
    """One environment and one of its connectors."""

    environment_id: str
    connector_id: str

    @property
    def ids(self) -> tuple[str, str]:
        """Environment id and connector id."""
        return self.environment_id, self.connector_id


def target_options(command: F) -> F:
    """Add --environment and --connector to a click command."""
    for option in (
        click.option("--connector", metavar="CNCTR-ID", help=f"Connector [{_WHERE}]."),
        click.option("--environment", metavar="ENV-ID", help=f"EVS environment [{_WHERE}]."),
    ):
        command = option(command)
    return command


def one_target(
    session: Session, context: Context, environment: str | None, connector: str | None, *, from_lock: bool = True
) -> Target:
    """Return the one environment and connector that is meant.

    Raises:
        UsageError: several could be meant; the text names them.
        AwsError: EVS can't be asked, or has none.
    """
    found = targets(session, context, environment, connector, from_lock=from_lock)
    if len(found) > 1:
        names = ", ".join(target.connector_id for target in found)
        raise UsageError(
            f"environment {found[0].environment_id} has several vCenter connectors: give --connector {names}"
        )
    return found[0]


def targets(
    session: Session, context: Context, environment: str | None, connector: str | None, *, from_lock: bool = True
) -> list[Target]:
    """Return the environment that is meant, with the connector that is meant or all of type VCENTER that it has.

    Raises:
        UsageError: several environments could be meant, or an id is none.
        AwsError: EVS can't be asked, or has none.
    """
    check_ids(environment, connector)
    if environment is None:
        environment, connector = _of_files(context, connector, from_lock=from_lock)
    if environment is None:
        environment = _only_environment(session)
    if connector is not None:
        return [Target(environment, connector)]
    found = [Target(environment, item.connector_id) for item in evs.connectors(session, environment) if _usable(item)]
    if not found:
        raise AwsError(f"environment {environment} has no connector of type {VCENTER}, which entitlements need")
    return found


def all_targets(session: Session) -> list[Target]:
    """Return every environment of account and region with every connector of type VCENTER."""
    return [
        Target(item["environmentId"], connector.connector_id)
        for item in evs.environments(session)
        for connector in evs.connectors(session, item["environmentId"])
        if _usable(connector)
    ]


def named(context: Context, environment: str | None, connector: str | None) -> tuple[str | None, str | None]:
    """Return the environment and connector that options, lock or policy name, without asking AWS.

    Raises:
        UsageError: an id is none.
        LockError, PolicyError: a file is wrong.
    """
    check_ids(environment, connector)
    return (environment, connector) if environment else _of_files(context, connector, from_lock=True)


def check_ids(environment: str | None, connector: str | None) -> None:
    """Refuse ids that EVS would refuse; raises UsageError."""
    for option, value, pattern in (
        ("--environment", environment, _ENVIRONMENT_ID),
        ("--connector", connector, _CONNECTOR_ID),
    ):
        if value is not None and not pattern.fullmatch(value):
            raise UsageError(f"{option}: got {value!r}, expected an id that matches {pattern.pattern}")


def _usable(connector: Any) -> bool:
    return bool(connector.type == VCENTER and connector.state != "DELETED")


def _of_files(context: Context, connector: str | None, *, from_lock: bool) -> tuple[str | None, str | None]:
    """Return what the lock says, or else what the policy says; a file that was not asked for need not be there."""
    from evs_fleet.lock_file import load as load_lock
    from evs_fleet.policy import load as load_policy

    if from_lock and (context.lock or (context.lock_path.exists() and not context.policy)):
        lock = load_lock(context.lock_path)
        return lock.environment_id, connector or lock.connector_id
    if context.policy or context.policy_path.exists():
        policy = load_policy(context.policy_path)
        return policy.environment, connector or policy.connector
    return None, connector


def _only_environment(session: Session) -> str:
    found = [str(item["environmentId"]) for item in evs.environments(session)]
    if not found:
        raise AwsError(f"no EVS environment in {session.region} of this account: is it another --region or --profile?")
    if len(found) > 1:
        raise UsageError(f"several EVS environments in {session.region}: give --environment, one of {', '.join(found)}")
    return found[0]
