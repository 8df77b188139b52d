"""Runs the code samples of the pages: `python samples.py samples.json`, in the folder where they are to run.

A whole app is run as it stands. A part of one is run in a stack, with the names that its page takes for granted. Each
has to synthesize. Prints why a sample does not, and ends with 1 then.
"""

import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import aws_cdk
from aws_cdk import App, Duration, Environment, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

import evs_entitlements
from evs_entitlements import lambda_code

PUBLIC = {name: getattr(evs_entitlements, name) for name in evs_entitlements.__all__}


def part_of_an_app(code: str) -> None:
    app = App()
    stack = Stack(app, "Sample", env=Environment(account="111122223333", region="eu-central-1"))
    # Not all of them in each stack: a resource that a sample does not ask for may not get in its way.
    lazily: dict[str, Any] = {
        "on_call": lambda: sns.Topic(stack, "OnCall"),
        "tickets": lambda: sqs.Queue(stack, "Tickets-Queue"),
        "vpc": lambda: ec2.Vpc(stack, "Network"),
        "key": lambda: kms.Key(stack, "Key"),
    }
    given = {name: make() for name, make in lazily.items() if name in code and f"{name} = " not in code}
    names = {
        "app": app,
        "self": stack,
        "stack": stack,
        "Stack": Stack,
        "Duration": Duration,
        "RemovalPolicy": RemovalPolicy,
        "ec2": ec2,
        "events": events,
        "targets": targets,
        "lambda_": lambda_,
        "aws_cdk": aws_cdk,
    }
    exec(compile(code, "<sample>", "exec"), {**PUBLIC, **names, **given})
    app.synth()


def whole_app(code: str) -> None:
    exec(compile(code, "<sample>", "exec"), {"__name__": "__main__"})
    templates = list(Path(os.environ["CDK_OUTDIR"]).glob("*.template.json"))
    assert any("Custom::EvsWindowsServerEntitlements" in path.read_text() for path in templates), "declares nothing"


def main() -> int:
    failed = 0
    # Copying the function's code and hashing it would take longer than all else.
    lambda_code.staged_files = lambda: {"lambda_handler/main.py": b"handler = print\n"}
    for where, code in json.loads(Path(sys.argv[1]).read_text()):
        shutil.rmtree(os.environ["CDK_OUTDIR"], ignore_errors=True)
        try:
            (whole_app if "app.synth()" in code else part_of_an_app)(code)
        except Exception:  # noqa: BLE001
            failed = 1
            print(f"{where}:\n{traceback.format_exc(limit=-3)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
