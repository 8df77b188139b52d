"""Before a run: whose account this is, whether the VMs are free, what it costs, and whether the user wants it.

Changes nothing. Refuses with one line.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

from acceptance.errors import AcceptanceError
from acceptance.evs_calls import EvsCalls
from acceptance.options import Options
from acceptance.place import Place, require_free
from evs_fleet import price
from evs_fleet.aws.session import Session
from evs_fleet.errors import AwsError

#: Seconds that this machine's clock may be off: by its time a run tells its own entitlements from others.
_CLOCK = 2.0
_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"


def place_of(options: Options, session: Session, evs: EvsCalls) -> Place:
    """Return where the run takes place, once all is as it has to be.

    Raises:
        AcceptanceError: a VM is entitled already, or there is no one connector.
        AwsError: AWS does not say.
    """
    environment = options.environment
    connectors = list(session.items("evs", "list_environment_connectors", "connectors", environmentId=environment))
    of_vcenter = [str(one["connectorId"]) for one in connectors if one.get("type") == "VCENTER"]
    others = [str(one["connectorId"]) for one in connectors if one.get("type") != "VCENTER"]
    connector = _chosen(options, of_vcenter)
    _require_active(connectors, connector)
    # High enough for no vCenter to have given it out.
    unknown = f"vm-{random.randrange(900_000_000, 999_000_000)}"  # noqa: S311  an id that nobody has, no secret
    place = Place(environment, connector, options.vm, options.second, unknown, others[0] if others else None)
    _require_clock(evs, place)
    require_free(evs, environment, of_vcenter, place.vms)
    if "stack" in options.parts:
        _require_bootstrap(session)
    return place


def _chosen(options: Options, of_vcenter: list[str]) -> str:
    if options.connector:
        if options.connector not in of_vcenter:
            listed = ", ".join(of_vcenter) or "none"
            raise AcceptanceError(
                f"{options.connector} is no connector of type VCENTER of {options.environment}, which has: {listed}"
            )
        return options.connector
    if len(of_vcenter) != 1:
        listed = ", ".join(of_vcenter) or "none"
        raise AcceptanceError(
            f"{options.environment} has not one connector of type VCENTER but: {listed}; name one with --connector "
            "(of make: CONNECTOR=cnctr-...)"
        )
    return of_vcenter[0]


def _require_active(connectors: list[dict[str, Any]], connector: str) -> None:
    (one,) = (one for one in connectors if one.get("connectorId") == connector)
    failed = [str(check.get("type")) for check in one.get("checks") or () if check.get("result") == "FAILED"]
    if one.get("state") != "ACTIVE" or failed:
        why = f"its checks {', '.join(failed)} fail" if failed else f"it is {one.get('state')}"
        raise AcceptanceError(f"{connector}: {why}; EVS entitles nothing there. Nothing was changed")


def _require_clock(evs: EvsCalls, place: Place) -> None:
    answer = next(evs.pages(place.environment, place.connector))
    if answer.skew is not None and abs(answer.skew) > _CLOCK:
        which = "behind" if answer.skew > 0 else "ahead of"
        raise AcceptanceError(
            f"this machine's clock is {abs(answer.skew):.0f} s {which} that of AWS, expected {_CLOCK:g} s at most: set "
            "it right. Nothing was changed"
        )


def _require_bootstrap(session: Session) -> None:
    try:
        session.call("ssm", "get_parameter", Name=_BOOTSTRAP)
    except AwsError as error:
        if "ParameterNotFound" in str(error):
            account, region = session.caller()[0], session.region
            raise AcceptanceError(
                f"account {account} is not bootstrapped for the CDK in {region}: "
                f"run `cdk bootstrap aws://{account}/{region}` first. Nothing was changed"
            ) from None
        # Who may not read it may still deploy; the CDK CLI says otherwise.


def announce(options: Options, session: Session, place: Place, say: Callable[[str], None]) -> None:
    """Tell what a run does and costs."""
    account, _ = session.caller()
    second = place.second if "stack" in options.parts else None
    vms = " and ".join(vm_id for vm_id in (place.vm, second) if vm_id)
    say(f"account {account}, region {session.region}, {place.environment}, {place.connector}")
    say(f"parts: {', '.join(options.parts)}")
    if options.parts == ("questions",):
        say("It entitles nothing, and costs nothing.")
        return
    say(
        f"It entitles {vms} several times, and removes that again. EVS lists no entitlement there now. It calls for "
        f"{place.unknown} as well, which no vCenter should have."
    )
    if "stack" in options.parts:
        say(
            "It deploys and deletes two stacks with a Lambda function, a DynamoDB table and a log group each. What the "
            "CDK CLI has put into the bootstrap bucket stays there."
        )
    four = 4 * price.USD_PER_VCPU_HOUR
    say(
        f"Entitlements cost {price.USD_PER_VCPU_HOUR} USD a vCPU-hour while the VM is powered on ({price.SOURCE}): a "
        f"VM with 4 vCPUs that is entitled for an hour costs {four:.2f} USD. Lambda, DynamoDB, logs and S3 come on top."
    )


def confirm(options: Options) -> None:
    """Ask whether to begin; raises AcceptanceError if not."""
    if options.is_sure:
        return
    sys.stdout.write("Begin? Type yes: ")
    sys.stdout.flush()
    answer = sys.stdin.readline()
    if answer.strip().lower() != "yes":
        raise AcceptanceError("nothing was done (--yes begins without a question; of make: ARGS=--yes)")
