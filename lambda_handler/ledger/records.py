"""The records that the ledger is made of. Pure values; `state.py` has the rules about them.

How a VM becomes ours. Before CreateEntitlement is called, the ledger is told of a *call*: which VMs, when it left, and
until when it may still take effect. While nobody knows its outcome, the VMs of a call may become ours. Once EVS has
taken the call, they are ours. Once the list has shown them, they stand in ``Holding.owned`` and the call is forgotten.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from ..values import NO_VMS, Connector, VmIds

RequestType = Literal["Create", "Update", "Delete"]
Operation = Literal["CreateEntitlement", "DeleteEntitlement"]


@dataclass(frozen=True)
class DeclaredSet:
    """The VMs that one PhysicalResourceId stands for.

    Attributes:
        live: CloudFormation is, or is about to be, told SUCCESS with this id. Until then the set is pending.
        kept: the set is live, and CloudFormation does not follow it any more: its resource was retained. A set that a
            later Create of the same logical id finds live counts as kept until CloudFormation's events say otherwise.
        retained: the set is kept for certain: its Delete came with RemovalPolicy RETAIN.
        retains: its properties say RETAIN.
        sequence: when it was declared, or last confirmed by an Update, in the order of requests.
        declared_at: when it was declared, in epoch seconds.
    """

    logical_id: str
    connector: Connector
    vm_ids: VmIds
    request_id: str
    sequence: int
    declared_at: float = 0.0
    live: bool = False
    kept: bool = False
    retained: bool = False
    retains: bool = False


@dataclass(frozen=True)
class Call:
    """A call to EVS that may have an effect which the list does not show yet.

    Attributes:
        left_at: when the ledger was told of it, in epoch seconds. The call left soon after, or never. Once the outcome
            is known, or that it is lost: when the call left.
        lands_by: while EVS's answer is not known, until when the call may take effect, in epoch seconds.
        until: until when the list may not show what the call did, in epoch seconds.
        invocation: the invocation that made it.
        taken: EVS answered with success.
        renewed: VMs of it that had a row before the call, of an entitlement that had failed or ended. EVS might go on
            with that row, so its start says nothing of whose the entitlement is.
    """

    operation: Operation
    connector: Connector
    vm_ids: VmIds
    left_at: float
    lands_by: float
    until: float
    invocation: str
    taken: bool = False
    renewed: VmIds = NO_VMS

    def without(self, vm_ids: VmIds) -> "Call":
        """Return the call for the other VMs."""
        return replace(self, vm_ids=self.vm_ids - vm_ids) if vm_ids & self.vm_ids else self


@dataclass(frozen=True)
class Adoption:
    """When, and by which request, an entitlement that existed already became the stack's own."""

    request_id: str
    at: float


@dataclass(frozen=True)
class Holding:
    """What is ours at one connector, apart from calls that the list has not shown yet.

    Attributes:
        owned: VMs whose entitlement this stack created or took over.
        adopted: those of them that it took over, or that a request which may still be rolled back took over again.
    """

    owned: VmIds = NO_VMS
    adopted: dict[str, Adoption] = field(default_factory=dict)

    def own(self, vm_ids: VmIds) -> "Holding":
        """Note that VMs are ours."""
        return self if vm_ids <= self.owned else replace(self, owned=self.owned | vm_ids)

    def adopt(self, vm_ids: VmIds, adoption: Adoption) -> "Holding":
        """Take over entitlements that exist already. What is ours stays as it is."""
        taken = vm_ids - self.owned
        return self.own(taken).mark(taken, adoption)

    def mark(self, vm_ids: VmIds, adoption: Adoption) -> "Holding":
        """Note that an operation which may yet be rolled back has taken VMs over."""
        if not vm_ids:
            return self
        return replace(self, adopted={**self.adopted, **dict.fromkeys(vm_ids, adoption)})

    def unmark(self, vm_ids: VmIds) -> "Holding":
        """Note that VMs are ours by a creation of our own, whatever was taken over before."""
        if not vm_ids & self.adopted.keys():
            return self
        return replace(self, adopted={vm_id: one for vm_id, one in self.adopted.items() if vm_id not in vm_ids})

    def disown(self, vm_ids: VmIds) -> "Holding":
        """Forget VMs: they hold nothing of ours, or are given back."""
        if not vm_ids & self.owned and not vm_ids & self.adopted.keys():
            return self
        adopted = {vm_id: adoption for vm_id, adoption in self.adopted.items() if vm_id not in vm_ids}
        return replace(self, owned=self.owned - vm_ids, adopted=adopted)


@dataclass(frozen=True)
class RequestRecord:
    """The newest request of a logical id. Deletes of different PhysicalResourceIds have a record each.

    Attributes:
        issued: X-Amz-Date of ResponseURL (``20261123T101500Z``), or None.
        sequence: its number in the order of requests.
        answer_by: when its answer has to be under way, in epoch seconds.
        arrived: when it was first delivered, in epoch seconds.
        invocation: the invocation that carries it out. An earlier one of the same request leaves it to this one.
        before: ids of the requests that it has overtaken.
        failing: the Reason of a Create or Update that is being undone.
        answer: what CloudFormation is to be told. A redelivered request says the same again.
        found: the sequence that the set of its PhysicalResourceId had when it came. None where no set had that id.
        found_at: when that set was declared, in epoch seconds; 0 where that is not known.
        hand_overs_failed: how often a fresh invocation could not be started since the chain last went on.
        is_back: an Update with which CloudFormation goes back to the set that the resource still has.
        is_tied: only the order of arrival says that it is newer than another Update, of the same second.
    """

    type: RequestType
    request_id: str
    logical_id: str
    physical_id: str
    issued: str | None
    sequence: int
    answer_by: float
    arrived: float = 0.0
    invocation: str = ""
    before: tuple[str, ...] = ()
    failing: str | None = None
    answer: dict[str, object] | None = None
    found: int | None = None
    found_at: float = 0.0
    hand_overs_failed: int = 0
    is_back: bool = False
    is_tied: bool = False
