"""The report of a run: Markdown for people, JSON for programs, both without what tells whose account it was.

Owns the form. Everything that goes into a file goes through the redaction, here and nowhere else.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore

from acceptance.assumptions import ASSUMPTIONS
from acceptance.findings import Findings, Verdict
from acceptance.redaction import Redaction

_VERDICTS: tuple[Verdict, ...] = ("different", "same", "not seen")


@dataclass
class Ending:
    """How a run ended.

    Attributes:
        began, seconds: when it began (seconds since 1970), and how long it took, clean-up included.
        stopped: why it or a part of it ended early, each as a line.
        left: what could not be removed, each as a line.
    """

    began: float
    seconds: float = 0.0
    parts: tuple[str, ...] = ()
    region: str = ""
    stopped: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def write(directory: Path, findings: Findings, ending: Ending, redaction: Redaction) -> list[Path]:
    """Write report.md and report.json into a directory, and return their paths."""
    value = _value(findings, ending, redaction)
    directory.mkdir(parents=True, exist_ok=True)
    written = directory / "report.json", directory / "report.md"
    written[0].write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    written[1].write_text(_markdown(value), encoding="utf-8")
    return list(written)


def summary(findings: Findings) -> str:
    """Return how many assumptions have which verdict, in one line."""
    return ", ".join(f"{len(findings.with_verdict(verdict))} {verdict}" for verdict in _VERDICTS)


def _value(findings: Findings, ending: Ending, redaction: Redaction) -> dict[str, Any]:
    text = redaction.text
    return {
        "form": 1,
        "began": datetime.fromtimestamp(ending.began, UTC).isoformat(timespec="seconds"),
        "seconds": round(ending.seconds),
        "region": ending.region,
        "parts": list(ending.parts),
        "versions": {
            "evs-entitlements": importlib.metadata.version("evs-entitlements"),
            "aws-cdk-lib": importlib.metadata.version("aws-cdk-lib"),
            "botocore": botocore.__version__,
            "python": platform.python_version(),
        },
        "stopped": [text(line) for line in ending.stopped],
        "left": [text(line) for line in ending.left],
        "assumptions": [
            {
                "name": name,
                "part": each.part,
                "assumed": each.assumed,
                "where": list(each.where),
                "asked": each.asked,
                "verdict": findings.of(name).verdict,
                "seen": [text(line) for line in findings.of(name).seen] or ["the run ended before"],
            }
            for name, each in ASSUMPTIONS.items()
        ],
        "measured": [{"what": text(one.what), "value": text(one.value)} for one in findings.measured],
        "calls": [
            {
                **call,
                "request": redaction.value(call["request"]),
                "body": redaction.value(call["body"]),
                "errorType": text(call["errorType"]),
            }
            for call in findings.calls
        ],
    }


def _markdown(value: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in value["versions"].items())
    lines = [
        "# What AWS answered, and what is assumed of it",
        "",
        f"Begun {value['began']}, {value['seconds']} s, region {value['region']}; parts: {', '.join(value['parts'])}.",
        f"{versions}. Ids, names and hosts are replaced.",
        "",
        *(f"- **Ended early:** {_cell(line)}" for line in value["stopped"]),
        *(f"- **Left behind:** {_cell(line)}" for line in value["left"]),
    ]
    for verdict in _VERDICTS:
        rows = [one for one in value["assumptions"] if one["verdict"] == verdict]
        lines += ["", f"## {verdict.capitalize()}: {len(rows)}", ""]
        if rows:
            lines += ["| | assumed | where | asked | seen |", "|---|---|---|---|---|"]
            lines += [
                f"| {one['name']} | {_cell(one['assumed'])} | {'<br>'.join(one['where'])} | {_cell(one['asked'])} | "
                f"{'<br>'.join(map(_cell, one['seen']))} |"
                for one in rows
            ]
    lines += ["", "## Measured and learnt", "", "| what | |", "|---|---|"]
    lines += [f"| {_cell(one['what'])} | {_cell(one['value'])} |" for one in value["measured"]]
    lines += ["", "## Answers of EVS", ""]
    for call in value["calls"]:
        code = f" {call['code']}" if call["code"] else ""
        lines += [
            f"- {call['operation']}: HTTP {call['httpStatus']}{code}, {call['seconds']} s",
            "",
            "  ```json",
            f"  {json.dumps(_short(call['request']), ensure_ascii=False)}",
            f"  {json.dumps(call['body'], ensure_ascii=False)}",
            "  ```",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def _short(request: dict[str, Any]) -> dict[str, Any]:
    """Leave a long list of VM ids out."""
    vm_ids = request.get("vmIds")
    if isinstance(vm_ids, list) and len(vm_ids) > 4:
        return {**request, "vmIds": f"{len(vm_ids)} ids"}
    return request
