"""Words for people."""

import json

import pytest

from lambda_handler.text import batches, causes, clipped, clipped_json, count, json_bytes, some


def test_a_list_is_bounded_and_in_natural_order() -> None:
    assert some({"vm-10", "vm-9", "vm-100"}) == "vm-9, vm-10, vm-100"
    assert some([f"vm-{n}" for n in range(1, 1501)], 2) == "vm-1, vm-2 and 1,498 more"


def test_numbers_have_nouns() -> None:
    assert (count(1), count(2), count(1234)) == ("1 VM", "2 VMs", "1,234 VMs")


def test_failures_are_grouped_by_cause_the_largest_first() -> None:
    failed = {"vm-9": "GONE: vm-9 is gone"} | {f"vm-{n}": f"LINUX: vm-{n} is Linux" for n in range(101, 111)}
    told = causes(failed, most=2)
    assert told == "vm-101, vm-102 and 8 more: LINUX: vm-101 is Linux; vm-9: GONE: vm-9 is gone"


def test_of_a_few_failures_each_is_told_in_its_own_words() -> None:
    failed = {f"vm-{n}": f"LINUX: vm-{n} is Linux" for n in (7, 8)} | {"vm-9": "BUSY: no", "vm-10": "BUSY: no"}
    told = causes(failed)
    assert told == "vm-9, vm-10: BUSY: no; vm-7: LINUX: vm-7 is Linux; vm-8: LINUX: vm-8 is Linux"


def test_causes_are_bounded() -> None:
    told = causes({f"vm-{n}": f"C{n}: " + "x" * 1000 for n in range(100)})
    assert "and 92 VMs for 92 other reasons" in told
    assert len(told) < 2000


def test_batches_of_a_hundred() -> None:
    assert [len(batch) for batch in batches({f"vm-{n}" for n in range(250)})] == [100, 100, 50]
    assert batches([]) == []


def test_clipped() -> None:
    assert clipped("abcdef", 5) == "ab..."
    assert clipped("abc", 5) == "abc"


@pytest.mark.parametrize("text", ["x" * 50, "ä" * 50, "\U0001f600" * 50, 'a"\\' * 50, "ok", ""])
@pytest.mark.parametrize("size", [3, 29, 100, 10_000])
def test_a_text_is_cut_to_its_bytes_in_json(text: str, size: int) -> None:
    cut = clipped_json(text, size)
    assert json_bytes(cut) <= size
    assert len(json.dumps(cut)) == json_bytes(cut) + 2
    if json_bytes(text) <= size:
        assert cut == text
    elif size >= 29:
        assert cut.endswith("...")
        assert json_bytes(cut) > size - 24
