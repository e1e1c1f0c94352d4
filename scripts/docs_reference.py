"""A hook of mkdocs: makes the pages of reference/ from the code each time the site is built."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer
import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ew.api.app import create_app
from ew.api.backend import Backend
from ew.cli.main import app
from ew.config import Config
from ew.service import metrics
from ew.storage.store import Store

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    made = {
        "cli": command_line(),
        "configuration": configuration(),
        "api": http_api(),
        "topics": topics(),
        "metrics": metric_names(),
        "modules": modules(),
    }
    for name, text in made.items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401 - the page and its site
    """Name files of the repository outside docs/ instead of linking to them."""
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)]+)\)", r"\1 (`\2`)", markdown)


def command_line() -> str:
    """Each command's help."""
    parts = ["# Command line\n"]
    for words, text in _helps(typer.main.get_command(app), "ew"):
        parts.append(f"## {words}\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)


READING_ORDER = {
    "": "Records and helpers that all stages share",
    "config": "Configuration",
    "sources": "Sources: bytes to packets",
    "detect": "Detection: packets to picks",
    "locate": "Location: picks to event versions",
    "shaking": "Shaking: an origin to arrivals and intensities at targets",
    "alerts": "Alerts: estimates to ordered, signed messages",
    "delivery": "Delivery: messages to the broker",
    "storage": "Storage: keys, registry, journal, resume file",
    "service": "The service: what runs it all",
    "api": "API and pages",
    "bridges": "Bridges",
    "cli": "Command line",
}
"""Packages of ``ew`` in the order in which a packet passes them."""


def modules() -> str:
    """Each module of ew with the first line of its docstring, in reading order."""
    lines = [
        "# Modules",
        "",
        "In the order in which data pass them. PURE: no clock, socket or file.",
        "",
    ]
    lines += ["SHELL: what touches them.", ""]
    package = Path(metrics.__file__).parents[1]
    for name, title in READING_ORDER.items():
        lines += [f"## {title}", "", "| module | what it does |", "|---|---|"]
        for file in sorted((package / name).glob("*.py")):
            words = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            what = words.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            if not file.name.startswith("__"):
                lines.append(
                    f"| `{'/'.join(part for part in ('ew', name, file.name) if part)}` | {what} |"
                )
        lines.append("")
    return "\n".join(lines)


def _helps(command: Any, words: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - of typer's own click
    context = command.context_class(command, info_name=words)
    yield words, command.get_help(context)
    for name in getattr(command, "commands", {}):
        inner = command.commands[name]
        if not inner.hidden:
            yield from _helps(inner, f"{words} {name}")


def configuration() -> str:
    """Each key of a configuration file."""
    lines = [
        "# Configuration",
        "",
        "One TOML file; every key has a default. `ew config default` prints a whole file, and",
        "`ew config check FILE` explains each mistake.",
    ]
    for title, section in _sections(Config, ""):
        lines += ["", f"## {title or 'Top level'}", ""]
        if section.__doc__:
            lines += [section.__doc__.split("\n\n")[0].replace("\n", " "), ""]
        lines += ["| key | default | meaning |", "|---|---|---|"]
        for name, field in section.model_fields.items():
            if not _model_of(field):
                what = (field.description or "").replace("|", "\\|")
                lines.append(f"| `{name}` | {_default(field)} | {what} |")
    return "\n".join(lines) + "\n"


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    if any(not _model_of(field) for field in model.model_fields.values()):
        yield path, model
    for name, field in model.model_fields.items():
        if inner := _model_of(field):
            yield from _sections(inner, f"{path}.{name}" if path else name)


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a key holds: one, a list or a table of them."""
    pending = [field.annotation]
    while pending:
        one = pending.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
        pending += get_args(one)
    return None


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "none"
    shown = str(value) if isinstance(value, (str, Path)) else repr(value)
    return f"`{shown}`".replace("|", "\\|") if len(shown) < 80 else "see `ew config default`"


def http_api() -> str:
    """Each route of the OpenAPI document."""
    config = Config()
    document = create_app(Backend(config, Store(config.service.database), b"-" * 32)).openapi()
    lines = ["# HTTP API", "", "A service gives the whole document at `/openapi.json`.", ""]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines += [f"## {method.upper()} {path}", "", operation.get("description", ""), ""]
            for one in operation.get("parameters", []):
                what = one.get("description") or one.get("schema", {}).get("description") or ""
                lines.append(f"- `{one['name']}` ({one['in']}) {what}".rstrip())
            answers = [
                f"{code} {answer['description']}" for code, answer in operation["responses"].items()
            ]
            lines += ["", f"Answers: {'; '.join(answers)}.", ""]
    return "\n".join(lines) + "\n"


def topics() -> str:
    """The topics and messages of docs/asyncapi.yaml."""
    document = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text(encoding="utf-8"))
    lines = ["# Topics and messages", "", document["info"]["description"], ""]
    lines += ["The document for tools: [asyncapi.yaml](../asyncapi.yaml).", ""]
    lines += ["| topic | message |", "|---|---|"]
    for channel in document["channels"].values():
        names = ", ".join(f"[{name}](#{name.lower()})" for name in channel["messages"])
        lines.append(f"| `{channel['address']}` | {names} |")
    for name, message in document["components"]["messages"].items():
        lines += ["", f"## {name}", "", message.get("summary", message.get("description", "")), ""]
        schema = _resolved(message.get("payload", {}), document)
        properties = schema.get("properties", {})
        if properties:
            lines += ["| member | type | meaning |", "|---|---|---|"]
        for member, described in properties.items():
            one = _resolved(described, document)
            kind = one.get("type") or one.get("const") or one.get("enum") or ""
            lines.append(f"| `{member}` | {kind} | {one.get('description', '')} |")
    return "\n".join(lines) + "\n"


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def metric_names() -> str:
    """The metrics that stand in the source of /metrics."""
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    found = dict(re.findall(r'Family\(\s*"(ew_\w+)",\s*"([^"]+)"', source))
    found |= dict(re.findall(r'_by\("(ew_\w+)", "([^"]+)"', source))
    found |= {f"ew_{name}": f"{name.replace('_', ' ')} since the start" for name in metrics.COUNTS}
    rows = [f"| `{name}` | {what} |" for name, what in sorted(found.items())]
    head = ["# Metrics", "", "At `/metrics`; counters end in `_total` there.", ""]
    return "\n".join([*head, "| metric | meaning |", "|---|---|", *rows, ""])
