"""One invocation in a process of its own: start, import, call, end. Nothing of the project is imported here.

Standard input has the job. As in Lambda, whose code folder can't be written to, the handler's byte code is not kept
from one start to the next; that of boto3 is. To the file descriptor REPORT goes what only the process itself knows.
"""

import sys

sys.dont_write_bytecode = True

import json  # noqa: E402
import os  # noqa: E402
import time  # noqa: E402
from importlib import import_module  # noqa: E402
from typing import Any  # noqa: E402


class Context:
    """What Lambda hands to a handler."""

    def __init__(self, timeout: float) -> None:
        self._ends = time.time() + timeout
        self.aws_request_id = "invocation"
        self.function_name = "benchmark"
        self.invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:benchmark"
        self.log_stream_name = self.log_group_name = "log"

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left."""
        return int((self._ends - time.time()) * 1000)


def main() -> None:
    """Do the job."""
    job: dict[str, Any] = json.load(sys.stdin)
    sys.path[:0] = [job["asset"], *job["path"]]
    module, _, name = job["handler"].rpartition(".")
    handler = getattr(import_module(module), name)
    ready = time.time()
    handler(job["event"], Context(job["timeout"]))
    with open("/proc/self/status") as status:  # noqa: PTH123 - pathlib would cost an import
        peak = next(line for line in status if line.startswith("VmHWM"))
    os.write(int(os.environ["REPORT"]), json.dumps({"ready": ready, "peak_kb": int(peak.split()[1])}).encode())


main()
