"""A name for a token that says what the token stands for, not when it was made.

Owns how two tokens are told to be the same value. Never resolves a token for the template: that is the
CDK's to do, at synth, when it also knows which references cross stacks.
"""

import hashlib
import json
from typing import Any

import jsii
from aws_cdk import (
    DefaultTokenResolver,
    IPostProcessor,
    IResolvable,
    IResolveContext,
    Reference,
    Stack,
    StringConcat,
    Tokenization,
)


def token_key(stack: Stack, token: object) -> str:
    """Return canonical JSON for `token` as `stack` sees it, equal for tokens that stand for one value.

    The text of a token (`${Token[TOKEN.7]}`) counts tokens in the order of their construction, so it must
    not reach anything that lasts. Before synth a reference to another stack resolves to a mere `Ref` of a
    logical id there; the names of such stacks are part of the key, or resources with one logical id in two
    stacks would be taken for the same.
    """
    value = canonical(stack.resolve(token))
    finder = _References()
    Tokenization.resolve(token, resolver=finder, scope=stack)
    others = sorted({_name(other) for other in finder.stacks if other.node.path != stack.node.path})
    return f"{value} from {canonical(others)}" if others else value


def _name(stack: Stack) -> str:
    """Return the name of a stack, which it keeps where it moves in the app; of a nested one its path there, too."""
    outer = stack
    while outer.nested_stack_parent is not None:
        outer = outer.nested_stack_parent
    return outer.stack_name + stack.node.path.removeprefix(outer.node.path)


def canonical(value: Any) -> str:
    """Return `value` as JSON that is the same for equal values: keys sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(key: str) -> str:
    """Return 16 hexadecimal characters that stand for `key` in a logical id."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


class _References(DefaultTokenResolver):
    """Notes the stack of each reference that it comes across while it resolves."""

    def __init__(self) -> None:
        super().__init__(StringConcat())
        self.stacks: list[Stack] = []

    def resolve_token(self, t: IResolvable, context: IResolveContext, post_processor: IPostProcessor) -> Any:
        if Reference.is_reference(t):
            target = jsii.get(t, "target") if not isinstance(t, Reference) else t.target
            self.stacks.append(Stack.of(target))
        return super().resolve_token(t, context, post_processor)
