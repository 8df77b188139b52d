"""Which tags the VMs of a vCenter have, by its REST API: pyVmomi has none.

Owns both forms of that API: `/api`, and `/rest`, which a vCenter before 7.0 U2 has alone. Reads only; ends its session.
https://developer.broadcom.com/xapis/vsphere-automation-api/latest/cis/tagging/
"""

from __future__ import annotations

import base64
import json
import ssl
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import urllib3

from evs_fleet.errors import VcenterError
from evs_fleet.inventory.connection import CONNECT_SECONDS, TIMEOUT_SECONDS, Endpoint

#: Tags that are asked for in one call.
BATCH = 100
_SESSION = "vmware-api-session-id"
_NOT_FOUND = 404
# Every call here may be made twice: none changes anything but sessions.
_RETRIES = urllib3.Retry(
    total=4, allowed_methods=None, status_forcelist=[429, 502, 503, 504], backoff_factor=0.5, raise_on_status=False
)


class _Api(Protocol):
    """The addresses of one form of the API."""

    session: str
    tagging: str

    def one(self, id: str) -> str:  # noqa: A002  the name of the API
        """Return how an id stands in an address."""

    def value(self, answer: Any) -> Any:
        """Return what an answer says."""

    action: str


class _New:
    session, tagging, action = "/api/session", "/api/cis/tagging", "action"

    def one(self, id: str) -> str:  # noqa: A002  the name of the API
        return id

    def value(self, answer: Any) -> Any:
        return answer


class _Old:
    session, tagging, action = "/rest/com/vmware/cis/session", "/rest/com/vmware/cis/tagging", "~action"

    def one(self, id: str) -> str:  # noqa: A002  the name of the API
        return f"id:{id}"

    def value(self, answer: Any) -> Any:
        return answer["value"]


def read_tags(endpoint: Endpoint, tls: ssl.SSLContext) -> Mapping[str, tuple[str, ...]]:
    """Return VM id -> its tags, each category:tag, sorted.

    Raises:
        VcenterError: the API can't be reached or refuses.
    """
    try:
        return _read(endpoint, tls)
    except (KeyError, TypeError) as error:
        raise VcenterError(f"vCenter {endpoint.label}: its tags can't be read: an answer of another form") from error


def _read(endpoint: Endpoint, tls: ssl.SSLContext) -> Mapping[str, tuple[str, ...]]:
    # The simulator says null where a vCenter says [].
    with _Client(endpoint, tls) as client:
        categories = {key: client.get("category/{}", key)["name"] for key in client.get("category") or []}
        tags = {key: client.get("tag/{}", key) for key in client.get("tag") or []}
        names = {key: f"{categories.get(tag['category_id'], '?')}:{tag['name']}" for key, tag in tags.items()}
        found: defaultdict[str, set[str]] = defaultdict(set)
        for batch in _batches(sorted(tags)):
            for attached in client.attached(batch) or []:
                for item in attached["object_ids"] or []:
                    if item["type"] == "VirtualMachine":
                        found[item["id"]].add(names[attached["tag_id"]])
        return {vm: tuple(sorted(of_vm)) for vm, of_vm in found.items()}


class _Client:
    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext) -> None:
        self._endpoint = endpoint
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=TIMEOUT_SECONDS)
        self._pool = urllib3.HTTPSConnectionPool(
            endpoint.host, endpoint.port, ssl_context=tls, timeout=timeout, retries=_RETRIES
        )
        self._api: _Api = _New()
        self._headers: dict[str, str] = {}

    def __enter__(self) -> _Client:
        """Log in."""
        # In UTF-8, as vCenter takes it; urllib3's own is Latin-1, which a password need not be.
        pair = f"{self._endpoint.user}:{self._endpoint.password}".encode()
        basic = {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
        answer = self._send("POST", self._api.session, headers=basic)
        if answer.status == _NOT_FOUND:
            self._api = _Old()
            answer = self._send("POST", self._api.session, headers=basic)
        self._headers = {_SESSION: str(self._api.value(self._json(answer)))}
        return self

    def __exit__(self, *_: object) -> None:
        """Log out; a session that can't be ended ends by itself."""
        try:
            self._send("DELETE", self._api.session)
        except VcenterError:
            return
        finally:
            self._pool.close()

    def get(self, what: str, id: str = "") -> Any:  # noqa: A002  the name of the API
        path = what.format(self._api.one(id))
        return self._api.value(self._json(self._send("GET", f"{self._api.tagging}/{path}")))

    def attached(self, tag_ids: list[str]) -> Any:
        path = f"{self._api.tagging}/tag-association?{self._api.action}=list-attached-objects-on-tags"
        body = json.dumps({"tag_ids": tag_ids}).encode()
        return self._api.value(self._json(self._send("POST", path, body=body)))

    def _send(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "Content-Type": "application/json", **self._headers, **(headers or {})}
        try:
            return self._pool.urlopen(method, path, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None)
            raise self._endpoint.failure(reason if isinstance(reason, OSError) else error) from error

    def _json(self, answer: urllib3.BaseHTTPResponse) -> Any:
        if answer.status // 100 != 2:
            status = f"{answer.status} {answer.reason or ''}".strip()
            raise VcenterError(f"vCenter {self._endpoint.label}: its tags can't be read: HTTP status {status}")
        try:
            return answer.json()
        except ValueError as error:
            raise VcenterError(
                f"vCenter {self._endpoint.label}: its tags can't be read: the answer is no JSON"
            ) from error


def _batches(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
