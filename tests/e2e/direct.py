"""Deploys a cloud assembly by AWS's own APIs: what the CDK CLI does, without the CLI.

Owns which calls that takes. A start of the CLI costs two seconds of a core, and most tests ask what a function and a
stack do, not what the CLI does. Knows nothing of entitlements.
"""

import io
import json
import shlex
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local_aws import LocalAws
from local_aws.launcher import ACCOUNT
from testing.cdk import LIMIT, PROJECT, Done
from testing.observed import stack_status

_BOOTSTRAP = PROJECT / "node_modules" / "aws-cdk" / "lib" / "api" / "bootstrap" / "bootstrap-template.yaml"
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
#: A stack of one of these cannot be updated: the CLI deletes it and creates it anew.
_REPLACED = ("ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_FAILED")
_SUCCEEDED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
#: Seconds between the first two looks at a stack, by how much longer each next wait is, and the longest.
_INTERVAL, _GROWTH, _LONGEST = 0.2, 1.15, 1.0


class Deployer:
    """Deploys and destroys single stacks of assemblies."""

    def __init__(self, aws: LocalAws) -> None:
        self._aws = aws
        self._client = aws.boto3_client("cloudformation")
        self._publishing = threading.Lock()
        self._published: set[str] = set()

    def bootstrap(self) -> None:
        """Deploy the CLI's own template of `cdk bootstrap`, with the parameters that it has by default."""
        given = {
            "CloudFormationExecutionPolicies": "arn:aws:iam::aws:policy/AdministratorAccess",
            "FileAssetsBucketKmsKeyId": "AWS_MANAGED_KEY",
        }
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
        self._client.create_stack(
            StackName="CDKToolkit",
            TemplateBody=_BOOTSTRAP.read_text(),
            Parameters=parameters,
            Capabilities=_CAPABILITIES,
        )
        status = self._settled("CDKToolkit", 60)
        assert status == "CREATE_COMPLETE", status

    def deploy(self, assembly: str, name: str, limit: float, *, rollback: bool = True) -> Done:
        """Create or update the stack; return how that ended, with what CloudFormation said of it as the output."""
        return self._done("deploy", name, assembly, lambda: self._deploy(assembly, name, limit, rollback) in _SUCCEEDED)

    def deploy_app(self, app: str, options: Sequence[str], directory: Path, environment: Mapping[str, str]) -> Done:
        """Run an app with the context of `-c name=value`, as the CLI does, and deploy its one stack."""
        given = dict(value.split("=", 1) for name, value in pairwise(options) if name == "-c")
        context = {**json.loads((PROJECT / "cdk.json").read_text())["context"], **given}
        assembly = tempfile.mkdtemp(prefix="cdk.out-", dir=directory)
        began, clock = time.time(), time.monotonic()
        ran = subprocess.run(
            shlex.split(app),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            env={**environment, "CDK_OUTDIR": assembly, "CDK_CONTEXT_JSON": json.dumps(context)},
        )
        said = ran.stdout + ran.stderr
        if ran.returncode != 0:
            return Done(app, ran.returncode, said, began, time.monotonic() - clock, assembly)
        (name,) = _stacks(Path(assembly))
        done = self.deploy(assembly, name, LIMIT)
        return replace(done, output=f"{said}\n{done.output}", began=began, seconds=time.monotonic() - clock)

    def destroy(self, name: str, limit: float) -> Done:
        """Delete the stack; return how that ended."""
        return self._done("destroy", name, "", lambda: self._delete(name, limit) == "GONE")

    def _done(self, command: str, name: str, assembly: str, succeeds: Callable[[], bool]) -> Done:
        began, clock = time.time(), time.monotonic()
        exit_code = 0 if succeeds() else 1
        seconds = time.monotonic() - clock
        said = [*self._said(name, began), *self._outputs(name)]
        return Done(f"{command} {name}", exit_code, "\n".join(said), began, seconds, assembly)

    def _deploy(self, assembly: str, name: str, limit: float, rollback: bool) -> str:
        artifact_id, template = stack_of(Path(assembly), name)
        is_protected = bool(_stacks(Path(assembly))[name][1].get("terminationProtection"))
        self._publish(Path(assembly), f"{artifact_id}.assets.json")
        status = stack_status(self._aws, name)
        if status in _REPLACED:
            status = self._delete(name, limit)
        call = self._client.create_stack if status == "GONE" else self._client.update_stack
        call(StackName=name, TemplateBody=template, Capabilities=_CAPABILITIES, DisableRollback=not rollback)
        status = self._settled(name, limit)
        self._client.update_termination_protection(StackName=name, EnableTerminationProtection=is_protected)
        return status

    def _delete(self, name: str, limit: float) -> str:
        self._client.delete_stack(StackName=name)
        return self._settled(name, limit)

    def _settled(self, name: str, limit: float) -> str:
        until, interval = time.monotonic() + limit, _INTERVAL
        while (status := stack_status(self._aws, name)).endswith("_IN_PROGRESS"):
            assert time.monotonic() < until, f"{name} is still {status}"
            time.sleep(interval)
            # Tests deploy up to ten stacks at once: their looks add up.
            interval = min(interval * _GROWTH, _LONGEST)
        return status

    def _publish(self, assembly: Path, manifest: str) -> None:
        """Upload what a stack needs of files, each once."""
        s3 = self._aws.boto3_client("s3")
        with self._publishing:
            for asset in json.loads((assembly / manifest).read_text())["files"].values():
                for destination in asset["destinations"].values():
                    key = destination["objectKey"]
                    if key not in self._published:
                        bucket = self._resolved(destination["bucketName"])
                        s3.put_object(Bucket=bucket, Key=key, Body=_content(assembly, asset))
                        self._published.add(key)

    def _resolved(self, name: str) -> str:
        return name.replace("${AWS::AccountId}", ACCOUNT).replace("${AWS::Region}", self._aws.region)

    def _said(self, name: str, since: float) -> list[str]:
        """What CloudFormation says of a stack since a time, the oldest first."""
        began = datetime.fromtimestamp(since, UTC)
        try:
            pages = list(self._client.get_paginator("describe_stack_events").paginate(StackName=name))
        except ClientError:
            # A stack that is gone.
            return []
        events: list[dict[str, Any]] = [event for page in pages for event in page["StackEvents"]]
        return [
            f"{event['LogicalResourceId']} {event['ResourceStatus']} {event.get('ResourceStatusReason', '')}"
            for event in reversed(events)
            if event["Timestamp"].astimezone(UTC) >= began
        ]

    def _outputs(self, name: str) -> list[str]:
        if stack_status(self._aws, name) == "GONE":
            return []
        (stack,) = self._client.describe_stacks(StackName=name)["Stacks"]
        return [f"{one['OutputKey']} = {one['OutputValue']}" for one in stack.get("Outputs", [])]


def stack_of(assembly: Path, name: str) -> tuple[str, str]:
    """Return the id of a stack's artifact, and its template, by what the assembly's manifest says."""
    artifact_id, properties = _stacks(assembly)[name]
    return artifact_id, (assembly / properties["templateFile"]).read_text()


def _stacks(assembly: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return name -> id of the artifact and its properties, of each stack."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    return {
        artifact["properties"].get("stackName", artifact_id): (artifact_id, artifact["properties"])
        for artifact_id, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }


def _content(assembly: Path, asset: dict[str, Any]) -> bytes:
    path = Path(assembly, asset["source"]["path"])
    if asset["source"]["packaging"] == "file":
        return path.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(path))
    return packed.getvalue()
