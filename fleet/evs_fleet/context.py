"""What the global options say.

Owns their defaults. A command gets the value by `@click.pass_obj`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

#: Forms of output.
Output = Literal["table", "json", "csv", "ids"]
OUTPUTS: tuple[str, ...] = get_args(Output)
POLICY_FILE = Path("entitlements.toml")
LOCK_FILE = Path("entitlements.lock.json")


@dataclass(frozen=True)
class Context:
    """The global options of one run; those that were not given have their default.

    Attributes:
        profile: name of an AWS profile, or None for what the environment says.
        region: an AWS region, or None for what the environment or the profile says.
        policy: the policy file; `None` stands for entitlements.toml in the working directory.
        lock: the lock file; `None` stands for entitlements.lock.json in the working directory.
        inventory: an export of RVTools or govc to read in place of a vCenter.
        output: form in which results go to stdout.
    """

    profile: str | None = None
    region: str | None = None
    policy: Path | None = None
    lock: Path | None = None
    inventory: Path | None = None
    output: Output = "table"

    @property
    def policy_path(self) -> Path:
        """The policy file, given or not."""
        return self.policy or POLICY_FILE

    @property
    def lock_path(self) -> Path:
        """The lock file, given or not."""
        return self.lock or LOCK_FILE
