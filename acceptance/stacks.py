"""The stacks of a run, synthesized in a process of their own: a Ctrl-C that ends the CDK's Node leaves the run alone.

    python -m acceptance.stacks SPECIFICATION DIRECTORY

Writes a cloud assembly for each stack of the specification, a JSON file. Deploys nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from acceptance.errors import AcceptanceError
from testing.cdk import PROJECT

#: Seconds.
_LIMIT = 600.0
#: CloudFormation waits so long for one request of the function, in minutes.
SERVICE_TIMEOUT = 30


@dataclass(frozen=True)
class Where:
    """Where the stacks go: the CDK CLI refuses to deploy with credentials of another account."""

    account: str
    region: str
    environment: str
    connector: str


@dataclass(frozen=True)
class Variant:
    """A stack as it is deployed once.

    Attributes:
        stack: its name.
        vms: what it declares; none for a stack without entitlements.
        fails_after: seconds after which a resource fails that is made behind the entitlements; None for no such one.
    """

    stack: str
    vms: tuple[str, ...]
    fails_after: int | None = None


def synthesize(where: Where, variants: dict[str, Variant], directory: Path) -> dict[str, str]:
    """Return the folder of a cloud assembly for each variant, by its name.

    Raises:
        AcceptanceError: the CDK app failed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    specification = directory / "stacks.json"
    listed = {name: asdict(variant) for name, variant in variants.items()}
    text = json.dumps({**asdict(where), "variants": listed})
    specification.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "acceptance.stacks", str(specification), str(directory)]
    process = subprocess.Popen(  # noqa: S603
        command,
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=_environment(),
    )
    try:
        output, _ = process.communicate(timeout=_LIMIT)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        lines = [line for line in output.splitlines() if line.strip()] or ["no output"]
        raise AcceptanceError(f"the stacks can't be synthesized: {lines[-1]}")
    return {name: str(directory / name) for name in variants}


def _environment() -> dict[str, str]:
    # The CDK's own check of each template takes seconds, and is not what is tried here. Its Node is the one of `.venv`.
    path = f"{PROJECT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "CDK_VALIDATION": "false", "PATH": path}


def _write(specification: Path, directory: Path) -> None:
    # Here alone: to import the CDK starts Node.
    from aws_cdk import App, CfnWaitCondition, CfnWaitConditionHandle, Duration, Environment, Stack

    from evs_entitlements import WindowsServerEntitlements

    said = json.loads(specification.read_text(encoding="utf-8"))
    context = json.loads((PROJECT / "cdk.json").read_text(encoding="utf-8"))["context"]
    for name, variant in said["variants"].items():
        app = App(outdir=str(directory / name), context=context)
        text = "A run of `make acceptance`; may be deleted once that is over"
        env = Environment(account=said["account"], region=said["region"])
        stack = Stack(app, variant["stack"], description=text, env=env)
        # A stack that declares nothing needs something to be made of, and this costs nothing.
        handle = CfnWaitConditionHandle(stack, "Handle")
        entitlements = None
        if variant["vms"]:
            entitlements = WindowsServerEntitlements(
                stack,
                "Windows",
                environment_id=said["environment"],
                connector_id=said["connector"],
                vm_ids=variant["vms"],
                timeout=Duration.minutes(SERVICE_TIMEOUT),
            )
        if variant["fails_after"] is not None:
            # Nobody ever signals: it fails when its time is up.
            failing = CfnWaitCondition(stack, "Neighbour", handle=handle.ref, timeout=str(variant["fails_after"]))
            if entitlements:
                failing.node.add_dependency(entitlements)
        app.synth()


if __name__ == "__main__":
    _write(Path(sys.argv[1]), Path(sys.argv[2]))
