"""What users attach to the constructs around a declaration, and mean for the function and what belongs to it.

Owns that acknowledgements reach them, and that a user is told of aspects that do not. The function, its role, ledger
table and log group belong to the stack, as the CDK's own singleton providers do: they are outside of every construct
that declares something.
"""

from collections.abc import Iterable, Sequence

from aws_cdk import Acknowledgment, Annotations, Aspects, Validations
from constructs import IConstruct

from evs_entitlements.declaration import Declaration

#: Id of the warning, to acknowledge it by.
ASPECT_WARNING = "evs-entitlements:aspectScope"


def pass_acknowledgements(declared: Iterable[Declaration], to: Sequence[IConstruct]) -> None:
    """Acknowledge for `to` each rule that is acknowledged for a construct which declares, or for one around it."""
    found: dict[str, str] = {}
    for scope in _scopes(declared):
        found |= _acknowledged(scope)
    for construct in to:
        known = _acknowledged(construct)
        more = [Acknowledgment(id=rule, reason=reason) for rule, reason in found.items() if rule not in known]
        if more:
            Validations.of(construct).acknowledge(*more)


def warn_of_aspects(declared: Iterable[Declaration], provider: IConstruct) -> None:
    """Warn of each construct below the stack that has aspects: they reach the entitlements and nothing else of ours."""
    for scope in _scopes(declared):
        if Aspects.of(scope).all:
            Annotations.of(scope).add_warning_v2(
                ASPECT_WARNING,
                "aspects and tags on this construct reach the entitlements that are declared in it (which have no "
                "tags), and not the function, role, ledger table and log group that all constructs of the stack "
                f"share ({provider.node.path}): apply them to the stack where they are meant for these",
            )


def _scopes(declared: Iterable[Declaration]) -> list[IConstruct]:
    """Return the constructs that declare something and those around them, each once."""
    found = {id(scope): scope for declaration in declared for scope in declaration.scopes}
    return list(found.values())


def _acknowledged(construct: IConstruct) -> dict[str, str]:
    rules: dict[str, str] = {}
    for entry in construct.node.metadata:
        if entry.type == Validations.ACKNOWLEDGED_RULES_METADATA_KEY and isinstance(entry.data, dict):
            rules |= entry.data
    return rules
