"""How the local EVS API behaves where the real one's behaviour varies, is undocumented or takes its time.

Every value is plain JSON, so that a test in another process can set it. Only values live here.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

#: Seconds, or the lowest and highest number of seconds between which each VM draws its own.
Latency = float | list[float]


@dataclass
class Settings:
    """Settings of one local EVS API; times are in seconds.

    Attributes
    ----------
    create_latency
        How long a new entitlement is CREATING.
    create_latency_by_vm
        The same for single VMs, by VM id.
    delete_latency
        How long an entitlement stays listed, with its status, after DeleteEntitlement. With 0 the answer
        says DELETED and the row is gone.
    delete_latency_by_vm
        The same for single VMs, by VM id.
    already_entitled
        What CreateEntitlement does about a VM that is held: ``return`` its row as it is, or ``refuse`` the
        whole call, naming the VM. AWS documents neither.
    unentitled_delete
        What DeleteEntitlement does about a VM without a row: ``ignore`` it or ``refuse`` the whole call.
    refuse_delete_while_creating
        Refuse a DeleteEntitlement in which a VM is still CREATING.
    refuse_create, refuse_delete
        VMs, by id, with which a whole call is refused, and the reason that is given.
    refusals_name_vm
        Whether such refusals say which VM they are about.
    fail_create
        VMs, by id, whose entitlement ends as CREATE_FAILED, and the ``errorCode`` it ends with.
    keep_former_rows
        Keep DELETED and replaced CREATE_FAILED rows in the list, so that a VM has several rows.
    shuffle_rows
        List rows in an order that says nothing of their age.
    freeze_pages
        Let a page token lead to the list as it was when its first page was read.
    hide_rows
        VMs, by id, whose rows the next so many lists pass over, as when a list lags or rows move while it is read.
    at_risk_grace
        How long an entitlement is AT_RISK, with its connector unreachable, before it is removed.
    check_clock_skew, max_clock_skew
        Whether and from how many seconds on a request's date is refused as too old or too new.
    page_size
        Rows in a page when the request doesn't say; 100 at most, as in the model.
    """

    create_latency: Latency = 1.0
    create_latency_by_vm: dict[str, float] = field(default_factory=dict)
    delete_latency: Latency = 0.0
    delete_latency_by_vm: dict[str, float] = field(default_factory=dict)
    already_entitled: Literal["return", "refuse"] = "return"
    unentitled_delete: Literal["ignore", "refuse"] = "ignore"
    refuse_delete_while_creating: bool = False
    refuse_create: dict[str, str] = field(default_factory=dict)
    refuse_delete: dict[str, str] = field(default_factory=dict)
    refusals_name_vm: bool = True
    fail_create: dict[str, str] = field(default_factory=dict)
    keep_former_rows: bool = False
    shuffle_rows: bool = False
    freeze_pages: bool = False
    hide_rows: dict[str, int] = field(default_factory=dict)
    at_risk_grace: float = 8 * 3600.0
    check_clock_skew: bool = True
    max_clock_skew: float = 300.0
    page_size: int = 100

    def __post_init__(self) -> None:
        for name in ("create_latency", "delete_latency"):
            low, high = bounds(getattr(self, name))
            if not 0 <= low <= high:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected seconds or [lowest, highest]")
        for name, allowed in (
            ("already_entitled", ("return", "refuse")),
            ("unentitled_delete", ("ignore", "refuse")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, expected one of {allowed}")
        if not 1 <= self.page_size <= 100:
            raise ValueError(f"page_size: got {self.page_size}, expected 1 to 100")

    def changed(self, changes: dict[str, Any]) -> Settings:
        """Return these settings with some of them changed.

        Raises
        ------
        ValueError
            A name is no setting, or a value is out of its range.
        """
        unknown = set(changes) - {item.name for item in dataclasses.fields(self)}
        if unknown:
            raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
        return dataclasses.replace(self, **changes)


def bounds(latency: Latency) -> tuple[float, float]:
    """Return the lowest and highest number of seconds of a latency."""
    if isinstance(latency, list | tuple):
        low, high = latency
        return float(low), float(high)
    return float(latency), float(latency)
