"""The errors of the command; each is one line on stderr and exit status 2.

    FleetError
    ├── UsageError        the command line, or a file that it names
    ├── PolicyError       entitlements.toml
    ├── LockError         entitlements.lock.json
    ├── InventoryError    an export of RVTools or govc
    ├── VcenterError      a vCenter that refuses, can't be reached, or can't be trusted
    └── AwsError          AWS refuses, can't be reached, or there are no credentials

A difference that was found is no error: a command returns `DIFFERENCE` for it.
"""

#: Exit status: all is as it should be.
OK = 0
#: Exit status: a difference or a refusal was found.
DIFFERENCE = 1
#: Exit status: wrong usage, or it could not be found out.
FAILURE = 2


class FleetError(Exception):
    """Ends the command with exit status 2; its text is the one line that the user reads."""


class UsageError(FleetError):
    """Options that don't fit together, or a file that is not there."""


class PolicyError(FleetError):
    """The policy is missing, can't be read, or says what can't be; the text names file and line or table."""


class LockError(FleetError):
    """The lock is missing, can't be read, or belongs to something else."""


class InventoryError(FleetError):
    """An export can't be read as one of RVTools or govc."""


class VcenterError(FleetError):
    """The vCenter refused, was not reached, or is not the one that was expected."""


class AwsError(FleetError):
    """AWS refused, was not reached, or there are no credentials or no region."""
