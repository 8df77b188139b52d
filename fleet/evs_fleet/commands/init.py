"""`evs-entitlements init`: a first entitlements.toml, from what is found and what is asked.

Never overwrites a policy unasked. What it writes is valid, and says in comments what else there is.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evs_fleet.errors import OK, PolicyError, UsageError
from evs_fleet.output import plural, printable, remark

if TYPE_CHECKING:
    from evs_fleet.context import Context
    from evs_fleet.inventory.model import Inventory, Vm
    from evs_fleet.policy import Vcenter

#: Folders that get an include of their own.
FOLDERS = 20
#: VMs that are named in a comment.
_NAMED = 3


@click.command()
@click.option("--environment", metavar="ENV-ID", help="EVS environment [the only one, or it is asked for].")
@click.option("--connector", metavar="CNCTR-ID", help="Its connector [found out when it is needed].")
@click.option("--host", metavar="HOST", help="vCenter; it is asked for. With --inventory none is needed.")
@click.option("--port", type=click.IntRange(1, 65535), default=443, help="Its port [443].")
@click.option("--ca-file", type=click.Path(path_type=Path), metavar="FILE", help="PEM file of authorities to trust.")
@click.option("--force", is_flag=True, help="Overwrite a policy that is there.")
@click.pass_obj
def command(
    context: Context,
    /,
    environment: str | None,
    connector: str | None,
    host: str | None,
    port: int,
    ca_file: Path | None,
    force: bool,
) -> int:
    """Write a first entitlements.toml, with an include for each folder that has VMs which EVS would entitle."""
    from evs_fleet.inventory.source import read_inventory
    from evs_fleet.policy import Vcenter, parse

    path = context.policy_path
    if path.exists() and not force:
        raise UsageError(f"{path} is there already; --force overwrites it")
    environment = environment or _environment(context)
    if host is None and context.inventory is None:
        host = _ask("vCenter, name or address", "--host")
    vcenter = Vcenter(host=host, port=port, ca_file=str(ca_file.absolute()) if ca_file else None) if host else None
    inventory = read_inventory(context, vcenter)
    text = (
        "\n".join([*_head(environment, connector, vcenter, _relative(ca_file, path)), *_includes(inventory), *_tail()])
        + "\n"
    )
    # What `resolve` would refuse to read is not written.
    parse(text, path)
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise PolicyError(f"{path}: can't be written: {error.strerror}") from error
    remark(f"{path} is written; edit it, then: evs-entitlements resolve")
    return OK


def _environment(context: Context) -> str:
    """Return the only environment of account and region, or the one that the user names."""
    from evs_fleet.aws.evs import environments
    from evs_fleet.aws.session import Session
    from evs_fleet.errors import AwsError

    try:
        found = [str(item["environmentId"]) for item in environments(Session.of(context))]
    except AwsError as error:
        if not sys.stdin.isatty():
            raise UsageError(f"--environment is not given, and AWS can't be asked: {error}") from error
        remark(f"AWS can't be asked for environments: {error}")
        found = []
    if len(found) == 1:
        remark(f"environment {found[0]}, the only one here")
        return found[0]
    if found and not sys.stdin.isatty():
        raise UsageError(f"there are several environments: give --environment, one of {', '.join(found)}")
    names = f" ({', '.join(found)})" if found else ""
    return _ask(f"EVS environment{names}", "--environment")


def _ask(question: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"{option} is not given, and there is no terminal to ask for it")
    return str(click.prompt(question, err=True))


def _head(environment: str, connector: str | None, vcenter: Vcenter | None, ca_file: str | None) -> Iterator[str]:
    yield "# Which VMs have a Windows Server entitlement. Then: evs-entitlements resolve"
    yield f"environment = {_string(environment)}"
    if connector:
        yield f"connector = {_string(connector)}"
    else:
        yield '# connector = "cnctr-..."   # left out: the environment\'s connector of type VCENTER'
    yield ""
    if vcenter is None:
        yield "# [vcenter]                  # where VMs are read from, unless an --inventory is given"
        yield '# host = "vc01.corp.example.com"'
        return
    yield "[vcenter]                    # VCENTER_USER and VCENTER_PASSWORD, or a prompt, say who asks"
    yield f"host = {_string(vcenter.host)}"
    yield f"port = {vcenter.port}"
    yield f"ca_file = {_string(ca_file)}" if ca_file else '# ca_file = "vc-ca.pem"       # authorities to trust'


def _relative(ca_file: Path | None, policy: Path) -> str | None:
    """Return a file as the policy is to name it: relative to the policy, unless it was given from the root."""
    if ca_file is None or ca_file.is_absolute():
        return str(ca_file) if ca_file else None
    return os.path.relpath(ca_file, policy.parent)


def _includes(inventory: Inventory) -> Iterator[str]:
    from evs_fleet.globs import escape
    from evs_fleet.guests import refusal

    eligible = [vm for vm in inventory.vms if refusal(vm) is None]
    yield ""
    yield "# A VM is chosen if all keys of one include match and no exclude does; only if its guest is Windows Server"
    yield "# 2016 or later. Keys: folder, name, tag, cluster, guest, attribute, uuid, id. In a folder, * stays"
    yield "# within one level and ** crosses levels."
    yield f"# Read from {inventory.source}: EVS would entitle {len(eligible)} of {plural(len(inventory.vms), 'VM')}."
    folders: defaultdict[str, list[Vm]] = defaultdict(list)
    for vm in eligible:
        folders[vm.folder or ""].append(vm)
    if not eligible or "" in folders or len(folders) > FOLDERS:
        # Folders that are not known, or too many to list.
        yield "[[include]]"
        yield 'name = "*"'
        return
    for folder, vms in sorted(folders.items()):
        vcpus = sum(vm.vcpus or 0 for vm in vms)
        names = ", ".join(vm.name for vm in vms[:_NAMED]) + (", ..." if len(vms) > _NAMED else "")
        size = f"{plural(len(vms), 'VM')}, {plural(vcpus, 'vCPU')}"
        yield f"[[include]]                  # {size}: {printable(names)}"
        yield f"folder = {_string(escape(folder))}"


def _tail() -> Iterator[str]:
    yield ""
    yield "# [[exclude]]"
    yield '# name = "legacy*"'
    yield '# reason = "own licence, contract 4711"   # required'


def _string(text: str) -> str:
    # A basic string of TOML is one of JSON, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
