"""The stored versions: what each has left in a user's account, as files.

Owns where these files are and how they are read. Changes nothing.
"""

import base64
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
#: File of what is known of a version: number, commit, pins, digest of its code, golden ids.
ABOUT = "version.json"
#: File of the ledgers' items, in the JSON of DynamoDB's API.
LEDGERS = "ledgers.json"
#: File of the item in which the monitor remembers a place, in the same form.
MEMORY = "memory.json"
#: Names of the ledgers: of a stack at rest, and of one whose update was killed with a call under way.
AT_REST, UNDER_WAY = "at-rest", "under-way"


@dataclass(frozen=True, eq=False)
class Version:
    """One stored version.

    Attributes
    ----------
    number
        As in pyproject.toml.
    commit
        The git commit whose code the files come of.
    code
        Digest of the function's code (`stored_code.digest`).
    pins
        What the code is made of beside the project's own: name -> version.
    ids
        PhysicalResourceIds of the sets at rest: logical id -> id.
    golden_id
        That of the golden set (`fixed_scene.GOLDEN`), in which the order of VM ids matters.
    """

    folder: Path
    number: str
    commit: str
    code: str
    pins: dict[str, str]
    ids: dict[str, str]
    golden_id: str

    @classmethod
    def of(cls, folder: Path) -> "Version":
        """Read what is known of a version."""
        about = json.loads((folder / ABOUT).read_text())
        number, commit, code = about["version"], about["commit"], about["code"]
        return cls(folder, number, commit, code, about["pins"], about["ids"], about["goldenId"])

    def __str__(self) -> str:
        return self.number

    @property
    def stacks(self) -> list[str]:
        """The stacks whose templates are stored."""
        return sorted(path.name.partition(".")[0] for path in self.folder.glob("*.template.json"))

    def template_path(self, stack: str) -> Path:
        """Return the file of a stack's template."""
        return self.folder / f"{stack}.template.json"

    def template(self, stack: str) -> dict[str, Any]:
        """Return a stack's template."""
        template: dict[str, Any] = json.loads(self.template_path(stack).read_text())
        return template

    def ledger(self, name: str) -> dict[str, Any]:
        """Return a ledger's item, in the form in which boto3 gives it."""
        return from_json(json.loads((self.folder / LEDGERS).read_text())[name])

    def memory(self) -> dict[str, Any]:
        """Return the item in which the monitor remembers a place."""
        return from_json(json.loads((self.folder / MEMORY).read_text()))


@functools.cache
def versions() -> list[Version]:
    """Return all stored versions, the newest last; each call returns the same."""
    found = [Version.of(path.parent) for path in FOLDER.glob(f"*/{ABOUT}")]
    return sorted(found, key=lambda version: [int(part) for part in version.number.split(".")])


def newest() -> Version:
    """Return the newest stored version."""
    return versions()[-1]


def as_json(item: Any) -> Any:
    """Return an item with its binary attributes in base64, as DynamoDB's own JSON has them."""
    if isinstance(item, bytes):
        return base64.b64encode(item).decode()
    return {name: as_json(value) for name, value in item.items()} if isinstance(item, dict) else item


def from_json(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item with its binary attributes as bytes."""
    read: dict[str, Any] = {}
    for name, attribute in item.items():
        ((kind, value),) = attribute.items()
        read[name] = {kind: base64.b64decode(value) if kind == "B" else value}
    return read
