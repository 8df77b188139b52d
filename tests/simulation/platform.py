"""The seam: time, clients and the PUT of the answer, as one invocation of the handler has them.

Owns the way of a call: it may be killed or held up before it leaves, meets its fate (trouble.py), takes effect at its
own time whether or not the caller still lives, and its answer takes time to come back.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ReadTimeoutError

from lambda_handler.pace import Pace

from .errors import Refusal
from .functions import PAYLOAD, Invocation
from .stack_answers import describe
from .trouble import Fate

Carry = Callable[[dict[str, Any]], dict[str, Any]]
_METHODS = {
    "evs": {
        "list_vm_entitlements": "ListVmEntitlements",
        "create_entitlement": "CreateEntitlement",
        "delete_entitlement": "DeleteEntitlement",
        "list_environment_connectors": "ListEnvironmentConnectors",
    },
    "dynamodb": {"get_item": "GetItem", "put_item": "PutItem", "update_item": "UpdateItem"},
    "lambda": {"invoke": "Invoke"},
    "cloudformation": {
        "describe_stacks": "DescribeStacks",
        "describe_stack_resource": "DescribeStackResource",
        "describe_stack_events": "DescribeStackEvents",
    },
}
_CHANGES = ("CreateEntitlement", "DeleteEntitlement")


class SimulatedPlatform:
    """The world outside of one invocation."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._world = invocation.world

    def now(self) -> float:
        """Return epoch seconds."""
        return self._world.clock.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._invocation.step()
        self._invocation.sleep(seconds)

    def client(self, service: str, connect_timeout: float = 3.0, read_timeout: float = 15.0) -> Any:
        """Return a client in botocore's form."""
        return _Client(self, service, read_timeout)

    def put(self, url: str, body: bytes, timeout: float = 10.0) -> int:
        """PUT an answer to S3."""
        invocation = self._invocation
        invocation.step()
        latency = self._world.weather.latency * invocation.random.random()
        invocation.sleep(latency)
        status, reached = self._world.answers.put(url, body, invocation)
        invocation.sleep(latency)
        invocation.step()
        if status is None:
            raise ConnectionResetError("connection reset by peer")
        self._world.story("invocation", invocation.number, f"PUT answer: HTTP {status}{'' if reached else ', not in'}")
        return status

    def call(self, client: "_Client", operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Make one call."""
        invocation, world = self._invocation, self._world
        invocation.step()
        for hook in client.hooks.get(f"before-send.{client.service}.{operation}", ()):
            hook(request=None)
        changes = operation in _CHANGES
        fate = self._fate(client.service, operation, parameters)
        call = _Call(self, client.service, operation, parameters, fate)
        latency = world.weather.latency * invocation.random.random()
        if fate.effect is not None:
            world.clock.after(latency + fate.effect, call.take_effect)
        late = fate.late if 2 * latency + fate.late < client.read_timeout else client.read_timeout
        if operation == "Invoke" and (fate.error is not None or fate.silent or late != fate.late):
            invocation.request.is_invoke_unheard = True
        invocation.sleep(client.read_timeout if fate.silent else 2 * latency + late + 1e-6)
        if changes:
            world.evs.fly(parameters["vmIds"])
            called = (invocation.request.stack.name, frozenset(parameters["vmIds"]), world.clock.now)
            world.evs.called.append(called)
            if fate.name != "throttled" and (fate.error is not None or fate.silent or late != fate.late):
                world.evs.lost.append(called)
        invocation.step()
        self._note(operation, call)
        if fate.error is not None:
            raise fate.error(operation)
        if late != fate.late or not call.is_done:
            raise ReadTimeoutError(endpoint_url="https://aws.example")
        if call.refusal is not None:
            raise call.refusal.of(operation)
        return call.answer

    def _note(self, operation: str, call: "_Call") -> None:
        """Note what the ledger has not heard, and whether an invocation ends while it reads the stack's events."""
        invocation, request = self._invocation, self._invocation.request
        if operation in ("PutItem", "UpdateItem"):
            invocation.is_untold = not call.is_done or call.refusal is not None
        if operation == "DescribeStackEvents":
            invocation.is_reading = "NextToken" in call.answer
        elif operation == "Invoke" and invocation.is_reading:
            request.cut_short += 1
            # No invocation has the time to read them: see docs/limits.md.
            request.stack.is_unsure = request.stack.is_unsure or request.cut_short >= Pace.asked_anew
        elif operation != "GetItem":
            invocation.is_reading = False

    def _fate(self, service: str, operation: str, parameters: dict[str, Any]) -> Fate:
        world, invocation, now = self._world, self._invocation, self._world.clock.now
        may_be_lost = True
        if operation in _CHANGES:
            world.evs.fly(parameters["vmIds"])
            touched = world.evs.touched_by_hand
            may_be_lost = all(now - touched.get(vm_id, 0.0) > 130.0 for vm_id in parameters["vmIds"])
        fate = world.trouble.fate(service, operation, now, invocation.random, may_be_lost=may_be_lost)
        if fate.name == "not found once":
            invocation.request.excuses.add("not found once")
        return fate

    def carry_out(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Let a service do what a call asks for."""
        world, invocation = self._world, self._invocation
        stack = invocation.request.stack
        if service == "dynamodb":
            return stack.table.call(operation, parameters)
        if service == "cloudformation":
            return describe(stack, operation, parameters)
        if service == "lambda":
            return self._invoke(parameters)
        if operation == "ListEnvironmentConnectors":
            return world.listing.connectors(parameters["environmentId"])
        where = (parameters["environmentId"], parameters["connectorId"])
        if operation == "ListVmEntitlements":
            return world.listing.page(where, parameters.get("nextToken"), parameters.get("maxResults", 100))
        vm_ids = list(parameters["vmIds"])
        if not 1 <= len(vm_ids) <= 100 or len(set(vm_ids)) != len(vm_ids):
            raise Refusal("ValidationException", "vmIds: 1 to 100 different ids", reason="fieldValidationFailed")
        invocation.request.last_change = world.clock.now
        change = world.evs.create if operation == "CreateEntitlement" else world.evs.delete
        try:
            rows = change(where, vm_ids, stack.name)
        except Refusal as refusal:
            if world.weather.repeats_request:
                refusal.message = f"[{', '.join(vm_ids)}]: {refusal.message}"
            raise
        return {"entitlements": [row.answer(row.look) for row in rows] if world.weather.answers_hold_rows else []}

    def _invoke(self, parameters: dict[str, Any]) -> dict[str, Any]:
        world, invocation, function = self._world, self._invocation, self._invocation.function
        request = invocation.request
        assert parameters["FunctionName"] == function.arn
        assert parameters["InvocationType"] == "Event"
        how = "taken" if world.trouble.is_calm else world.weather.hand_over
        too_large = len(parameters["Payload"]) > PAYLOAD
        if too_large or how == "refused":
            request.excuses.add("hand-over refused")
            raise Refusal("RequestEntityTooLargeException", "Request must be smaller than 262144 bytes", 413)
        if how == "throttled for good" or (how == "throttled" and invocation.random.random() < 0.7):
            request.excuses.add("hand-over throttled")
            raise Refusal("TooManyRequestsException", "Rate Exceeded.", 429)
        if how == "denied at first" and world.clock.now - request.issued_at < 60:
            raise Refusal("AccessDeniedException", "not authorized to perform: lambda:InvokeFunction", 403)
        function.deliver_again(parameters["Payload"], invocation)
        return {"StatusCode": 202}


class _Call:
    """A call on its way."""

    def __init__(
        self, platform: SimulatedPlatform, service: str, operation: str, parameters: dict[str, Any], fate: Fate
    ) -> None:
        self._platform = platform
        self._what = (service, operation, parameters)
        self._fate = fate
        self.is_done = False
        self.answer: dict[str, Any] = {}
        self.refusal: Refusal | None = None

    def take_effect(self) -> None:
        """Let the service do what the call asks for."""
        service, operation, parameters = self._what
        try:
            self.answer = self._platform.carry_out(service, operation, parameters)
        except Refusal as refusal:
            self.refusal = refusal
        self.is_done = True
        if operation != "ListVmEntitlements" or self.refusal is not None:
            self._platform._world.story(
                "call", self._platform._invocation.number, operation, parameters, self._fate.name, self.refusal
            )


class _Events:
    def __init__(self, hooks: dict[str, list[Callable[..., Any]]]) -> None:
        self._hooks = hooks

    def register(self, name: str, hook: Callable[..., Any], **_: Any) -> None:
        self._hooks.setdefault(name, []).append(hook)


class _Client:
    """A client of one service, as botocore makes it."""

    def __init__(self, platform: SimulatedPlatform, service: str, read_timeout: float) -> None:
        self._platform = platform
        self.service = service
        self.read_timeout = read_timeout
        self.hooks: dict[str, list[Callable[..., Any]]] = {}
        self.meta = self
        self.events = _Events(self.hooks)
        self._operations = _METHODS[service]

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        if name not in self._operations:
            raise AttributeError(name)
        operation = self._operations[name]
        return lambda **parameters: self._platform.call(self, operation, parameters)
