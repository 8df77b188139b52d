"""Logs: one JSON object a line, in crhelper's form; never ResponseURL's signature or a session token, at any level.

Owns the redaction. The handler itself never logs a secret; this is for what others log below it: botocore writes
request headers and bodies at DEBUG, crhelper the whole event.
"""

import logging
import os
import re
import sys
from typing import Any

from .crhelper_parts import log_helper

_SIGNED = (
    r"(?i)((?:X-Amz-(?:Signature|Security-Token|Credential)|Signature|AWSAccessKeyId|x-amz-security-token)"
    r"(?:=|%3D|\\*[\"']?\s*[:,]\s*b?\\*[\"']?))[^&\s\"'\\,}]+"
)
_RESPONSE_URL = r"(ResponseURL\\*[\"']?\s*:\s*\\*[\"']?)[^\"'\\\s]+"
_AUTHORIZATION = r"(Signature=)[0-9a-f]+"
#: A line without any of these is left as it is: most have none, and the patterns take longer to compile than to use.
_SUSPECT = ("signature", "token", "credential", "accesskeyid", "responseurl")
_HIDDEN = "<hidden>"


class RedactingFormatter(log_helper.JsonFormatter):
    """crhelper's JSON lines, with every secret taken out of the finished line."""

    secrets: tuple[str, ...] = ()

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line: str = super().format(record)
        for secret in self.secrets:
            line = line.replace(secret, _HIDDEN)
        lowered = line.lower()
        if not any(word in lowered for word in _SUSPECT):
            return line
        for pattern in (_RESPONSE_URL, _SIGNED, _AUTHORIZATION):
            line = re.sub(pattern, rf"\1{_HIDDEN}", line)
        return line


def level() -> str:
    """Return the log level: LOG_LEVEL of the function's environment, else INFO."""
    name = os.environ.get("LOG_LEVEL", "").upper()
    return name if name in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL") else "INFO"


def set_up(event: dict[str, Any], aws_request_id: str) -> None:
    """Give every handler of the root logger the redacting form, with the request in each line."""
    if not logging.root.handlers:
        logging.root.addHandler(logging.StreamHandler(sys.stdout))
    RedactingFormatter.secrets = _secrets(event)
    log_helper.setup(
        level(),
        formatter_cls=RedactingFormatter,
        boto_level=level() if level() == "DEBUG" else "ERROR",
        **{
            name: _plain(str(event.get(name, "")))
            for name in ("RequestType", "StackId", "RequestId", "LogicalResourceId")
        },
        aws_request_id=_plain(aws_request_id),
    )


def _plain(text: str) -> str:
    # crhelper's formatter takes these for %-formats.
    return text.replace("%", "%%")


def _secrets(event: dict[str, Any]) -> tuple[str, ...]:
    url = str(event.get("ResponseURL", ""))
    query = url.partition("?")[2]
    values = [part.partition("=")[2] for part in query.split("&") if "ignature" in part or "oken" in part]
    values += [os.environ.get(name, "") for name in ("AWS_SESSION_TOKEN", "AWS_SECRET_ACCESS_KEY")]
    return tuple(value for value in (url, query, *values) if len(value) >= 8)
