"""Which stacks are audited, and how a template is linted.

Imports no CDK: that starts Node, in each process of a run of the tests.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
_ENTITLEMENTS: dict[str, Any] = {
    "environmentId": "env-abcde12345",
    "connectorId": "cnctr-abcde12345",
    "vmIds": "vm-101,vm-102",
}
_PROVIDER: dict[str, Any] = {"providerOnly": "true", "environmentIds": "env-abcde12345,env-zyxwv98765"}
_MONITOR = {"monitor": "true", "alarmTopicArn": "arn:aws:sns:eu-central-1:111122223333:on-call"}
#: Name -> script, its arguments, and context values.
STACKS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "app": ("app.py", [], _ENTITLEMENTS),
    "app-retain": ("app.py", [], {**_ENTITLEMENTS, "retain": "true", "adoptExisting": "true", "timeoutMinutes": "15"}),
    "app-x86": ("app.py", [], {**_ENTITLEMENTS, "architecture": "x86_64", "stackName": "Licences"}),
    "app-monitor": ("app.py", [], {**_ENTITLEMENTS, **_MONITOR}),
    "app-provider": ("app.py", [], _PROVIDER),
    "app-provider-names": ("app.py", [], {**_PROVIDER, "stackNames": "Licences-*"}),
    "example-python": ("examples/python/app.py", [], {}),
    "demo-neighbour": ("demo/neighbour.py", ["env-abcde12345", "cnctr-abcde12345", "taken", "vm-101"], {}),
}
#: Rules of cfn-lint that do not hold here.
IGNORED = (
    # A DependsOn that a reference enforces already: the CDK writes one for each dependency between constructs.
    "W3005",
)


def cfn_lint(*templates: Path) -> subprocess.CompletedProcess[str]:
    """Lint templates as for the regions of the documentation's examples."""
    command = [
        "cfn-lint",
        "--regions",
        "eu-central-1",
        "us-east-1",
        "--ignore-checks",
        *IGNORED,
        "--format",
        "parseable",
    ]
    return subprocess.run(
        [*command, "--template", *map(str, templates)], cwd=PROJECT, capture_output=True, text=True, timeout=300
    )
