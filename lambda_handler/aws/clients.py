"""botocore's clients, made with as little work as a cold start allows.

Owns how botocore is set up: where its models come from, that its own retries are off, and the store of certificates,
which is read once however many hosts are called. Endpoints, credentials, proxies and signatures stay botocore's own.
What leans on botocore's inner parts only saves time: where a later botocore has changed them, it works as ever.
"""

import os
import ssl
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Protocol

import botocore.args
import botocore.session
from botocore.config import Config
from botocore.endpoint import EndpointCreator
from botocore.httpsession import URLLib3Session
from botocore.loaders import Loader
from botocore.utils import parse_timestamp

#: Models that the code asset brings along, each with the operations that are called here and no other. They go before
#: those of Lambda's own botocore, which may be older than the entitlement API and takes longer to read.
MODELS = Path(__file__).resolve().parent.parent.parent / "models"
#: The version of the EVS API that the asset brings along, though Lambda's own botocore may know a newer one.
_API_VERSIONS = {"evs": "2023-07-27"}


class Clients(Protocol):
    """Makes clients."""

    def make(self, service: str) -> Any:
        """Return a new client of a service, without retries of its own."""
        ...


class Sessions:
    """Makes botocore's clients on first use, from one session."""

    def __init__(self) -> None:
        self._session: botocore.session.Session | None = None

    def make(self, service: str, connect_timeout: float, read_timeout: float) -> Any:
        """Return a new client without retries of its own (time-outs in seconds)."""
        session = self._opened()
        creator = botocore.args.EndpointCreator
        botocore.args.EndpointCreator = _Endpoints
        try:
            return session.create_client(
                service,
                # Lambda sets this one and AWS_DEFAULT_REGION; botocore reads the latter only.
                region_name=session.get_config_variable("region") or os.environ.get("AWS_REGION"),
                api_version=_API_VERSIONS.get(service),
                config=Config(
                    connect_timeout=connect_timeout, read_timeout=read_timeout, retries={"total_max_attempts": 1}
                ),
            )
        finally:
            botocore.args.EndpointCreator = creator

    def bundle(self) -> str | None:
        """Return the path of the certificates that calls trust instead of the system's, as botocore finds it."""
        return self._opened().get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE") or None

    def _opened(self) -> botocore.session.Session:
        if self._session is None:
            self._session = botocore.session.get_session()
            self._session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
            if MODELS.is_dir():
                known = self._session.get_component("data_loader").search_paths
                self._session.register_component("data_loader", _loader(tuple(known)))
        return self._session


def _moment(value: Any) -> datetime:
    """Read a time as botocore does, but in UTC at once: by way of the local time zone it takes a third of a page."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    moment: datetime = parse_timestamp(value)
    return moment


# --- models ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _loader(paths: tuple[str, ...]) -> "_Models":
    """Return the process's one loader: it keeps what it has read."""
    return _Models([str(MODELS), *paths], include_default_search_paths=False)


class _Models(Loader):  # type: ignore[misc]
    """Reads the asset's models first, and does not look through botocore's hundreds to learn that they are there."""

    _staged = False

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """Return a model."""
        self._staged = (MODELS / service_name).is_dir()
        try:
            return super().load_service_model(service_name, type_name, api_version)
        finally:
            self._staged = False

    def list_available_services(self, type_name: str) -> list[str]:
        """Return the services that there are, or at least the one that is asked for."""
        return (
            [folder.name for folder in MODELS.iterdir()] if self._staged else super().list_available_services(type_name)
        )

    def is_builtin_path(self, path: str) -> bool:
        """Tell that the asset's endpoints are botocore's own; those of others would go before its rules."""
        return str(path).startswith(str(MODELS)) or bool(super().is_builtin_path(path))


# --- certificates ----------------------------------------------------------------------------------------------------


def trust(store: str | None = None) -> ssl.SSLContext:
    """Return the one TLS context that trusts a store: a file, a folder, or the system's (and SSL_CERT_FILE's) if None.

    Reading a store takes longer than any call; botocore would read it for each connection.
    """
    return _trust(store)


@cache
def _trust(store: str | None) -> ssl.SSLContext:
    if store is None:
        return ssl.create_default_context()
    folder = Path(store).is_dir()
    context = ssl.create_default_context(cafile=None if folder else store, capath=store if folder else None)
    # botocore takes a bundle whose authorities don't keep to the letter of X.509; companies have such.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Connections(URLLib3Session):  # type: ignore[misc]
    """botocore's connections, with the process's one context for each store.

    Without AWS_CA_BUNDLE that is the system's store, on which the answer to CloudFormation depends anyway.
    """

    _shared = False

    def _get_ssl_context(self) -> ssl.SSLContext:
        verify = getattr(self, "_verify", False)
        own = any(getattr(self, name, None) for name in ("_cert_file", "_key_file"))
        if own or not (verify is True or isinstance(verify, str)):
            return super()._get_ssl_context()  # type: ignore[no-any-return]
        self._shared = True
        return trust(None if verify is True else verify)

    def _setup_ssl_cert(self, conn: Any, url: str, verify: Any) -> None:
        super()._setup_ssl_cert(conn, url, verify)
        if self._shared:
            conn.ca_certs = conn.ca_cert_dir = None


class _Endpoints(EndpointCreator):  # type: ignore[misc]
    def create_endpoint(self, *args: Any, **options: Any) -> Any:
        if "http_session_cls" in EndpointCreator.create_endpoint.__code__.co_varnames:
            options.setdefault("http_session_cls", Connections)
        return super().create_endpoint(*args, **options)
