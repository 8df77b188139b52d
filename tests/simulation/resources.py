"""The parts of a stack as CloudFormation knows them: its resources, its template, and the stack around it."""

from dataclasses import dataclass, field
from typing import Any

from .declared import Properties


@dataclass
class Resource:
    """One custom resource.

    Attributes:
        former: ids that updates have replaced, with their properties, still to be deleted.
        stable: id and properties at the end of the last stack operation that ended well; None for one made since.
        tried: properties of an Update that failed or was cancelled.
        retain: `attribute` (DeletionPolicy), `property` (RemovalPolicy alone) or nothing.
    """

    logical_id: str
    properties: Properties
    physical_id: str = ""
    status: str = "CREATE_IN_PROGRESS"
    former: list[tuple[str, Properties]] = field(default_factory=list)
    stable: tuple[str, Properties] | None = None
    tried: Properties | None = None
    retain: str = ""
    stable_retain: str = ""


@dataclass
class Template:
    """What is to be deployed: logical id -> properties, and how each resource is retained."""

    resources: dict[str, Properties]
    retain: dict[str, str] = field(default_factory=dict)


class Root:
    """The stack in which a nested one is."""

    def __init__(self, name: str) -> None:
        self.id = f"arn:aws:cloudformation:us-east-1:000000000000:stack/{name}/{name}"
        self.name = name
        self.status = ""
        self.events: list[dict[str, Any]] = []
