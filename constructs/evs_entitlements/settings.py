"""What the constructs of one declared set must agree on.

Owns how two values are told to be the same, tokens included. Never says who disagrees: the declared set knows.
"""

from dataclasses import dataclass

from aws_cdk import Duration, IResolvable, RemovalPolicy, Stack, Token

from evs_entitlements.token_keys import token_key


@dataclass(frozen=True)
class Settings:
    """The properties of a construct besides the VMs and where they are."""

    adopt_existing: bool | str | IResolvable
    removal_policy: RemovalPolicy
    timeout: Duration

    def comparable(self, stack: Stack) -> dict[str, str]:
        """Return property -> value in words; equal words mean equal values, also of tokens."""
        # A token may stand for what another construct gives as a literal: both are written in the same way.
        adopt_existing = token_key(stack, self.adopt_existing)
        word = adopt_existing.strip('"').capitalize()
        return {
            "adopt_existing": word if word in ("True", "False") else adopt_existing,
            "removal_policy": self.removal_policy.name,
            "timeout": f"{token_key(stack, self.timeout.to_seconds())} seconds",
        }

    def timeout_property(self) -> str:
        """Return ServiceTimeout as the template has it: seconds, as a string or a token."""
        seconds = self.timeout.to_seconds()
        return Token.as_string(seconds) if Token.is_unresolved(seconds) else str(int(seconds))
