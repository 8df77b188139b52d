"""What Lambda hands to a handler beside the event, for an invocation in a process of its own.

Imports the standard library only: a measured process, or one that has only the staged asset, loads nothing else.
"""

import time


class LambdaContext:
    """The context of one invocation, whose time begins now.

    Args:
        seconds: the function's timeout.
        name: of the function.
        request_id: of the invocation; its log stream has the same name.
    """

    def __init__(self, seconds: float, name: str = "evs-entitlements", request_id: str = "invocation") -> None:
        self._ends = time.time() + seconds
        self.aws_request_id = request_id
        self.function_name = name
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        self.log_stream_name = request_id
        self.log_group_name = f"/aws/lambda/{name}"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left."""
        return int((self._ends - time.time()) * 1000)
