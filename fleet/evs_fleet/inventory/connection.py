"""How a vCenter is reached: host, port, trust, user and password.

Owns the check of its certificate, which nothing here can switch off, and the words for what goes wrong on the way.
Never writes a password anywhere.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
from dataclasses import dataclass, field
from pathlib import Path

import click

from evs_fleet.errors import UsageError, VcenterError

USER_VARIABLE, PASSWORD_VARIABLE = "VCENTER_USER", "VCENTER_PASSWORD"
#: How long one answer may take, in seconds.
TIMEOUT_SECONDS = 60
#: How long the vCenter may take to accept a connection, in seconds.
CONNECT_SECONDS = 15


@dataclass(frozen=True)
class Endpoint:
    """A vCenter and who asks it.

    Attributes:
        host: name or address.
        port: TCP port.
        user: a user that may read VMs, tags and custom attributes.
        password: never shown.
        ca_file: PEM file of the authorities to trust; None: those of the operating system.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    ca_file: Path | None = None

    @property
    def label(self) -> str:
        """The vCenter in a word."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"

    def tls(self) -> ssl.SSLContext:
        """Return the TLS settings: the chain and the name are checked.

        Raises:
            VcenterError: `ca_file` can't be read or has no certificates.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except ssl.SSLError as error:
            raise VcenterError(f"ca_file {self.ca_file}: no certificates in PEM form in it") from error
        except OSError as error:
            raise VcenterError(f"ca_file {self.ca_file}: can't be read: {error.strerror}") from error
        # Since Python 3.13 this flag asks for extensions that the certificates of many vCenters' own authority lack.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def try_connection(self, context: ssl.SSLContext) -> None:
        """Open one TLS connection and close it.

        pyVmomi turns what goes wrong here into words of its own, in some cases into none at all.

        Raises:
            VcenterError: no connection, or a certificate that is not trusted.
        """
        try:
            with (
                socket.create_connection((self.host, self.port), timeout=CONNECT_SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=self.host),
            ):
                pass
        except OSError as error:
            raise self.failure(error) from error

    def failure(self, error: Exception) -> VcenterError:
        """Return the error for a connection that failed."""
        name = f"vCenter {self.label}"
        if isinstance(error, ssl.SSLCertVerificationError):
            trusted = (
                f"ca_file {self.ca_file}" if self.ca_file else "the authorities of this machine (ca_file is not set)"
            )
            return VcenterError(f"{name}: its certificate is not trusted by {trusted}: {error.verify_message}")
        if isinstance(error, ssl.SSLError):
            return VcenterError(f"{name}: no TLS on this port: {error.reason}")
        if isinstance(error, socket.gaierror):
            return VcenterError(f"{name}: its name is not known here: {error.strerror}")
        if isinstance(error, TimeoutError):
            return VcenterError(f"{name}: not reached: no answer in time")
        words = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        return VcenterError(f"{name}: not reached: {words}")


def endpoint(host: str, port: int, ca_file: Path | None) -> Endpoint:
    """Return an endpoint with user and password from the environment, or from prompts on a terminal.

    Raises:
        UsageError: there is neither.
    """
    user = os.environ.get(USER_VARIABLE) or _ask(f"User of vCenter {host}", USER_VARIABLE)
    password = os.environ.get(PASSWORD_VARIABLE) or _ask(f"Password of {user}", PASSWORD_VARIABLE, hidden=True)
    return Endpoint(host, port, user, password, ca_file)


def _ask(question: str, variable: str, *, hidden: bool = False) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"{variable} is not set, and there is no terminal to ask for it")
    return str(click.prompt(question, hide_input=hidden, err=True))
