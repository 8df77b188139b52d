"""Runs the staged asset in fresh processes, as Lambda does, without paying for the imports each time.

Started once for an asset: imports the handler from it, then forks a process for each invocation that it is told of
over a Unix socket. The child has the asset's modules and nothing of an earlier invocation. Killed at its timeout.
"""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

# Only for this one import: the handler is the asset's, not the project's.
sys.path.insert(0, str(Path(__file__).parents[2]))
from testing.lambda_context import LambdaContext

del sys.path[0]

Handler = Callable[[dict[str, Any], LambdaContext, Any], None]


def interrupt(at: tuple[int, str, str]) -> None:
    """Send this process a signal, or raise, before or after its n-th AWS call, or the PUT of its answer (0)."""
    import botocore.client

    from lambda_handler.platform import LambdaPlatform

    number, when, name = at
    sent: list[int] = []

    def happen(name: str) -> None:
        if name == "raise":
            raise ValueError("something that nobody thought of")
        os.kill(os.getpid(), getattr(signal, name))

    def around(function: Callable[..., Any], counted: bool) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if counted:
                sent.append(1)
            here = counted == (number > 0) and (len(sent) == number or not counted)
            if here and when == "before":
                happen(name)
            result = function(*args, **kwargs)
            if here and when == "after":
                happen(name)
            return result

        return wrapped

    botocore.client.BaseClient._make_api_call = around(botocore.client.BaseClient._make_api_call, True)
    setattr(LambdaPlatform, "put", around(LambdaPlatform.put, False))  # noqa: B010 - put in the place of a method


def run(job: dict[str, Any], handler: Handler) -> NoReturn:
    if job.get("at"):
        interrupt(job["at"])
    log = os.open(job["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(job["env"])
    from lambda_handler.pace import Pace

    try:
        handler(job["event"], LambdaContext(job["timeout"], request_id=job["id"]), Pace(**job.get("patch", {})))
    except BaseException:  # noqa: BLE001 - as the Lambda runtime
        import traceback

        traceback.print_exc()
        sys.stdout.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)


def serve(connection: socket.socket, handler: Handler) -> NoReturn:
    """In a process of its own: start the handler's process, enforce its timeout, report how it ended."""
    with connection.makefile("rw") as stream:
        job = json.loads(stream.readline())
        child = os.fork()
        if child == 0:
            run(job, handler)
        print(child, file=stream, flush=True)
        ends = time.time() + job["timeout"]
        while True:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            if time.time() > ends:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.005)
        print(os.waitstatus_to_exitcode(status), file=stream, flush=True)
    os._exit(0)


def main(asset: str, path: str) -> NoReturn:
    sys.path.insert(0, asset)
    from lambda_handler.invocation import run as run_invocation
    from lambda_handler.platform import LambdaPlatform

    def handler(event: dict[str, Any], context: LambdaContext, pace: Any) -> None:
        run_invocation(event, context, LambdaPlatform(), pace)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(connection, handler)
        connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
