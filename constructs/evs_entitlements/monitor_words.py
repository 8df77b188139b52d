"""What the monitor's alarms say: what it means, how long there is left, what to look at first.

CloudWatch takes 1,024 characters for a description.
"""

from evs_entitlements.place import Place

_ON_CALL = 'See the page "On call" of evs-entitlements (docs/on-call.md).'


def at_risk(stack_name: str, place: Place) -> str:
    """Of the alarm on VMs at risk."""
    return _joined(
        f"""
        Windows Server entitlements at {_where(stack_name, place)} are AT_RISK. It means: the connector does
        not reach vCenter. The VMs are licensed for now; 8 hours after the first AT_RISK EVS removes the
        entitlements of all of them. The monitor's log and its event say since when, how long there is left,
        which check fails and which VMs it concerns. Look at: 1. the vCenter password in the connector's
        secret: was it changed in vCenter alone? 2. the way from EVS to vCenter: DNS, routes, firewall,
        certificate. 3. vCenter itself: is it up? {_ON_CALL}
        """
    )


def not_entitled(stack_name: str, place: Place) -> str:
    """Of the alarm on declared VMs without a licence."""
    return _joined(
        f"""
        Declared VMs at {_where(stack_name, place)} have no Windows Server entitlement. It means: Windows
        runs there unlicensed now. Missing: EVS has no entitlement; somebody removed it, or the VM has
        another id. Removed: EVS took it away, and restores it by itself once the VM complies. Failed: EVS
        could not create it. Look at: 1. the monitor's log: which VMs, and EVS's error. 2. `evs-entitlements
        check --stack`, and `history`: who removed it. 3. the VM in vCenter: its id, its guest, is it
        connected? Then deploy the stack with a changed list of VMs. {_ON_CALL}
        """
    )


def silent(stack_name: str) -> str:
    """Of the alarm on a monitor that does not run, or finds nothing out."""
    return _joined(
        f"""
        The monitor of Windows Server entitlements (stack {stack_name}) is silent: its runs fail, or it does
        not run. It means: nothing is known of the entitlements now, and no other alarm will come. ALARM:
        runs fail. INSUFFICIENT_DATA: there are no runs. Look at: 1. the monitor's log: `not found out` says
        why. 2. the schedule's rule in EventBridge: is it enabled? 3. AWS's health dashboard for EVS, Lambda
        and DynamoDB. {_ON_CALL}
        """
    )


def _where(stack_name: str, place: Place) -> str:
    return f"connector {place.connector_id} of EVS environment {place.environment_id} (stack {stack_name})"


def _joined(text: str) -> str:
    return " ".join(text.split())
