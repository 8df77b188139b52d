"""One invocation in a process of its own: start, import, call, end. Of the project only the context is imported here.

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

# Only for this one import: what is measured is the contender's, not the project's.
sys.path.insert(0, __file__.rpartition("/benchmarks/")[0])
from testing.lambda_context import LambdaContext  # noqa: E402

del sys.path[0]


def main() -> None:
    """Do the job."""
    job: dict[str, Any] = json.load(sys.stdin)
    sys.path[:0] = [job["asset"], *job["path"]]
    module, _, name = job["handler"].rpartition(".")
    handler = getattr(import_module(module), name)
    ready = time.time()
    handler(job["event"], LambdaContext(job["timeout"], "benchmark"))
    with open("/proc/self/status") as status:  # noqa: PTH123 - pathlib would cost an import
        peak = next(line for line in status if line.startswith("VmHWM"))
    os.write(int(os.environ["REPORT"]), json.dumps({"ready": ready, "peak_kb": int(peak.split()[1])}).encode())


main()
