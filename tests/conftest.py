"""Fixtures that every kind of test shares: one local AWS and one staged asset for a whole run.

What imports the CDK is imported by the fixtures: the process that only spreads the tests has no need of it.
"""

from __future__ import annotations

import functools
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.session
import pytest
from hypothesis import settings

from local_aws.launcher import LocalAws
from testing.cdk import COMPILED
from testing.receiver import Receiver, own_authority
from tests.support import jsii_direct

# For the CDK's Node, whose process starts as soon as something imports the CDK. Its own check of each template takes
# longer than all else of a test; tests/e2e/test_app.py synthesizes with it.
os.environ.update(NODE_COMPILE_CACHE=str(COMPILED), CDK_VALIDATION="false")
jsii_direct.install()

if TYPE_CHECKING:
    from tests.support.cloudformation import Stack
    from tests.support.function import Lambda

# botocore reads the models of a service anew for each session otherwise, and many tests make one.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# What else the machine does must not decide.
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what lives as long as the run: a tenth of all time was spent in it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aws")


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with LocalAws(auth=False) as local:
        yield local


@pytest.fixture(scope="session")
def receiver(directory: Path) -> Iterator[Receiver]:
    context, ca_path = own_authority(directory)
    receiver = Receiver(context, ca_path=ca_path)
    yield receiver
    receiver.close()


@pytest.fixture(scope="session")
def function(directory: Path, aws: LocalAws) -> Iterator[Lambda]:
    from tests.support.function import Lambda

    function = Lambda(directory, aws)
    yield function
    function.close()


@pytest.fixture
def stack(function: Lambda, receiver: Receiver, directory: Path) -> Iterator[Stack]:
    """A stack in an EVS API that begins anew."""
    from tests.support.cloudformation import Stack

    function.aws.evs.reset()
    function.aws.evs.set(create_latency=0.0)
    receiver.statuses.clear()
    stack = Stack(function, receiver, directory)
    yield stack
    stack.close()
