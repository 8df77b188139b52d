"""botocore as the function sets it up: quicker than by default, and with the same endpoints, signatures and trust."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
import trustme
from botocore.awsrequest import AWSResponse
from botocore.loaders import Loader
from botocore.utils import parse_timestamp

from evs_entitlements import service_model
from evs_entitlements.lambda_code import stage_code
from lambda_handler.aws import clients
from lambda_handler.aws.clients import Sessions, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Kept, or each test would read everything anew.
BOTOCORES = Loader()
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "evs": (
        "list_vm_entitlements",
        {"environmentId": "env-abcde12345", "connectorId": "cnctr-abcde12345", "entitlementType": "WINDOWS_SERVER"},
    ),
    "dynamodb": ("get_item", {"TableName": "ledger", "Key": {"Id": {"S": "stack"}}}),
    "lambda": ("invoke", {"FunctionName": "function", "InvocationType": "Event"}),
    "cloudformation": ("describe_stacks", {"StackName": "stack"}),
}


@pytest.fixture(scope="module")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asset")
    stage_code(folder)
    return folder


@pytest.fixture
def staged(asset: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The handler of this source tree, with the asset's models and an environment that says nothing."""
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "AWS_PROFILE",
        "AWS_DATA_PATH",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(asset / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ACCOUNT_ID", "123456789012")
    monkeypatch.setattr(clients, "MODELS", asset / "models")
    for cached in (clients._loader, clients._trust):
        cached.cache_clear()
    yield
    for cached in (clients._loader, clients._trust):
        cached.cache_clear()


class Made:
    """Clients with time-outs that never matter here."""

    def __init__(self) -> None:
        self._sessions = Sessions()

    def make(self, service: str) -> Any:
        return self._sessions.make(service, 3.0, 15.0)


def made() -> Made:
    return Made()


def sent(client: Any, service: str) -> tuple[str, str]:
    """Where a call would go, and for which Region and service it is signed."""
    found: list[Any] = []

    def instead(request: Any, **_: Any) -> AWSResponse:
        found.append(request)
        return AWSResponse(request.url, 500, {}, None)

    client.meta.events.register("before-send", instead)
    method, arguments = CALLS[service]
    with pytest.raises(Exception):  # noqa: B017 - an answer without a body is none
        getattr(client, method)(**arguments)
    scope = re.search(rb"Credential=[^/]+/\d+/([^,]+)", found[0].headers["Authorization"])
    assert scope
    return found[0].url, scope[1].decode()


@pytest.mark.usefixtures("staged")
class TestEndpoints:
    @pytest.mark.parametrize("service", sorted(CALLS))
    @pytest.mark.parametrize(
        ("region", "variables"),
        [
            ("us-east-1", {}),
            ("eu-central-1", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}),
            ("us-east-2", {"AWS_USE_FIPS_ENDPOINT": "true"}),
            ("us-gov-west-1", {}),
            ("us-gov-east-1", {"AWS_USE_FIPS_ENDPOINT": "true"}),
            ("cn-north-1", {}),
            ("eusc-de-east-1", {}),
            ("us-iso-east-1", {}),
            ("eu-nowhere-9", {}),
            ("us-west-2", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}),
            ("us-west-2", {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"}),
        ],
    )
    def test_are_those_that_botocore_finds_by_itself(
        self, service: str, region: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {"AWS_DEFAULT_REGION": region, **variables}.items():
            monkeypatch.setenv(name, value)
        plain = botocore.session.Session()
        plain.register_component("data_loader", BOTOCORES)
        assert sent(made().make(service), service) == sent(plain.create_client(service), service)

    def test_a_services_own_variable_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ENDPOINT_URL_EVS", "http://127.0.0.1:9")
        assert sent(made().make("evs"), "evs")[0].startswith("http://127.0.0.1:9/")
        assert "127.0.0.1" not in sent(made().make("dynamodb"), "dynamodb")[0]


@pytest.mark.usefixtures("staged")
class TestModels:
    @pytest.fixture(autouse=True)
    def region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    @pytest.mark.parametrize("service", sorted(CALLS))
    def test_are_the_assets(self, service: str) -> None:
        assert sorted(made().make(service).meta.service_model.operation_names) == sorted(service_model.CALLED[service])

    def test_a_service_that_the_asset_does_not_have_is_botocores(self) -> None:
        # botocore itself asks STS where a role is to be assumed.
        assert made().make("sts").meta.service_model.operation_names

    def test_without_an_asset_all_are_botocores(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(clients, "MODELS", tmp_path / "none")
        assert len(made().make("evs").meta.service_model.operation_names) > len(service_model.OPERATIONS)


@pytest.mark.parametrize(
    "value", [1_795_000_000, 1_795_000_000.25, "2026-11-23T10:15:00Z", "2026-11-23T10:15:00.5+02:00"]
)
def test_times_are_those_that_botocore_reads(value: Any) -> None:
    assert clients._moment(value) == parse_timestamp(value)
    assert clients._moment(value).tzinfo is not None


@pytest.mark.usefixtures("staged")
class TestTrust:
    @pytest.fixture(autouse=True)
    def region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    @staticmethod
    def connection(client: Any) -> Any:
        """A client's pool of connections, as it is just before a call."""
        session = client._endpoint.http_session
        pool = session._manager.connection_from_url("https://localhost")
        session._setup_ssl_cert(pool, "https://localhost", session._verify)
        return pool

    def test_one_store_is_read_once_for_all_clients_and_the_answer(self) -> None:
        evs, dynamodb = (self.connection(made().make(service)) for service in ("evs", "dynamodb"))
        assert evs.conn_kw["ssl_context"] is dynamodb.conn_kw["ssl_context"] is trust()
        assert evs.ca_certs is dynamodb.ca_certs is None
        assert evs.cert_reqs == "CERT_REQUIRED"
        assert trust().check_hostname

    @pytest.mark.parametrize("service", ["evs"])
    def test_ca_bundle_replaces_the_systems_store(
        self, service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        bundle = tmp_path / "bundle.pem"
        trustme.CA(organization_name="bundle").cert_pem.write_to_path(str(bundle))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        context = self.connection(made().make(service)).conn_kw["ssl_context"]
        assert context is trust(str(bundle))
        assert len(context.get_ca_certs()) == 1

    def test_ssl_cert_file_is_the_systems_store(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "store.pem"))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "store.pem"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
        assert len(trust().get_ca_certs()) == 1


class TestImports:
    @staticmethod
    def loaded(asset: Path, before: str = "pass") -> str:
        script = f"{before}; import sys; sys.path[:0] = sys.argv[1:]; import lambda_handler.main; print(*sys.modules)"
        command = [sys.executable, "-c", script, str(asset)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def test_nothing_of_boto3_is_loaded(self, asset: Path) -> None:
        loaded = self.loaded(asset).split()
        assert "crhelper.resource_helper" in loaded
        assert not {"boto3", "boto3.session", "s3transfer", "multiprocessing.managers"}.intersection(loaded)

    def test_boto3_that_is_loaded_already_is_left_alone(self, asset: Path) -> None:
        loaded = self.loaded(asset, "import boto3; real = boto3.client")
        assert "boto3.session" in loaded.split()
