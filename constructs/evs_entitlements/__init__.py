"""Windows Server entitlements of Amazon EVS as an AWS CDK construct.

Owns the names that a CDK app imports; everything else in this package is private to it. A name is imported when it is
used: whoever needs only the lock does not wait for the CDK.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evs_entitlements.activation import WindowsActivationEndpoint
    from evs_entitlements.entitlement_provider import EntitlementProvider
    from evs_entitlements.entitlements import WindowsServerEntitlements
    from evs_entitlements.function_settings import FunctionSettings
    from evs_entitlements.lock import EntitlementLock
    from evs_entitlements.monitor import EntitlementMonitor

__all__ = [
    "EntitlementLock",
    "EntitlementMonitor",
    "EntitlementProvider",
    "FunctionSettings",
    "WindowsActivationEndpoint",
    "WindowsServerEntitlements",
]

_MODULES = {
    "EntitlementLock": "evs_entitlements.lock",
    "EntitlementMonitor": "evs_entitlements.monitor",
    "EntitlementProvider": "evs_entitlements.entitlement_provider",
    "FunctionSettings": "evs_entitlements.function_settings",
    "WindowsActivationEndpoint": "evs_entitlements.activation",
    "WindowsServerEntitlements": "evs_entitlements.entitlements",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is used, as PEP 562 has it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
