"""`doctor`: looks for what is amiss and says what to do; each line ok, a problem, or not tried.

Needs no permission to write. Exit status 1 when there is a problem, 2 when not even credentials or EVS could be had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evs_fleet.aws.targets import target_options
from evs_fleet.errors import DIFFERENCE, OK, FleetError, UsageError
from evs_fleet.output import BAD, GOOD, WARN, Column, write_rows, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evs_fleet.aws.diagnosis import Result
    from evs_fleet.aws.session import Session
    from evs_fleet.context import Context

COLUMNS = tuple(Column(name, name) for name in ("check", "state", "text", "advice"))
_STYLES = {"ok": GOOD, "problem": BAD, "not tried": WARN}


@click.command("doctor")
@target_options
@click.option("--stack", metavar="NAME", help="Look at the permissions of this stack's function, too.")
@click.pass_obj
def command(context: Context, environment: str | None, connector: str | None, stack: str | None) -> int:
    """Look for what is amiss: credentials, region, environment, connector, permissions, activation endpoint.

    Changes nothing. Permissions are asked of IAM's simulation, where the caller may ask.
    """
    from evs_fleet.aws.diagnosis import Result, State

    if context.output == "ids":
        raise UsageError("--output ids: doctor has no VM ids to show; expected table, json or csv")
    found: list[Result] = []
    failed: FleetError | None = None
    try:
        for result in _look(context, environment, connector, stack):
            found.append(result)  # noqa: PERF402  what was found before an error is shown
    except UsageError:
        raise
    except FleetError as error:
        failed = error
        found.append(Result("AWS", State.PROBLEM, str(error), "without it nothing more can be looked at"))
    problems = [result for result in found if result.state is State.PROBLEM]
    _write(context, found, problems)
    if failed:
        raise failed
    return DIFFERENCE if problems else OK


def _look(context: Context, environment: str | None, connector: str | None, stack: str | None) -> Iterator[Result]:
    from evs_fleet.aws import diagnosis, evs
    from evs_fleet.aws.diagnosis import Result, State
    from evs_fleet.aws.session import Session
    from evs_fleet.aws.targets import named

    environment, connector = named(context, environment, connector)
    session = Session.of(context)
    account, arn = session.caller()
    yield Result("credentials", State.OK, f"{arn}, account {account}")
    summaries = evs.environments(session)
    yield Result("region", State.OK, f"EVS answers in {session.region}: {len(summaries)} environments")
    wanted = [environment] if environment else [str(item["environmentId"]) for item in summaries]
    if not wanted:
        text = f"no EVS environment in {session.region} of this account"
        yield Result("environment", State.PROBLEM, text, "is it another --region or --profile?")
    there = {str(item["environmentId"]) for item in summaries}
    for environment_id in wanted:
        yield from diagnosis.environment(session, environment_id, summaries)
        if environment_id in there:
            yield from diagnosis.connector(evs.connectors(session, environment_id), connector)
    yield from diagnosis.caller_permissions(session, environment)
    if stack:
        yield from _of_stack(session, stack)
    else:
        yield Result("function's permissions", State.NOT_TRIED, "give --stack NAME of a deployed stack")
    yield from diagnosis.activation(session)


def _of_stack(session: Session, stack: str) -> Iterator[Result]:
    from evs_fleet.aws import deployed, diagnosis
    from evs_fleet.aws.diagnosis import Result, State
    from evs_fleet.errors import AwsError

    try:
        found = deployed.read(session, stack)
    except AwsError as error:
        yield Result("stack", State.PROBLEM, str(error), "is the name right, and the stack deployed?")
        return
    yield Result("stack", State.OK, f"{found.name}: {found.status}")
    yield from diagnosis.function_permissions(session, found)


def _write(context: Context, found: list[Result], problems: list[Result]) -> None:
    rows: list[dict[str, Any]] = [{**vars(result), "state": result.state.value} for result in found]
    if context.output != "table":
        write_rows(context.output, COLUMNS, rows, ids="check")
        return
    # Lines rather than a table: what to do is a sentence.
    width = max((len(row["check"]) for row in rows), default=0)
    for row in rows:
        write_text((f"{row['state']:<9} ", _STYLES[row["state"]]), f"{row['check']:<{width}}  {row['text']}")
        if row["advice"]:
            write_text(f"{'':<10}-> {row['advice']}")
    count = len(problems)
    words = f"{count} problem{'s' * (count != 1)}" if count else "nothing is amiss"
    write_text((words, BAD if count else GOOD))
