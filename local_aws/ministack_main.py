"""Runs ministack in its own interpreter, so that it leaves nothing behind and takes nothing it was not given.

This file is executed by the interpreter of ministack's virtual environment, so it imports nothing of the
project. It ends the whole process group when the process that started it is gone, keeps ministack off port
443, has CloudFormation invoke functions asynchronously as on AWS, and tells the local EVS API whom an access
key belongs to, which no AWS API does. All this is tied to the one version of ministack that is pinned.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: Where the EVS API asks for a caller. The secret in the path keeps functions from asking too.
CALLER_PATH = "/_local_aws/caller/"


def end_with_parent() -> None:
    """End this process group as soon as standard input, which the parent holds open, is closed."""

    def wait() -> None:
        # Only the kernel closes it: on the parent's exit, whatever the way it exits.
        while os.read(0, 4096):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True, name="end-with-parent").start()


def with_callers(app: Any, secret: str) -> Any:
    """Return the ASGI application with an answer more: whom an access key and session token belong to."""
    evaluator = importlib.import_module("ministack.core.iam_evaluator")

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or not path.startswith(CALLER_PATH + secret + "/"):
            await app(scope, receive, send)
            return
        access_key, _, token = path.removeprefix(CALLER_PATH + secret + "/").partition("/")
        found = evaluator.resolve_credential(access_key, session_token=token)
        arn = getattr(found, "principal_arn", None)
        body = json.dumps({"arn": arn, "type": getattr(found, "principal_type", None)}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return wrapped


def invoke_custom_resources_asynchronously() -> None:
    """Have Lambda retry a custom resource's invocation that fails or is killed, as it does on AWS.

    ministack invokes such a function once and waits for its end, and only then does ServiceTimeout begin.
    The asynchronous way also brings what the function wrote into ministack's own log, where it outlives the
    stack's log group.
    """
    functions: Any = importlib.import_module("ministack.services.lambda_svc")
    invoke = functions._execute_function_with_config_scope

    def invoke_or_queue(function: Any, event: Any) -> Any:
        if not (isinstance(event, dict) and {"RequestType", "ResponseURL", "StackId"} <= event.keys()):
            return invoke(function, event)
        show_cleanup(event)
        functions.invoke_async_with_retry(function, event)
        return {}

    functions._execute_function_with_config_scope = invoke_or_queue


def show_cleanup(event: dict[str, Any]) -> None:
    """Have a stack say that it is in the clean-up after a successful update, as on AWS.

    ministack goes on saying UPDATE_IN_PROGRESS, and a handler that asks could not tell the two apart. While
    an update is in progress, only the clean-up deletes.
    """
    service: Any = importlib.import_module("ministack.services.cloudformation")
    stacks: Any = importlib.import_module("ministack.services.cloudformation.stacks")
    stack_id = event["StackId"]
    stack = next((item for item in service._stacks.values() if item["StackId"] == stack_id), None)
    if event["RequestType"] != "Delete" or not stack or stack["StackStatus"] != "UPDATE_IN_PROGRESS":
        return
    stack["StackStatus"] = status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    name = stack["StackName"]
    stacks._add_event(stack_id, name, name, "AWS::CloudFormation::Stack", status, "", stack_id)


def main() -> None:
    """Run ministack until it is told to stop."""
    secret = os.environ.pop("LOCAL_AWS_SECRET")
    end_with_parent()
    ministack: Any = importlib.import_module("ministack.app")
    ministack._port_is_bindable = lambda *_: False
    ministack.app = with_callers(ministack.app, secret)
    invoke_custom_resources_asynchronously()
    sys.argv[1:] = []
    ministack.main()


if __name__ == "__main__":
    main()
