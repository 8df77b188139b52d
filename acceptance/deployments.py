"""Deployments of a run: the real CDK CLI for what a user does, and CloudFormation's API for what happened.

Owns commands and stack events. Judges nothing.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import time
from collections.abc import Callable
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
GONE = "GONE"
_CREDENTIALS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"})
_TELLING = re.compile(r"(?i)\u274c|\berror\b|replacement|rollback|denied|failed:")


class Shell:
    """The shell's own environment, as the CDK CLI takes it, with the region and profile of the run.

    SDKs differ in where they look for a region, and in what counts more, a profile or credentials of the environment.
    """

    def __init__(self, session: Session) -> None:
        self._region, self._profile = session.region, session.profile

    def child_environment(self) -> dict[str, str]:
        """Return it."""
        environment = {**os.environ, "AWS_REGION": self._region, "AWS_DEFAULT_REGION": self._region}
        if self._profile:
            kept = {name: value for name, value in environment.items() if name not in _CREDENTIALS}
            return {**kept, "AWS_PROFILE": self._profile}
        return environment


class Deployments:
    """Stacks of a run, deployed one after the other.

    Args:
        directory: for what the CDK CLI writes.
    """

    def __init__(self, session: Session, keep: Safekeeping, directory: Path, say: Callable[[str], None]) -> None:
        self._session, self._keep, self._say = session, keep, say
        self._cdk = Cdk(Shell(session), directory, has_short_waits=False)
        #: The newest event of each stack before its present operation. Clocks may differ; events have an order.
        self._marks: dict[str, str | None] = {}

    def deploy(self, stack: str, assembly: str, *options: str) -> Done:
        """Run `cdk deploy`; how it ended is in the answer.

        Raises:
            AcceptanceError: it did not end.
        """
        self._begin(stack)
        return self._run("deploy", stack, *options, app=assembly)

    def destroy(self, stack: str, assembly: str) -> Done:
        """Run `cdk destroy`; else as `deploy`."""
        self._begin(stack)
        done = self._run("destroy", stack, app=assembly)
        if self.status(stack) == GONE:
            self._keep.stack_gone(stack)
        return done

    def roll_back(self, stack: str, assembly: str) -> Done:
        """Run `cdk rollback`; else as `deploy`."""
        self._begin(stack)
        return self._run("rollback", stack, app=assembly)

    def _begin(self, stack: str) -> None:
        """Write down what is about to be made, and which events there are already."""
        self._keep.stack(stack)
        self._marks[stack] = None
        with contextlib.suppress(AwsError):
            found = self._session.items("cloudformation", "describe_stack_events", "StackEvents", StackName=stack)
            self._marks[stack] = next((str(event["EventId"]) for event in found), None)

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

    def events(self, stack: str) -> list[dict[str, Any]]:
        """Return the events of a stack in its present or last operation, the oldest first."""
        mark = self._marks.get(stack)
        found = self._session.items("cloudformation", "describe_stack_events", "StackEvents", StackName=stack)
        return list(itertools.takewhile(lambda event: event["EventId"] != mark, found))[::-1]

    def failures(self, stack: str) -> list[str]:
        """Return what CloudFormation says of the resources that failed, the first failure first."""
        return [
            f"{event['ResourceType']}: {event['ResourceStatusReason']}"
            for event in self.events(stack)
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
        self._begin(stack)
        done = self._run("deploy", stack, "--method", "prepare-change-set", "--change-set-name", name, app=assembly)
        if done.exit_code:
            return f"no change set: {last_line(done)}"
        self._session.call("cloudformation", "execute_change_set", StackName=stack, ChangeSetName=name)
        until = time.monotonic() + _SETTLED_WITHIN
        while time.monotonic() < until:
            if any(
                event["ResourceType"] == RESOURCE_TYPE and event["ResourceStatus"].endswith("_IN_PROGRESS")
                for event in self.events(stack)
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
        self._begin(stack)
        try:
            call(
                "cloudformation",
                "update_stack",
                StackName=stack,
                TemplateBody=json.dumps(template),
                Parameters=parameters,
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
            )
        except AwsError as error:
            return str(error), []
        status = self.settled(stack)
        events = self.events(stack)
        return status, [one["ResourceStatus"] for one in events if one["LogicalResourceId"] == logical_id]


def last_line(done: Done) -> str:
    """Return the line in which a command says why it failed, or the last one that it printed."""
    lines = [line.strip() for line in done.output.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    return (telling or lines or ["no output"])[-1]
