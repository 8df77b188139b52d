"""One bootstrapped local AWS for all end-to-end tests of a worker; the function's role is enforced.

What a test calls by `Cloud.cdk` is the real CLI, always. Stacks that the tests make of a `Variant`, and apps that
`Cloud.deploy_app` runs, are deployed by CloudFormation's API, which takes a tenth of the CLI's time; with
DEPLOY_BY=cli in the environment, as `make test-long` has it, by the CLI too.
"""

import itertools
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import LocalAws, Settings
from local_aws.evs_api import EvsControl
from testing.cdk import LIMIT, Cdk, Done
from testing.observed import stack_status
from tests.e2e.direct import Deployer, stack_of
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT, Variant

_numbers = itertools.count(1)
BY_CLI = os.environ.get("DEPLOY_BY") == "cli"
#: What cdk.json has the CLI run.
APP = "python3 app.py"
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
        self.deployer = Deployer(aws)
        # Tests that wait a lot deploy several stacks at once, and the CDK's process takes one request at a time.
        self._synthesis = threading.Lock()

    @property
    def evs(self) -> EvsControl:
        return self.aws.evs

    def name(self) -> str:
        """A name that no other stack of this run has."""
        return f"Stack{next(_numbers)}"

    def bootstrap(self) -> None:
        if not BY_CLI:
            self.deployer.bootstrap()
            return
        done = self.cdk("bootstrap", *CONTEXT, "-c", "vmIds=vm-101")
        assert done.exit_code == 0, done.output

    def deploy(self, variant: Variant, *, rollback: bool = True) -> Done:
        return self.deploy_assembly(self.synthesized(variant), variant.name, variant.timeout, rollback=rollback)

    def deploy_assembly(self, assembly: str, name: str, limit: float = LIMIT, *, rollback: bool = True) -> Done:
        limit = max(LIMIT, limit)
        if not BY_CLI:
            return self.deployer.deploy(assembly, name, limit, rollback=rollback)
        # Without a change set, which takes the CLI seconds; the tests of the app go through one.
        options = ("--method", "direct", *(() if rollback else ("--no-rollback",)))
        artifact_id, _ = stack_of(Path(assembly), name)
        return self.cdk("deploy", artifact_id, "--exclusively", *options, app=assembly, limit=limit)

    def deploy_app(self, app: str, *options: str) -> Done:
        """Run an app with the context that the options give, and deploy its one stack."""
        if BY_CLI:
            return self.cdk("deploy", *options, app=app)
        return self.deployer.deploy_app(app, options, self.directory, self.cdk.environment())

    def deployed(self, variant: Variant) -> Done:
        done = self.deploy(variant)
        assert done.exit_code == 0, done.output
        return done

    def refused(self, variant: Variant, *words: str, rollback: bool = True) -> Done:
        """Deploy what must fail with a reason that has these words."""
        done = self.deploy(variant, rollback=rollback)
        assert done.exit_code != 0, done.output
        for word in words:
            assert word in done.words, done.output
        return done

    def synthesized(self, variant: Variant) -> str:
        with self._synthesis:
            return variant.synthesize(self.directory)

    def destroy(self, variant: Variant) -> Done:
        return self.destroy_assembly(self.synthesized(variant) if BY_CLI else "", variant.name)

    def destroy_assembly(self, assembly: str, name: str) -> Done:
        if not BY_CLI:
            return self.deployer.destroy(name, LIMIT)
        artifact_id, _ = stack_of(Path(assembly), name)
        return self.cdk("destroy", artifact_id, "--exclusively", app=assembly)

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
def bootstrapped(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with LocalAws(settings=Settings(create_latency=0.5)) as aws:
        cloud = Cloud(aws, tmp_path_factory.mktemp("cdk"))
        cloud.bootstrap()
        yield cloud
    if not request.session.testsfailed:
        # All the assemblies: the process that spreads the tests would take them away by itself, after the last test.
        shutil.rmtree(cloud.directory, ignore_errors=True)


@pytest.fixture
def cloud(bootstrapped: Cloud) -> Cloud:
    """Where nothing is entitled yet."""
    bootstrapped.evs.reset()
    return bootstrapped
