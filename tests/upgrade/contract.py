"""What of a template is a contract with the stacks that have been deployed from it. Pure.

Owns the comparison: what a version's template has promised, and the new one breaks, as sentences. What a new version
adds breaks nothing. The function's code, its memory and what texts say may differ.
"""

from collections.abc import Iterator
from typing import Any

#: Custom resources: CloudFormation sends each of their properties to the function, of whatever version.
CUSTOM = "Custom::EvsWindowsServerEntitlements"
#: Properties that others know a resource by: names, and what dashboards and rules of users stand on.
NAMES = {
    "AWS::CloudWatch::Alarm": ("AlarmName", "Namespace", "MetricName", "Dimensions"),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::DynamoDB::Table": ("TableName", "KeySchema", "AttributeDefinitions", "BillingMode"),
    "AWS::Events::Rule": ("Name", "EventPattern"),
    "AWS::IAM::Policy": ("PolicyName",),
    "AWS::IAM::Role": ("RoleName", "Path"),
    "AWS::Lambda::Function": ("FunctionName",),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::SNS::Topic": ("TopicName",),
    "AWS::SSM::Parameter": ("Name", "Type"),
}
#: What CloudFormation does with a resource that leaves, or is replaced.
POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")
#: Of a custom resource, what identifies the set, and the function.
IDENTITY = ("ServiceToken", "EnvironmentId", "ConnectorId", "LedgerTable")


def broken(stored: dict[str, Any], template: dict[str, Any]) -> list[str]:
    """Return what a template breaks of the contract that a stored one has made, a sentence each."""
    return [*_broken_resources(stored, template), *_broken_outputs(stored, template)]


def _broken_resources(stored: dict[str, Any], template: dict[str, Any]) -> Iterator[str]:
    for logical_id, resource in stored["Resources"].items():
        now = template["Resources"].get(logical_id)
        if now is None:
            yield f"{logical_id} ({resource['Type']}): is not in the template any more, CloudFormation would delete it"
        elif now["Type"] != resource["Type"]:
            yield f"{logical_id}: its type was {resource['Type']} and is {now['Type']}"
        else:
            yield from _changed(logical_id, resource, now)


def _changed(logical_id: str, resource: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    before, after = resource.get("Properties", {}), now.get("Properties", {})
    names: tuple[str, ...] = NAMES.get(resource["Type"], ())
    if resource["Type"] == CUSTOM:
        names = IDENTITY
        for name in before.keys() - after.keys():
            yield f"{logical_id}: its property {name} is gone"
    for name in names:
        if before.get(name) != after.get(name):
            yield f"{logical_id}: its {name} was {before.get(name)} and is {after.get(name)}"
    for policy in POLICIES:
        if resource.get(policy) != now.get(policy):
            yield f"{logical_id}: its {policy} was {resource.get(policy)} and is {now.get(policy)}"


def _broken_outputs(stored: dict[str, Any], template: dict[str, Any]) -> Iterator[str]:
    for name, output in stored.get("Outputs", {}).items():
        now = template.get("Outputs", {}).get(name)
        if now is None:
            yield f"output {name} is gone"
            continue
        for key in ("Value", "Export"):
            if output.get(key) != now.get(key):
                yield f"output {name}: its {key} was {output.get(key)} and is {now.get(key)}"
