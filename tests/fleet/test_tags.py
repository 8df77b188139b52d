"""Tags by the newer form of vCenter's REST API, which the simulator does not have, against a server that has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evs_fleet.errors import VcenterError
from evs_fleet.inventory.connection import Endpoint
from evs_fleet.inventory.tags import BATCH, read_tags
from tests.fleet.rest import PASSWORD, SESSION, USER, Answers, Server


def read(server: Server) -> dict[str, tuple[str, ...]]:
    endpoint = Endpoint("127.0.0.1", server.port, USER, PASSWORD, server.ca_file)
    return dict(read_tags(endpoint, endpoint.tls()))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    running.answers = tagging({"urn:t1": "aws", "urn:t2": "own"}, attached)
    yield running
    running.close()


def tagging(tags: dict[str, str], attach: Callable[[Any], Any]) -> Answers:
    root = "/api/cis/tagging"
    answers: Answers = {
        "POST /api/session": SESSION,
        "DELETE /api/session": {},
        f"GET {root}/category": ["urn:c1"],
        f"GET {root}/category/urn:c1": {"id": "urn:c1", "name": "licence"},
        f"GET {root}/tag": list(tags),
        f"POST {root}/tag-association?action=list-attached-objects-on-tags": attach,
    }
    for key, name in tags.items():
        answers[f"GET {root}/tag/{key}"] = {"id": key, "name": name, "category_id": "urn:c1"}
    return answers


def attached(body: Any) -> Any:
    vms = {"urn:t1": ["vm-1", "vm-2"], "urn:t2": ["vm-2"]}
    return [
        {
            "tag_id": key,
            "object_ids": [{"id": vm, "type": "VirtualMachine"} for vm in vms[key]]
            + [{"id": "h", "type": "HostSystem"}],
        }
        for key in body["tag_ids"]
    ]


def test_tags_of_vms_alone(server: Server) -> None:
    assert read(server) == {"vm-1": ("licence:aws",), "vm-2": ("licence:aws", "licence:own")}


def test_the_session_is_ended(server: Server) -> None:
    read(server)
    assert server.asked[0] == "POST /api/session"
    assert server.asked[-1] == "DELETE /api/session"


def test_many_tags_are_asked_for_in_batches(server: Server) -> None:
    tags = {f"urn:t{n}": f"tag{n}" for n in range(2 * BATCH + 1)}
    sizes: list[int] = []

    def attach(body: Any) -> Any:
        sizes.append(len(body["tag_ids"]))
        return [{"tag_id": key, "object_ids": [{"id": "vm-1", "type": "VirtualMachine"}]} for key in body["tag_ids"]]

    server.answers = tagging(tags, attach)
    assert len(read(server)["vm-1"]) == 2 * BATCH + 1
    assert sizes == [BATCH, BATCH, 1]


def test_a_vcenter_that_is_busy_is_asked_again(server: Server) -> None:
    server.failures = [503]
    assert read(server)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"GET /api/cis/tagging/tag": b"<html>"}, "no JSON"),
        ({"GET /api/cis/tagging/tag/urn:t1": ["urn"]}, "an answer of another form"),
        ({"GET /api/cis/tagging/tag/urn:t2": None}, "HTTP status 404"),
        ({"POST /api/session": "another"}, "HTTP status 401"),
    ],
)
def test_what_goes_wrong_is_one_line(server: Server, change: Answers, words: str) -> None:
    server.answers |= change
    with pytest.raises(VcenterError, match=rf"vCenter 127\.0\.0\.1:\d+: its tags can't be read: .*{re.escape(words)}"):
        read(server)
