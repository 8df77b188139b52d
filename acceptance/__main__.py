"""Entry point of ``python -m acceptance``: asks, runs, cleans up, reports.

Exit status: 0 all that was seen is as assumed; 1 something is different; 2 it could not be done, or something is left;
130 ended by Ctrl-C, with nothing left.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from pathlib import Path

from acceptance import options as command_line
from acceptance.context import Context
from acceptance.errors import AcceptanceError, Interrupted
from acceptance.evs_calls import EvsCalls
from acceptance.findings import Findings
from acceptance.options import Options
from acceptance.place import Looks
from acceptance.preflight import announce, confirm, place_of
from acceptance.redaction import Redaction
from acceptance.report import Ending, summary, write
from acceptance.run import Signals, clean_up, run_parts, timed
from acceptance.runs import alone, unfinished
from acceptance.safekeeping import Record, Safekeeping
from evs_fleet.aws.session import Session
from evs_fleet.errors import AwsError

OK, DIFFERENT, FAILURE, ENDED = 0, 1, 2, 130


def main() -> int:
    """Run; return the exit status."""
    signals = Signals(say)
    signals.catch()
    try:
        options = command_line.read(None)
        session = Session(options.profile, options.region)
        evs = EvsCalls(session.region, session.profile)
        with alone(options.directory):
            act = _clean_up_former if options.cleans_up else _run
            return act(options, session, evs, signals)
    except (AcceptanceError, AwsError) as error:
        sys.stderr.write(f"error: {error}\n")
        return FAILURE
    except Interrupted:
        say("ended; nothing was done")
        return ENDED


def say(line: str) -> None:
    """Tell the user something, in one line."""
    # Who reads may have gone; the clean-up goes on all the same.
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
        sys.stdout.flush()


def _run(options: Options, session: Session, evs: EvsCalls, signals: Signals) -> int:
    account, _ = session.caller()
    if former := unfinished(options.directory):
        raise AcceptanceError(
            f"{former[0].parent}: a former run was not cleaned up; first run `python -m acceptance --clean-up` "
            "(of make: ARGS=--clean-up)"
        )
    place = place_of(options, session, evs)
    announce(options, session, place, say)
    confirm(options)

    ending = Ending(time.time(), parts=options.parts, region=session.region)
    name = f"EvsAcceptance-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(ending.began))}-{os.getpid()}"
    directory = options.directory / name
    vms = [place.vm, *([place.second] if place.second else [])]
    record = Record(account, session.region, place.environment, place.connector, vms)
    keep = Safekeeping(directory / "record.json", record)
    looks = Looks(evs, place.environment, place.connector)
    findings = Findings()
    context = Context(name, place, session, evs, looks, keep, findings, directory, say)
    try:
        try:
            run_parts(context, options.parts, ending)
        finally:
            # Within the outer `try`: a signal just before this still leads to the clean-up.
            signals.hold()
    except Interrupted:
        say("ended by a signal")
        ending.stopped.append("ended by a signal")
    finally:
        ending.left = clean_up(keep, session, evs, say)

    for name in ("assemblies", "cdk"):
        shutil.rmtree(directory / name, ignore_errors=True)
    known = {
        "account": account,
        "environment": place.environment,
        "connector": place.connector,
        "vm": place.vm,
        "second vm": place.second or "",
        "unknown vm": place.unknown,
        "connector of another type": place.other_type or "",
    }
    redaction = Redaction(known)
    for secret in looks.names | {session.caller()[1]}:
        redaction.learn(secret)
    written = write(directory, findings, timed(ending), redaction)
    return _conclude(findings, ending, written, signals)


def _conclude(findings: Findings, ending: Ending, written: list[Path], signals: Signals) -> int:
    say(summary(findings))
    for name in findings.with_verdict("different"):
        say(f"different: {name}: {'; '.join(findings.of(name).seen)}")
    for path in written:
        say(str(path))
    for line in ending.left:
        sys.stderr.write(f"error: left behind: {line}\n")
    if ending.left:
        return FAILURE
    if signals.came:
        return ENDED
    if ending.stopped:
        return FAILURE
    return DIFFERENT if findings.with_verdict("different") else OK


def _clean_up_former(options: Options, session: Session, evs: EvsCalls, signals: Signals) -> int:
    account, _ = session.caller()
    left: list[str] = []
    for path in unfinished(options.directory):
        keep = Safekeeping.load(path)
        if (keep.record.account, keep.record.region) != (account, session.region):
            left.append(f"{path.parent}: of account {keep.record.account}, region {keep.record.region}")
            continue
        say(f"cleaning up after {path.parent.name}")
        signals.hold()
        left += clean_up(keep, session, evs, say)
    for line in left:
        sys.stderr.write(f"error: left behind: {line}\n")
    say("something is left" if left else "nothing is left")
    return FAILURE if left else OK


if __name__ == "__main__":
    sys.exit(main())
