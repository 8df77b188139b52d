"""What entitlements cost in a month.

Owns the price that is taken where the user gives none. AWS bills per vCPU-hour, and only while a VM is powered on.
"""

#: USD a vCPU-hour. Not from AWS's price list, which a user should look at; see SOURCE.
USD_PER_VCPU_HOUR = 0.046
SOURCE = "a published figure, not AWS's price list; see https://aws.amazon.com/evs/pricing/"
SOURCE_OF_OPTION = "--price"
#: Hours of a month, as AWS's own calculator counts them.
HOURS_PER_MONTH = 730


def usd_per_month(vcpus: int, usd_per_vcpu_hour: float) -> float:
    """Return what so many vCPUs cost in a month in which they are powered on all the time, in USD."""
    return round(vcpus * usd_per_vcpu_hour * HOURS_PER_MONTH, 2)
