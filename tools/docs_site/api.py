"""The reference of the construct's package, made from its docstrings without importing it.

Owns which names are in it (those of `evs_entitlements.__all__`) and their form as Markdown. Never runs code of the
package: it is read, which takes half a second where the CDK takes five.
"""

from collections.abc import Iterator
from pathlib import Path

import griffe

PACKAGE = "evs_entitlements"
#: Shown first; the rest follows by the alphabet.
FIRST = ["WindowsServerEntitlements", "EntitlementMonitor", "EntitlementLock", "EntitlementProvider"]


def reference(project: Path) -> str:
    """Return the reference as Markdown, a section for each public name."""
    package = griffe.load(
        PACKAGE,
        search_paths=[project / "constructs"],
        docstring_parser="google",
        resolve_aliases=True,
        allow_inspection=False,
    )
    names = [str(name).strip("'\"") for name in package.exports or []]
    unknown = set(FIRST) - set(names)
    if unknown:
        raise ValueError(f"not public any more: {', '.join(sorted(unknown))}")
    ordered = [*FIRST, *sorted(set(names) - set(FIRST))]
    return "\n\n".join(_class(package[name]) for name in ordered) + "\n"


def _class(found: griffe.Object | griffe.Alias) -> str:
    """Return the section of a class."""
    parts = [f"## {found.name}", f"```python\nfrom {PACKAGE} import {found.name}\n```"]
    constructor = found.members.get("__init__")
    parts += _sections(found)
    if constructor is not None and constructor.docstring:
        parts.append(_signature(found.name, constructor))
        # The first line says that it makes one, as every constructor does.
        parts += _sections(constructor, without_summary=True)
    for name, member in sorted(found.all_members.items(), key=lambda item: item[1].lineno or 0):
        if name.startswith("_") or not member.has_docstring:
            continue
        if member.is_attribute and "property" in member.labels:
            parts += [f"### {found.name}.{name}", f"Property: `{_annotation(member)}`", *_sections(member)]
        elif member.is_function:
            static = {"staticmethod", "classmethod"} & set(member.labels)
            prefix = f"{found.name}.{name}" if static else f".{name}"
            parts += [f"### {found.name}.{name}", _signature(prefix, member), *_sections(member)]
    return "\n\n".join(parts)


def _signature(name: str, function: griffe.Object | griffe.Alias) -> str:
    """Return how it is called, an argument a line."""
    arguments = []
    for each in function.parameters:
        if each.name in ("self", "cls"):
            continue
        if each.kind is griffe.ParameterKind.keyword_only and "    *," not in arguments:
            arguments.append("    *,")
        star = "**" if each.kind is griffe.ParameterKind.var_keyword else ""
        text = f"    {star}{each.name}: {each.annotation}" if each.annotation else f"    {star}{each.name}"
        no_default = each.default is None or star
        arguments.append(text + ("," if no_default else f" = {each.default},"))
    body = "\n".join(arguments)
    call = f"{name}(\n{body}\n)" if body else f"{name}()"
    returns = f" -> {_text(function.returns)}" if function.returns and str(function.returns) != "None" else ""
    return f"```text\n{call}{returns}\n```"


def _sections(found: griffe.Object | griffe.Alias, *, without_summary: bool = False) -> Iterator[str]:
    """Yield the parts of a docstring as Markdown."""
    for section in found.docstring.parsed if found.docstring else []:
        if section.kind is griffe.DocstringSectionKind.text:
            text = str(section.value)
            yield text.partition("\n\n")[2] if without_summary else text
        elif section.kind in (griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.attributes):
            rows = [f"| `{each.name}` | {_cell(each.description)} |" for each in section.value]
            kind = "argument" if section.kind is griffe.DocstringSectionKind.parameters else "key"
            yield "\n".join([f"| {kind} | meaning |", "|---|---|", *rows])
        elif section.kind is griffe.DocstringSectionKind.raises:
            rows = [f"| `{each.annotation}` | {_cell(each.description)} |" for each in section.value]
            yield "\n".join(["| raises | when |", "|---|---|", *rows])
        elif section.kind is griffe.DocstringSectionKind.returns:
            yield "Returns " + " ".join(_cell(each.description) for each in section.value)
        else:
            raise ValueError(f"{found.path}: a section of a docstring that is not known: {section.kind.value}")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _annotation(member: griffe.Object | griffe.Alias) -> str:
    return _text(member.annotation)


def _text(annotation: object) -> str:
    return str(annotation).strip("'\"")
