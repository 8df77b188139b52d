"""The command `evs-entitlements`: which VMs there are, which are declared, and which EVS holds.

Never imported by the construct or by the function in AWS Lambda. Never changes an entitlement: only a deployment does.
"""
