"""The lines that turn a shell to the local AWS, or, where there is none, away from every AWS.

Owns what is printed for `eval`. What follows in the user's shell is meant for the local AWS. Nothing here may let it
go to whatever real account the shell has: not when no instance runs, and not when the instance has gone since.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

#: What would lead an SDK away from the endpoints that are printed.
UNSET = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
#: A port where nobody listens: connections are refused at once.
NOWHERE = "http://127.0.0.1:9"
#: What a shell is left with where there is no instance. No AWS account has such a key.
NO_INSTANCE = {
    "AWS_ENDPOINT_URL": NOWHERE,
    "AWS_ENDPOINT_URL_S3": NOWHERE,
    "AWS_ENDPOINT_URL_EVS": NOWHERE,
    "AWS_ACCESS_KEY_ID": "no-local-aws-is-running",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def lines(name: str, pid: int, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the shell's lines for a running instance.

    They define `cdk`, too: the CLI would go on asking an instance that has gone for more than a minute.

    Parameters
    ----------
    name
        The instance's name.
    pid
        Of the process that it ends with.
    environment
        The variables that lead to it.
    """
    yield from _variables(environment)
    yield _guarded_cdk(f"the local AWS {name} has gone: start it anew, and eval its environment", f"kill -0 {pid}")


def refusal(reason: str) -> Iterator[str]:
    """Yield lines that make `eval` fail, say why, and leave the shell with no AWS to reach."""
    what = "choose one by --name" if reason.startswith("several") else "start one by `make local`"
    message = f"{reason}. This shell now reaches no AWS: {what}, and eval its environment"
    yield from _variables(NO_INSTANCE)
    yield _guarded_cdk(message, "false")
    yield f"echo {shlex.quote(f'Error: {message}')} >&2"
    yield "false"


def _variables(environment: Mapping[str, str]) -> Iterator[str]:
    for variable in UNSET:
        yield f"unset {variable}"
    for variable, value in environment.items():
        yield f"export {variable}={shlex.quote(value)}"


def _guarded_cdk(message: str, check: str) -> str:
    told = shlex.quote(f"Error: {message}")
    return f'cdk() {{ {check} 2>/dev/null || {{ echo {told} >&2; return 1; }}; command cdk "$@"; }}'
