"""Deployments of a run: the real CDK CLI for what a user does, and CloudFormation's API for what happened.

Owns commands, stack events and the function's log. Judges nothing.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from acceptance.errors import AcceptanceError
from acceptance.safekeeping import Safekeeping
from evs_fleet.aws.session import Session
from evs_fleet.errors import AwsError
from testing.cdk import Cdk, CdkTimeoutError, Done
from testing.events import TYPE as RESOURCE_TYPE

#: Seconds that one command of the CDK CLI may take: several requests of the function, each with its ServiceTimeout.
COMMAND_LIMIT = 2.5 * 3600
#: Seconds between looks at a stack, and seconds that its operation may take.
_LOOK_EVERY, _SETTLED_WITHIN = 2.0, 2 * 3600.0
#: Seconds that the function's last lines may take to reach its log.
_LOG_WITHIN = 30.0
GONE = "GONE"
_TELLING = re.compile(r"(?i)\u274c|\berror\b|replacement|rollback|denied|failed:")


class Shell:
    """The shell's own environment, as the CDK CLI takes it: its credentials say which account this is.

    Args:
        region: where all else of the run takes place; SDKs differ in where they look for it.
    """

    def __init__(self, region: str) -> None:
        self._region = region

    def child_environment(self) -> dict[str, str]:
        """Return it."""
        return {**os.environ, "AWS_REGION": self._region, "AWS_DEFAULT_REGION": self._region}


@dataclass(frozen=True)
class Sent:
    """A request that CloudFormation sent to the function, by the function's log; `at` is in seconds since 1970."""

    kind: str
    request_id: str
    at: float


