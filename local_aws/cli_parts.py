"""What the commands of the command line share: the form of their options, and how they end.

Owns neither a command nor what one prints.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from local_aws import ministack_venv
from local_aws.evs_api import ControlError
from local_aws.ministack import StartError

F = TypeVar("F", bound=Callable[..., Any])


class Latency(click.ParamType[Any]):
    """Seconds, or two numbers with a dash between: lowest and highest."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a number, or the list of two."""
        try:
            numbers = [float(part) for part in str(value).split("-")]
        except ValueError:
            numbers = []
        if len(numbers) == 1:
            return numbers[0]
        if len(numbers) != 2 or numbers[0] > numbers[1]:
            self.fail(f"got {value!r}, expected seconds, such as 5 or 2-10", param, ctx)
        return numbers


def of_instance(function: F) -> F:
    """Give a command the option `--name`, which says which running instance is meant."""
    help_text = "Which running instance; needed only if several are running."
    return click.option("--name", help=help_text)(function)


def pairs_of(items: tuple[str, ...]) -> dict[str, Any]:
    """Return the values of NAME=VALUE arguments. A value that is no JSON is a text.

    Raises:
        click.UsageError: an argument has no `=`.
    """
    pairs = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise click.UsageError(f"got {item!r}, expected NAME=VALUE")
        try:
            pairs[name] = json.loads(value)
        except ValueError:
            pairs[name] = value
    return pairs


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Show what went wrong as one message instead of a traceback."""
    try:
        yield
    except (ControlError, StartError, ministack_venv.SetupError, LookupError, OSError, ValueError) as error:
        raise click.ClickException(str(error.args[0] if isinstance(error, KeyError) else error))


@contextlib.contextmanager
def ending_cleanly() -> Iterator[threading.Event]:
    """Yield an event that is set by Ctrl-C, TERM or HUP; while it isn't awaited, they end the start."""
    ended = threading.Event()

    def end(number: int, _: object) -> None:
        if ended.is_set():
            sys.exit(128 + number)
        ended.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
