"""The rules for values that are known at synth: patterns, limits and the words of a refusal.

Owns what a literal environment, connector, VM list, timeout or removal policy must look like. Never judges
a token (its value is known only at deployment, where the function checks it by the same rules), and never
keeps any state.

The patterns and the length of a VM id are those of the EVS API's CreateEntitlement request:
https://docs.aws.amazon.com/evs/latest/APIReference/API_CreateEntitlement.html
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from aws_cdk import Duration, IResolvable, RemovalPolicy, Token, Tokenization

from evs_entitlements.vm_id_hints import VM_ID_MAX_LENGTH, hint, is_vm_id

#: Environment id, `environmentId` of CreateEntitlement.
ENVIRONMENT_ID = re.compile(r"env-[a-zA-Z0-9]{10}")
#: Connector id, `connectorId` of CreateEntitlement.
CONNECTOR_ID = re.compile(r"cnctr-[a-zA-Z0-9]{10}")
#: CloudFormation's limit of ServiceTimeout, in seconds.
TIMEOUT_MAX_SECONDS = 3600
#: Below this the function can hardly start, ask EVS and undo before CloudFormation gives up, in seconds.
TIMEOUT_SHORT_SECONDS = 30
#: So many wrong VM ids are named one by one in an error; the rest are counted.
NAMED_VM_IDS = 10
#: So many are told what they look like.
HINTS = 3
# A wrong value may be a whole file pasted by mistake: an error shows its beginning.
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class VmIds:
    """The VMs that one construct declares.

    Attributes:
        literals: VM ids known at synth; as given, so possibly with duplicates.
        tokens: what resolves to a VM id or to a list of them at deployment.
    """

    literals: tuple[str, ...]
    tokens: tuple[str | IResolvable, ...]


def is_token(value: object) -> TypeGuard[str | IResolvable]:
    """Tell whether `value` stands for one value that is known later.

    That is an encoded string, an IResolvable, or a string with a dynamic reference, which CloudFormation resolves.
    """
    # Anything else is not offered to Token: each call crosses to the CDK's own process.
    if isinstance(value, str):
        return is_dynamic_reference(value) or bool(Token.is_unresolved(value))
    return _is_resolvable(value) and bool(Token.is_unresolved(value))


def is_dynamic_reference(value: object) -> bool:
    """Tell whether a string has a dynamic reference of CloudFormation's in it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
    """
    return isinstance(value, str) and "{{resolve:" in value


def _is_resolvable(value: object) -> bool:
    # Not by `resolve` alone, which paths have, too.
    return hasattr(value, "resolve") and hasattr(value, "to_string")


def check_id(name: str, value: object, pattern: re.Pattern[str]) -> None:
    """Check an environment or connector id that is known at synth.

    Raises:
        ValueError: `value` is not a string that `pattern` matches as a whole.
    """
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ValueError(
            f"{name}: got {shown(value)}, expected a string that matches {pattern.pattern}{_mistaken(value)}"
        )


def _mistaken(value: object) -> str:
    """Return what else a wrong id is, where that can be told."""
    if not isinstance(value, str):
        return ""
    other = {"an environment": ENVIRONMENT_ID, "a connector": CONNECTOR_ID}
    found = [what for what, pattern in other.items() if pattern.fullmatch(value)]
    return f": this is the id of {found[0]}" if found else ""


def parse_vm_ids(value: object) -> VmIds:
    """Sort the elements of `vm_ids` into literals and tokens.

    An encoded list token (`CfnParameter.value_as_list`, `Fn.split`) may stand for the whole list or for
    some elements of it.

    Raises:
        TypeError: not a list.
        ValueError: an empty list, or elements that are neither VM ids nor tokens.
    """
    if _is_resolvable(value) and Token.is_unresolved(value):
        value = [value]
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(
            f"vm_ids: got {shown(value)} ({type(value).__name__}), expected a list of VM ids such as "
            "['vm-101', 'vm-102']; for a token, use Fn.split"
        )
    literals, tokens, wrong = _sorted(value)
    if wrong:
        raise ValueError(wrong_vm_ids("vm_ids", wrong, len(wrong) + len(literals) + len(tokens)))
    if not literals and not tokens:
        raise ValueError(
            "vm_ids: got an empty list, expected one or more VM ids; to entitle no VM, declare no construct"
        )
    return VmIds(tuple(literals), tuple(tokens))


def vm_ids_as_given(value: object) -> VmIds:
    """Return what `vm_ids` would be if nothing were wrong with it: for a synth that is not the last one.

    What is no VM id is taken for something that is known later.
    """
    if _is_resolvable(value) or isinstance(value, str):
        value = [value]
    if not isinstance(value, Iterable):
        return VmIds((), ())
    literals, tokens, wrong = _sorted(value)
    return VmIds(tuple(literals), (*tokens, *(each for each in wrong if isinstance(each, str))))


def wrong_vm_ids(name: str, wrong: Sequence[object], count: int, places: Sequence[str] = ()) -> str:
    """Return the words for wrong VM ids: which, how many of how many, what they look like and what is due.

    Args:
        name: of the argument or context value that they came by.
        wrong: those that are wrong.
        count: of all.
        places: where each of the wrong ones was, such as `line 3 of vms.txt`, or empty.
    """
    placed = zip(wrong[:NAMED_VM_IDS], places or [""] * len(wrong), strict=False)
    named = ", ".join(f"{shown(element)} in {place}" if place else shown(element) for element, place in placed)
    more = f" and {len(wrong) - NAMED_VM_IDS} more" if len(wrong) > NAMED_VM_IDS else ""
    too_long = any(isinstance(element, str) and len(element) > VM_ID_MAX_LENGTH for element in wrong)
    length = f" of at most {VM_ID_MAX_LENGTH} characters" if too_long else ""
    # Each hint once, by the first that it holds for.
    hints = {hint(element): element for element in reversed(wrong)}
    looks = "; ".join(f"{shown(element)} {words}" for words, element in list(reversed(hints.items()))[:HINTS])
    return (
        f"{name}: got {named}{more} ({len(wrong)} of {count} are wrong), "
        f"expected VM ids such as vm-101, vm- and digits{length}; {looks}"
    )


def _sorted(value: Iterable[object]) -> tuple[list[str], list[str | IResolvable], list[object]]:
    """Return literals, tokens, and what is neither."""
    literals: list[str] = []
    tokens: list[str | IResolvable] = []
    wrong: list[object] = []
    for element in value:
        # The literals first: of 10,000 elements none should cost a call to the CDK's own process.
        if isinstance(element, str) and is_vm_id(element):
            literals.append(element)
        elif (token := _token_of_element(element)) is not None:
            tokens.append(token)
        else:
            wrong.append(element)
    return literals, tokens, wrong


def check_adopt_existing(value: object) -> None:
    """Check `adopt_existing`.

    Raises:
        TypeError: neither a bool nor a token.
    """
    if not isinstance(value, bool) and not is_token(value):
        raise TypeError(f"adopt_existing: got {shown(value)} ({type(value).__name__}), expected True or False")


def check_removal_policy(value: object) -> None:
    """Check `removal_policy`.

    Raises:
        ValueError: neither DESTROY nor RETAIN. RETAIN_ON_UPDATE_OR_DELETE would keep paying for every VM
            that leaves the set, and an entitlement has no snapshot.
    """
    if value not in (RemovalPolicy.DESTROY, RemovalPolicy.RETAIN):
        raise ValueError(
            f"removal_policy: got {getattr(value, 'name', shown(value))}, "
            "expected RemovalPolicy.DESTROY or RemovalPolicy.RETAIN"
        )


def check_timeout(value: object) -> None:
    """Check `timeout`, in whole seconds.

    The limits are CloudFormation's own:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-customresource.html

    Raises:
        TypeError: not a Duration.
        ValueError: not whole seconds, or outside of 1 to TIMEOUT_MAX_SECONDS.
    """
    expected = "expected a Duration of whole seconds from 1 second to 1 hour"
    if not isinstance(value, Duration):
        raise TypeError(f"timeout: got {shown(value)} ({type(value).__name__}), {expected}")
    if value.is_unresolved():
        if value.unit_label() != "seconds":
            raise ValueError(f"timeout: got a token of {value.unit_label()}, {expected} or a token of seconds")
        return
    seconds = value.to_seconds(integral=False)
    if not 1 <= seconds <= TIMEOUT_MAX_SECONDS or seconds != int(seconds):
        raise ValueError(f"timeout: got {seconds:g} seconds, {expected}")


def is_short(timeout: Duration) -> bool:
    """Tell whether a timeout leaves no room for a cold start, a look at EVS and an undo."""
    return not timeout.is_unresolved() and timeout.to_seconds() < TIMEOUT_SHORT_SECONDS


def shown(value: object) -> str:
    """Return `value` as an error names it, at most 80 characters of it."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _token_of_element(element: object) -> str | IResolvable | None:
    """Return the token that an element of `vm_ids` is, or None."""
    if is_token(element):
        return element
    # A list token is encoded as a list of one marked string. It comes as such when it was put among other
    # elements, as in ["vm-1", *parameter.value_as_list], which the CDK itself would refuse to resolve.
    encoded = [element] if isinstance(element, str) else element
    if isinstance(encoded, list) and len(encoded) == 1 and isinstance(encoded[0], str) and Token.is_unresolved(encoded):
        return Tokenization.reverse_list(encoded)
    return None
