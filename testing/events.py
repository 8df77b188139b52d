"""Requests in the form in which CloudFormation sends them to the function of a custom resource.

Owns their form: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
"""

import uuid
from typing import Any

#: The resource type of the product.
TYPE = "Custom::EvsWindowsServerEntitlements"


def response_url(host: str, token: str, issued: str | None) -> str:
    """Return a ResponseURL: signed, with the date of issue or, as older ones were, without.

    Args:
        host: with its port, if that is not 443.
        token: by which the answer is known; the last part of the path.
        issued: like 20261123T100000Z.
    """
    signed = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={issued}&X-Amz-SignedHeaders=host&X-Amz-Expires=7200"
        f"&X-Amz-Credential=AKIAEXAMPLE%2F20261123%2Fus-east-1%2Fs3%2Faws4_request"
        f"&X-Amz-Security-Token=tokentokentoken{token}&X-Amz-Signature=signature{token}"
        if issued
        else f"AWSAccessKeyId=AKIAEXAMPLE&Expires=1893456000&Signature=signature{token}%3D"
    )
    return f"https://{host}/arn%3Aaws%3Acloudformation/{token}?{signed}"


def token_of(event: dict[str, Any]) -> str:
    """Return the token of an event's ResponseURL."""
    return str(event["ResponseURL"]).partition("?")[0].rpartition("/")[2]


def request_event(
    kind: str,
    url: str,
    stack_id: str,
    properties: dict[str, Any],
    *,
    logical_id: str = "Windows",
    physical_id: str | None = None,
    function: str = "evs-entitlements",
) -> dict[str, Any]:
    """Return a Create, Update or Delete.

    Args:
        kind: the RequestType.
        url: the ResponseURL.
        properties: ResourceProperties but ServiceToken; one that is None is left out.
        physical_id: of the resource; None where it has none yet.
        function: name of the function.
    """
    token = f"arn:aws:lambda:us-east-1:000000000000:function:{function}"
    given = {"ServiceToken": token, "AdoptExisting": "false", **properties}
    event = {
        "RequestType": kind,
        "ResponseURL": url,
        "StackId": stack_id,
        "RequestId": str(uuid.uuid4()),
        "ResourceType": TYPE,
        "LogicalResourceId": logical_id,
        "ResourceProperties": {name: value for name, value in given.items() if value is not None},
    }
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    return event
