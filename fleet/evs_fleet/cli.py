"""The entry point of `evs-entitlements`: finds the subcommand, runs it, and turns what it raises into one line.

Owns the list of subcommands and the exit status. Never imports a subcommand before it is asked for: start-up is to
stay under half a second.
"""

import os
import sys
import traceback
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import click

from evs_fleet.context import Context
from evs_fleet.errors import FAILURE, OK, FleetError
from evs_fleet.options import global_options

PROGRAM = "evs-entitlements"
#: Set to anything, it shows the traceback of an error that nobody expected.
DEBUG_VARIABLE = "EVS_ENTITLEMENTS_DEBUG"
#: Set by the shell while it completes a command line.
COMPLETION_VARIABLE = "_EVS_ENTITLEMENTS_COMPLETE"
#: What a shell reports for a program that ended by SIGINT and by SIGPIPE.
INTERRUPTED, BROKEN_PIPE = 130, 141

#: Subcommand -> (where its click.Command is, its line in `--help`).
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("evs_fleet.commands.init:command", "Write a first entitlements.toml."),
    "vms": ("evs_fleet.commands.vms:command", "The VMs of a vCenter or of an export."),
    "resolve": ("evs_fleet.commands.resolve:command", "Policy and inventory into the lock; say what changes."),
    "environments": ("evs_fleet.commands.environments:command", "EVS environments, connectors and entitlements."),
    "list": ("evs_fleet.commands.list:command", "What EVS holds."),
    "check": ("evs_fleet.commands.check:command", "The lock or a stack against EVS and vCenter."),
    "import": ("evs_fleet.commands.import_:command", "A lock of what is entitled today."),
    "watch": ("evs_fleet.commands.watch:command", "Progress of a deployment until all has settled."),
    "doctor": ("evs_fleet.commands.doctor:command", "Look for what is amiss, and say what to do."),
    "history": ("evs_fleet.commands.history:command", "Who entitled or removed what, and when."),
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which one comes to need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand and give it the global options that it has no option of its own for."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is no click command")
        known = {parameter.name for parameter in command.params}
        command.params += [option for option in global_options() if option.name not in known]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands; click's own would import each for its line."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _version() -> str:
    try:
        return version(PROGRAM)
    except PackageNotFoundError:
        return "unknown"


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"{PROGRAM} {_version()}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    params=global_options(),
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 as it should be; 1 a difference or a refusal; 2 wrong usage, or it could not be found out.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
def group() -> None:
    """Windows Server entitlements of Amazon EVS: choose VMs, check them, explain the difference."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command and end the process with its exit status."""
    try:
        status = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        status = BROKEN_PIPE
    sys.exit(status)


def run(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status; a subcommand returns its own, or None for 0.

    Raises:
        BrokenPipeError: whoever read stdout has gone.
    """
    try:
        status = _invoke(sys.argv[1:] if arguments is None else arguments)
    except FleetError as error:
        return _fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return FAILURE
    except click.UsageError as error:
        help_for = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return _fail(error.format_message().rstrip(".") + help_for)
    except click.ClickException as error:
        return _fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  the user is told in one line, whatever it is
        if os.environ.get(DEBUG_VARIABLE):
            traceback.print_exc()
        kind = "" if isinstance(error, OSError) else f"unexpected {type(error).__name__}: "
        return _fail(f"{kind}{error}")
    return status


def _invoke(arguments: list[str]) -> int:
    if COMPLETION_VARIABLE in os.environ:
        group.main(arguments, PROGRAM, complete_var=COMPLETION_VARIABLE)
    # Not by click's `main`, which prints on Ctrl-C and hides a broken pipe.
    try:
        with group.make_context(PROGRAM, list(arguments), obj=Context()) as context:
            status = group.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    return status if isinstance(status, int) else OK


def _fail(message: str) -> int:
    click.echo(f"error: {' '.join(message.split())}", err=True)
    return FAILURE


def _forget_stdout() -> None:
    # Python flushes stdout once more at its end, and would complain.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())


if __name__ == "__main__":
    main()
