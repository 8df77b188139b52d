"""Windows Server entitlements of Amazon EVS as an AWS CDK construct.

Owns the names that a CDK app imports; everything else in this package is private to it.
"""

from evs_entitlements.entitlements import WindowsServerEntitlements

__all__ = ["WindowsServerEntitlements"]
