"""HTTP controls of the local EVS API under ``/_local/``, for tests and tools in other processes.

The counterpart of `client`. Everything is JSON; what is wrong in a request is answered with 400 and an ``error``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from local_aws.evs_api.faults import FaultRule
from local_aws.evs_api.hand import Hand
from local_aws.evs_api.rows import LICENSED
from local_aws.evs_api.service import Service

#: What can be done by hand over HTTP, by name.
HAND = (
    "entitle",
    "remove",
    "vanish",
    "set_status",
    "set_vm",
    "remove_vm",
    "set_connector",
    "remove_connector",
    "remove_environment",
)


def control_blueprint(service: Service) -> Blueprint:
    """Return the routes that control a service."""
    routes = Blueprint("control", __name__)
    world, faults, hand = service.world, service.faults, Hand(service.world)

    @routes.errorhandler(ValueError)
    @routes.errorhandler(TypeError)
    @routes.errorhandler(KeyError)
    def wrong(error: Exception) -> ResponseReturnValue:
        return jsonify(error=str(error)), 400

    @routes.errorhandler(TimeoutError)
    def late(error: Exception) -> ResponseReturnValue:
        return jsonify(error=str(error)), 408

    @routes.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="ok")

    @routes.get("/settings")
    def settings() -> ResponseReturnValue:
        return jsonify(dataclasses.asdict(world.settings))

    @routes.put("/settings")
    def change_settings() -> ResponseReturnValue:
        return jsonify(dataclasses.asdict(world.change_settings(**_body())))

    @routes.get("/faults")
    def list_faults() -> ResponseReturnValue:
        return jsonify(faults.rules())

    @routes.post("/faults")
    def add_fault() -> ResponseReturnValue:
        return jsonify(dataclasses.asdict(faults.add(FaultRule(**_body()))))

    @routes.delete("/faults")
    def clear_faults() -> ResponseReturnValue:
        faults.clear(seed=request.args.get("seed", type=int))
        return jsonify({})

    @routes.get("/held")
    def held() -> ResponseReturnValue:
        arguments = request.args
        numbers = faults.wait_held(
            arguments.get("rule"),
            count=arguments.get("count", 1, type=int),
            timeout=arguments.get("timeout", 0.0, type=float),
        )
        return jsonify(numbers)

    @routes.post("/release")
    def release() -> ResponseReturnValue:
        return jsonify(faults.release(_body().get("rule")))

    @routes.get("/calls")
    def calls() -> ResponseReturnValue:
        found = service.calls.find(request.args.get("operation"), request.args.get("vm"))
        return jsonify([dataclasses.asdict(call) for call in found])

    @routes.delete("/calls")
    def clear_calls() -> ResponseReturnValue:
        service.calls.clear()
        return jsonify({})

    @routes.get("/entitlements")
    def entitlements() -> ResponseReturnValue:
        return jsonify([row.as_answer() for row in world.all_rows()])

    @routes.get("/changes")
    def changes() -> ResponseReturnValue:
        return jsonify([dataclasses.asdict(change) for change in world.changes()])

    @routes.get("/intervals/<vm_id>")
    def intervals(vm_id: str) -> ResponseReturnValue:
        return jsonify(world.intervals(vm_id, request.args.getlist("status") or LICENSED))

    @routes.get("/inventory")
    def inventory() -> ResponseReturnValue:
        return jsonify(world.inventory().to_json())

    @routes.post("/hand/<name>")
    def by_hand(name: str) -> ResponseReturnValue:
        if name not in HAND:
            raise ValueError(f"nothing that can be done by hand: {name}")
        act: Callable[..., None] = getattr(hand, name)
        body: dict[str, Any] = _body()
        act(*body.get("args", []), **body.get("kwargs", {}))
        return jsonify({})

    @routes.post("/reset")
    def reset() -> ResponseReturnValue:
        service.reset()
        return jsonify({})

    return routes


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise ValueError("the body is no JSON object")
    return body
