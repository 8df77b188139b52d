"""The local EVS API as an HTTP server: a Flask application on a server of its own thread.

Only HTTP is here: what a call does is `service`'s, and what comes in under ``/_local/`` is `control`'s.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import uuid
from typing import Any

from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from local_aws.evs_api.access import Iam
from local_aws.evs_api.control import control_blueprint
from local_aws.evs_api.hand import Hand
from local_aws.evs_api.service import Service
from local_aws.evs_api.settings import Settings
from local_aws.evs_api.world import World
from local_aws.inventory import Inventory

CONTENT_TYPE = "application/x-amz-json-1.0"


class _QuietHandler(WSGIRequestHandler):
    """Logs nothing: the call log says more."""

    def log_request(self, *_: Any) -> None:
        """Log nothing."""

    def connection_dropped(self, *_: Any) -> None:
        """Say nothing about connections that faults closed."""


def make_app(service: Service) -> Flask:
    """Return the WSGI application that serves the EVS API and its controls."""
    app = Flask(__name__)
    app.register_blueprint(control_blueprint(service), url_prefix="/_local")

    @app.post("/")
    def call() -> Response:
        answer = service.handle(dict(request.headers), request.get_data())
        if answer.closed:
            _close(request.environ.get("werkzeug.socket"))
        response = Response(answer.body, answer.status or 200, content_type=CONTENT_TYPE)
        response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        if answer.error:
            response.headers["x-amzn-ErrorType"] = answer.error
        return response

    return app


def _close(connection: socket.socket | None) -> None:
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class EvsApi:
    """A local EVS API in this process, started on entry and stopped on exit.

    Parameters
    ----------
    inventory, settings
        What exists and how it behaves; see `Inventory` and `Settings`.
    port
        On 127.0.0.1; 0 for a free one.
    iam
        Where permissions are looked up; None lets everybody do everything.
    seed
        For everything that is drawn by lot.
    world
        A world to serve instead of a new one, for instance one with a clock of its own.

    Attributes
    ----------
    world
        The state.
    hand
        Changes the state by hand.
    calls, faults
        The log of calls and the fault rules.
    """

    def __init__(
        self,
        inventory: Inventory | None = None,
        settings: Settings | None = None,
        *,
        port: int = 0,
        iam: Iam | None = None,
        seed: int = 0,
        world: World | None = None,
    ) -> None:
        self.world = world or World(inventory, settings, seed=seed)
        self.service = Service(self.world, iam, seed=seed)
        self.hand = Hand(self.world)
        self.calls, self.faults = self.service.calls, self.service.faults
        self._server = make_server(
            "127.0.0.1", port, make_app(self.service), threaded=True, request_handler=_QuietHandler
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True, name="local-evs-api"
        )

    @property
    def url(self) -> str:
        """The endpoint, for ``AWS_ENDPOINT_URL_EVS``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> EvsApi:
        """Begin to serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop serving and let go of the calls that are held back."""
        self.faults.clear()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> EvsApi:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
