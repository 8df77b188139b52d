"""Wrong values while the CDK still has to look something up, and how the CDK CLI is told of one.

Owns when a wrong value is an error, and in which form. Never judges a value.

A context lookup (`StringParameter.value_from_lookup` and others) gives some text of its own at the first synth. Only
when that synth has ended does the CDK CLI learn what to look up; then it runs the app again. An app that raises because
of that text never gets so far. Nobody can tell such a text from a wrong value. It can be found out, however, whether a
lookup of the app is outstanding.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import jsii
from aws_cdk import (
    Annotations,
    DockerImageAssetLocation,
    FileAssetLocation,
    ISynthesisSession,
    Stack,
    StackSynthesizer,
)
from aws_cdk.cx_api import CloudAssemblyBuilder
from constructs import IConstruct

#: What the CDK CLI sets for the app that it starts.
CLI_VARIABLE = "CDK_CLI_VERSION"


def report(construct: IConstruct, errors: Sequence[ValueError | TypeError]) -> None:
    """Report wrong values of a construct in the way that whoever runs the app can use.

    While lookups are outstanding nothing is wrong yet. To the CDK CLI an error is an annotation of the construct: a
    line for the user, and no deployment. To all else, such as a unit test, it is the exception.

    Raises:
        ValueError: the first error, where it is one.
        TypeError: likewise.
    """
    if not errors or lookups_are_outstanding(construct):
        return
    if CLI_VARIABLE not in os.environ:
        raise errors[0]
    for error in errors:
        Annotations.of(construct).add_error(str(error))


def lookups_are_outstanding(construct: IConstruct) -> bool:
    """Tell whether the app has asked for a context value that the CDK CLI has yet to look up."""
    stacks = [each for each in construct.node.root.node.find_all() if Stack.is_stack(each)]
    return any(_missing_keys(cast(Stack, stack)) for stack in stacks)


def _missing_keys(stack: Stack) -> list[str]:
    """Return the keys of the context values that a stack asked for in vain.

    The CDK says that only in the manifest of a cloud assembly. So a cloud assembly of the stack as it is now is
    written, into a folder that is thrown away. A stack that can't be written yet is taken for one that asks for
    nothing.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(RuntimeError):
        builder = CloudAssemblyBuilder(folder)
        _Trial().write(stack, builder)
        builder.build_assembly()
        manifest = json.loads((Path(folder) / "manifest.json").read_text(encoding="utf-8"))
        return [missing["key"] for missing in manifest.get("missing", [])]
    return []


class _Trial(StackSynthesizer):
    """Writes a stack's template, and with it what the stack has missed; makes no asset."""

    def write(self, stack: Stack, builder: CloudAssemblyBuilder) -> None:
        """Write into the folder of `builder`."""
        self.bind(stack)
        self._synthesize_template(cast(ISynthesisSession, _Session(builder)))

    def add_docker_image_asset(self, **_: Any) -> DockerImageAssetLocation:
        """Refuse: a trial makes nothing."""
        raise NotImplementedError

    def add_file_asset(self, **_: Any) -> FileAssetLocation:
        """Refuse: a trial makes nothing."""
        raise NotImplementedError

    def synthesize(self, session: ISynthesisSession) -> None:
        """Do nothing: `write` is what is called."""


@jsii.implements(ISynthesisSession)
class _Session:
    """Where a trial goes."""

    def __init__(self, builder: CloudAssemblyBuilder) -> None:
        self._builder = builder

    @property
    def assembly(self) -> CloudAssemblyBuilder:
        """The assembly that is written."""
        return self._builder

    @property
    def outdir(self) -> str:
        """Its folder."""
        return self._builder.outdir

    @property
    def validate_on_synth(self) -> bool | None:
        """Nothing is validated."""
        return None


class Checks:
    """The wrong values of one construct."""

    def __init__(self) -> None:
        self.errors: list[ValueError | TypeError] = []

    @contextlib.contextmanager
    def check(self) -> Iterator[None]:
        """Keep what a check raises."""
        try:
            yield
        except (ValueError, TypeError) as error:
            self.errors.append(error)
