"""One bootstrapped local AWS for all end-to-end tests of a worker; the function's role is enforced."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import LocalAws, Settings
from local_aws.evs_api import EvsControl
from testing.cdk import LIMIT, Cdk, Done
from testing.observed import stack_status
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT, Variant

_numbers = itertools.count(1)
CONTEXT = ("-c", f"environmentId={ENVIRONMENT}", "-c", f"connectorId={CONNECTOR}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


class Cloud:
    """A bootstrapped local AWS, and the CLI for it."""

    def __init__(self, aws: LocalAws, directory: Path) -> None:
        self.aws, self.directory = aws, directory
        self.cdk = Cdk(aws, directory, validates=False)
        # Tests that wait a lot deploy several stacks at once, and the CDK's process takes one request at a time.
        self._synthesis = threading.Lock()

    @property
    def evs(self) -> EvsControl:
        return self.aws.evs

    def name(self) -> str:
        """A name that no other stack of this run has."""
        return f"Stack{next(_numbers)}"

    def deploy(self, variant: Variant, *options: str) -> Done:
        # Without a change set, which takes the CLI seconds; the tests of the app go through one.
        options = ("--method", "direct", *options)
        return self.cdk("deploy", *options, app=self.synthesized(variant), limit=max(LIMIT, variant.timeout))

    def deployed(self, variant: Variant, *options: str) -> Done:
        done = self.deploy(variant, *options)
        assert done.exit_code == 0, done.output
        return done

    def refused(self, variant: Variant, *words: str, options: tuple[str, ...] = ()) -> Done:
        """Deploy what must fail with a reason that has these words."""
        done = self.deploy(variant, *options)
        assert done.exit_code != 0, done.output
        for word in words:
            assert word in done.words, done.output
        return done

    def synthesized(self, variant: Variant) -> str:
        with self._synthesis:
            return variant.synthesize(self.directory)

    def destroy(self, variant: Variant) -> Done:
        return self.cdk("destroy", app=self.synthesized(variant))

    def destroyed(self, variant: Variant) -> Done:
        done = self.destroy(variant)
        assert done.exit_code == 0, done.output
        assert self.status(variant) == "GONE"
        return done

    def status(self, variant: Variant) -> str:
        return stack_status(self.aws, variant.name)

    def held(self) -> list[str]:
        return self.evs.held(ENVIRONMENT, CONNECTOR)

    def always_licensed(self, vm_id: str) -> bool:
        """Whether a VM has been licensed without a gap since it first was, and is now."""
        intervals = self.evs.intervals(vm_id)
        return len(intervals) == 1 and intervals[0][1] is None


@pytest.fixture(scope="session")
def bootstrapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with LocalAws(settings=Settings(create_latency=0.5)) as aws:
        cloud = Cloud(aws, tmp_path_factory.mktemp("cdk"))
        done = cloud.cdk("bootstrap", *CONTEXT, "-c", "vmIds=vm-101")
        assert done.exit_code == 0, done.output
        yield cloud


@pytest.fixture
def cloud(bootstrapped: Cloud) -> Cloud:
    """Where nothing is entitled yet."""
    bootstrapped.evs.reset()
    return bootstrapped
