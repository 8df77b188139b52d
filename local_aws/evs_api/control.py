"""HTTP controls of the local EVS API under ``/_local/``, for tests and tools in other processes.

The counterpart of `client`. Everything is JSON; a wrong request is answered with 400 and an ``error``.
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
    for kind in (ValueError, TypeError, KeyError):
        routes.register_error_handler(kind, lambda error: _refusal(error, 400))
    routes.register_error_handler(TimeoutError, lambda error: _refusal(error, 408))
    _add_settings(routes, service)
    _add_faults(routes, service)
    _add_log(routes, service)
    _add_state(routes, service)
    return routes


def _refusal(error: Exception, status: int) -> ResponseReturnValue:
    return jsonify(error=str(error)), status


def _add_settings(routes: Blueprint, service: Service) -> None:
    world = service.world

    @routes.get("/health")
    def health() -> ResponseReturnValue:
        return jsonify(status="ok")

    @routes.get("/settings")
    def settings() -> ResponseReturnValue:
        return jsonify(dataclasses.asdict(world.settings))

    @routes.put("/settings")
    def change_settings() -> ResponseReturnValue:
        return jsonify(dataclasses.asdict(world.change_settings(**_body())))

    @routes.post("/reset")
    def reset() -> ResponseReturnValue:
        service.reset()
        return jsonify({})


def _add_faults(routes: Blueprint, service: Service) -> None:
    faults = service.faults

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


def _add_log(routes: Blueprint, service: Service) -> None:
    world = service.world

    @routes.get("/calls")
    def calls() -> ResponseReturnValue:
        found = service.calls.find(request.args.get("operation"), request.args.get("vm"))
        return jsonify([dataclasses.asdict(call) for call in found])

    @routes.delete("/calls")
    def clear_calls() -> ResponseReturnValue:
        service.calls.clear()
        return jsonify({})

    @routes.get("/changes")
    def changes() -> ResponseReturnValue:
        return jsonify([dataclasses.asdict(change) for change in world.changes()])

    @routes.get("/intervals/<vm_id>")
    def intervals(vm_id: str) -> ResponseReturnValue:
        return jsonify(world.intervals(vm_id, request.args.getlist("status") or LICENSED))


def _add_state(routes: Blueprint, service: Service) -> None:
    world, hand = service.world, Hand(service.world)

    @routes.get("/entitlements")
    def entitlements() -> ResponseReturnValue:
        return jsonify([row.as_answer() for row in world.all_rows()])

    @routes.get("/inventory")
    def inventory() -> ResponseReturnValue:
        return jsonify(world.inventory().to_json())

    @routes.post("/hand/<name>")
    def by_hand(name: str) -> ResponseReturnValue:
        if name not in HAND:
            raise ValueError(f"nothing that can be done by hand: {name}")
        act: Callable[..., None] = getattr(hand, name)
        body = _body()
        act(*body.get("args", []), **body.get("kwargs", {}))
        return jsonify({})


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise TypeError("the body is no JSON object")
    return body
