"""The global options, accepted before and after the name of a subcommand.

Owns their names and help texts. An option after the subcommand counts before one that stands ahead of it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from evs_fleet.context import OUTPUTS, Context

_FILE = click.Path(path_type=Path)


def global_options() -> list[click.Parameter]:
    """Return the global options, made anew: click keeps state in a parameter's command."""
    return [
        _option("--profile", metavar="NAME", help="AWS profile."),
        _option("--region", metavar="REGION", help="AWS region."),
        _option("-f", "--policy", type=_FILE, metavar="FILE", help="Policy [entitlements.toml]."),
        _option("--lock", type=_FILE, metavar="FILE", help="Lock [entitlements.lock.json]."),
        _option("--inventory", type=_FILE, metavar="EXPORT", help="Export of RVTools or govc, in place of a vCenter."),
        _option("--output", type=click.Choice(OUTPUTS), help="Form of what goes to stdout [table]."),
    ]


def _option(*names: str, **settings: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_remember, **settings)


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    # Each click.Context takes `obj` from the one above it, so what is set here reaches all below.
    if value is not None and parameter.name is not None:
        known = ctx.obj if isinstance(ctx.obj, Context) else Context()
        ctx.obj = replace(known, **{parameter.name: value})
