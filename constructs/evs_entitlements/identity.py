"""Where a set is declared: the ids of environment and connector, and the set's logical id that comes of them.

Owns how a literal, a token and an unfinished lookup become part of a logical id. Never checks an id.
"""

from aws_cdk import IResolvable, Stack

from evs_entitlements.token_keys import digest, token_key
from evs_entitlements.validation import CONNECTOR_ID, ENVIRONMENT_ID, is_dynamic_reference, is_token


def known_id(stack: Stack, value: str | IResolvable) -> str | IResolvable | None:
    """Return an id whose text is known at synth, that of a Lazy included; None where it is a token."""
    if not is_token(value):
        return value
    resolved = stack.resolve(value)
    return None if isinstance(resolved, (dict, list)) or is_dynamic_reference(resolved) else resolved


def identity(stack: Stack, name: str, value: str) -> tuple[str, str]:
    """Return an environment or connector id as the template gets it, and its part of the logical id.

    A literal's part has 10 characters after its prefix, a token's 16 after another, so that neither is ever taken for
    the other. A token that resolves to a string at synth (a Lazy) is that string. A context lookup that is not done yet
    gives no id: its value is treated as a token is.
    """
    prefix, pattern = ("Env", ENVIRONMENT_ID) if name == "environment_id" else ("Cnctr", CONNECTOR_ID)
    known = known_id(stack, value)
    if not isinstance(known, str) or not pattern.fullmatch(known):
        value = value if is_token(value) else str(value)
        return value, f"{prefix}Token{digest(token_key(stack, value))}"
    return known, prefix + known.partition("-")[2]


def words(stack: Stack, value: str) -> str:
    """Return an id as an error names it."""
    # A token's own text is numbered by the order of construction; an error should not be.
    return token_key(stack, value) if is_token(value) else value
