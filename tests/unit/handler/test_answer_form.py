"""The answer's form, and crhelper's ways that are closed."""

import json
from typing import Any

import pytest

from lambda_handler.cloudformation.answer import Answer
from lambda_handler.cloudformation.custom_resource import CustomResource
from lambda_handler.errors import HandOver


@pytest.mark.parametrize("reason", ["x" * 10_000, "\U0001f600" * 3000, 'ä"\\' * 2000, ""])
def test_an_answer_fits(reason: str) -> None:
    answer = Answer("FAILED", "p" * 200, "r")
    object.__setattr__(answer, "reason", reason)
    body = answer.body("s" * 300, "request", "Windows")
    assert len(body) <= 4096
    told = json.loads(body)["Reason"]
    assert told == reason or told.endswith("...")
    assert len(body) > 3000 or told == reason


def test_a_reason_is_bounded_where_it_is_made() -> None:
    assert len(Answer("FAILED", "id", "x" * 10_000).reason) <= 2400


def test_attributes_are_part_of_a_success_only() -> None:
    data = {"Count": "2"}
    assert json.loads(Answer("SUCCESS", "id", data=data).body("s", "r", "l"))["Data"] == data
    assert "Data" not in json.loads(Answer("FAILED", "id", "why", data).body("s", "r", "l"))


def test_an_answer_is_read_as_it_was_stored() -> None:
    answer = Answer("SUCCESS", "id", "why", {"Count": "2"})
    assert Answer.of_stored(json.loads(json.dumps(answer.stored()))) == answer


class Nobody:
    def serve(self) -> Answer | None:
        return None

    def hand_over(self, more: HandOver) -> Answer | None:
        raise AssertionError(more)

    def send(self, url: str, body: bytes) -> None:
        raise AssertionError(url, body)


def test_crhelpers_clients_timer_polling_and_random_ids_are_out() -> None:
    resource: Any = CustomResource(Nobody())
    for client in ("_lambda_client", "_events_client", "_logs_client"):
        assert not hasattr(resource, client)
    resource._set_timeout()
    assert resource._timer is None
    assert not resource._poll_enabled()
    assert resource._sleep_on_delete == 0
    assert resource.generate_physical_id({"RequestId": "r"}) == resource.generate_physical_id({"RequestId": "r"})
    for polling in (resource._setup_polling, resource._remove_polling):
        with pytest.raises(NotImplementedError):
            polling()