class Deployments:
    """Stacks of a run, deployed one after the other.

    Args:
        directory: for what the CDK CLI writes.
    """

    def __init__(self, session: Session, keep: Safekeeping, directory: Path, say: Callable[[str], None]) -> None:
        self._session, self._keep, self._say = session, keep, say
        self._cdk = Cdk(Shell(session.region), directory, has_short_waits=False)

    def deploy(self, stack: str, assembly: str, *options: str) -> Done:
        """Run `cdk deploy`; how it ended is in the answer.

        Raises:
            AcceptanceError: it did not end.
        """
        self._keep.stack(stack)
        return self._run("deploy", stack, *options, app=assembly)

    def destroy(self, stack: str, assembly: str) -> Done:
        """Run `cdk destroy`; else as `deploy`."""
        done = self._run("destroy", stack, app=assembly)
        if self.status(stack) == GONE:
            self._keep.stack_gone(stack)
        return done

    def roll_back(self, stack: str, assembly: str) -> Done:
        """Run `cdk rollback`; else as `deploy`."""
        return self._run("rollback", stack, app=assembly)

    def knows(self, option: str) -> bool:
        """Tell whether the CDK CLI's `deploy` has an option."""
        return option in self._cdk("deploy", "--help", app=".").output

    def _run(self, *arguments: str, app: str) -> Done:
        self._say(f"$ cdk {' '.join(arguments)}")
        try:
            return self._cdk(*arguments, app=app, limit=COMMAND_LIMIT)
        except CdkTimeoutError as error:
            raise AcceptanceError(str(error).splitlines()[0]) from None

    # --- what CloudFormation says ----------------------------------------------------------------------------------

    def status(self, stack: str) -> str:
        """Return the status of a stack; GONE where there is none."""
        try:
            answer = self._session.call("cloudformation", "describe_stacks", StackName=stack)
        except AwsError as error:
            if "does not exist" in str(error) or "not found" in str(error):
                return GONE
            raise
        status = str(answer["Stacks"][0]["StackStatus"])
        return GONE if status == "DELETE_COMPLETE" else status

    def settled(self, stack: str) -> str:
        """Wait until no operation of a stack is under way, and return its status; raises AcceptanceError."""
        until = time.monotonic() + _SETTLED_WITHIN
        while (status := self.status(stack)).endswith("_IN_PROGRESS"):
            if time.monotonic() > until:
                raise AcceptanceError(f"stack {stack} is still {status}")
            time.sleep(_LOOK_EVERY)
        return status

    def events(self, stack: str, since: float) -> list[dict[str, Any]]:
        """Return the events of a stack since a time (seconds since 1970), the oldest first."""
        began = datetime.fromtimestamp(int(since), UTC)
        found = self._session.items("cloudformation", "describe_stack_events", "StackEvents", StackName=stack)
        return [event for event in reversed(list(found)) if event["Timestamp"].astimezone(UTC) >= began]

    def failures(self, stack: str, since: float) -> list[str]:
        """Return what CloudFormation says of the resources that failed, the first failure first."""
        return [
            f"{event['ResourceType']}: {event['ResourceStatusReason']}"
            for event in self.events(stack, since)
            if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
        ]

    def physical_id(self, stack: str) -> str:
        """Return the id of a stack's custom resource; empty where it has none."""
        answer = self._session.call("cloudformation", "describe_stack_resources", StackName=stack)
        found = [one for one in answer["StackResources"] if one["ResourceType"] == RESOURCE_TYPE]
        return str(found[0].get("PhysicalResourceId", "")) if found else ""

    def cancel(self, stack: str, assembly: str, name: str) -> str:
        """Deploy by a change set, and cancel that while the custom resource is at work.

        Returns:
            ``cancelled``, or why it could not be.

        Raises:
            AcceptanceError, AwsError
        """
        self._keep.stack(stack)
        done = self._run("deploy", stack, "--method", "prepare-change-set", "--change-set-name", name, app=assembly)
        if done.exit_code:
            return f"no change set: {last_line(done)}"
        began = time.time()
        self._session.call("cloudformation", "execute_change_set", StackName=stack, ChangeSetName=name)
        until = time.monotonic() + _SETTLED_WITHIN
        while time.monotonic() < until:
            if any(
                event["ResourceType"] == RESOURCE_TYPE and event["ResourceStatus"].endswith("_IN_PROGRESS")
                for event in self.events(stack, began)
            ):
                break
            if not self.status(stack).endswith("_IN_PROGRESS"):
                return f"the stack was {self.status(stack)} before the custom resource was seen at work"
            time.sleep(0.3)
        self._say("cancelling the update")
        try:
            self._session.call("cloudformation", "cancel_update_stack", StackName=stack)
        except AwsError as error:
            return f"CloudFormation does not take it: {error}"
        return "cancelled"

    def change_deletion_policy(self, stack: str, logical_id: str) -> tuple[str, list[str]]:
        """Update a stack with its own template, in which the DeletionPolicy of one resource alone is another.

        Args:
            logical_id: of a resource that may as well stay.

        Returns:
            What CloudFormation says to it, or the stack's status; and the statuses that the resource has taken.

        Raises:
            AcceptanceError, AwsError
        """
        call = self._session.call
        body = call("cloudformation", "get_template", StackName=stack, TemplateStage="Original")["TemplateBody"]
        template: dict[str, Any] = json.loads(body) if isinstance(body, str) else body
        template["Resources"][logical_id]["DeletionPolicy"] = "Retain"
        parameters = [{"ParameterKey": name, "UsePreviousValue": True} for name in template.get("Parameters", {})]
        began = time.time()
        try:
            call(
                "cloudformation", "update_stack", StackName=stack, TemplateBody=json.dumps(template),
                Parameters=parameters, Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
            )  # fmt: skip
        except AwsError as error:
            return str(error), []
        status = self.settled(stack)
        events = self.events(stack, began)
        return status, [one["ResourceStatus"] for one in events if one["LogicalResourceId"] == logical_id]

    # --- what the function was asked -------------------------------------------------------------------------------

    def requests(self, stack: str, since: float, *, at_least: int = 0) -> list[Sent] | None:
        """Return what CloudFormation asked the function since a time, in order; None where its log can't be read.

        Args:
            at_least: so many are awaited for a while, since log lines come late.
        """
        group = self._log_group(stack)
        if group is None:
            return None
        until = time.monotonic() + _LOG_WITHIN
        while True:
            found = self._sent(group, since)
            if found is None or len(found) >= at_least or time.monotonic() > until:
                return found
            time.sleep(_LOOK_EVERY)

    def _sent(self, group: str, since: float) -> list[Sent] | None:
        found: dict[str, Sent] = {}
        try:
            events = self._session.items(
                "logs", "filter_log_events", "events", logGroupName=group, startTime=int(since * 1000)
            )
            for event in sorted(events, key=lambda event: int(event["timestamp"])):
                line = _json_line(event["message"])
                if line and line.get("RequestType") in ("Create", "Update", "Delete"):
                    sent = Sent(line["RequestType"], str(line.get("RequestId")), event["timestamp"] / 1000)
                    found.setdefault(sent.request_id, sent)
        except AwsError:
            return None
        return list(found.values())

    def _log_group(self, stack: str) -> str | None:
        try:
            answer = self._session.call("cloudformation", "describe_stack_resources", StackName=stack)
        except AwsError:
            return None
        groups = [
            str(one["PhysicalResourceId"])
            for one in answer["StackResources"]
            if one["ResourceType"] == "AWS::Logs::LogGroup" and "Provider" in one["LogicalResourceId"]
        ]
        return groups[0] if groups else None


def last_line(done: Done) -> str:
    """Return the line in which a command says why it failed, or the last one that it printed."""
    lines = [line.strip() for line in done.output.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    return (telling or lines or ["no output"])[-1]


def _json_line(message: str) -> dict[str, Any] | None:
    try:
        value = json.loads(message)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
