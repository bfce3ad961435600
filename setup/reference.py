# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The pages of ``docs/reference``: what addons may call, from the docstrings.

griffe reads the sources, so that neither Odoo nor a database is needed. ``PAGES`` says
what is on which page. `gaps` names what a reader would miss: an object without
docstring, a parameter that its docstring doesn't explain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache as cached
from pathlib import Path
from typing import NamedTuple

import griffe

from . import cache

DIRECTORY = cache.REPOSITORY / "docs" / "reference"
ADDON = "queue_job"

#: page -> (title, module: its objects). A class comes with its methods, unless a minus
#: says that they are those of a framework.
PAGES = {
    "delay": (
        "Delay calls",
        {
            "models.base": "Base.with_delay Base.delayable Base.try_or_delay "
            "Base.with_delay_apart",
            "delay": "group chain delay_many Delayable DelayableGroup DelayableChain "
            "DelayableGraph "
            "DelayableRecordset",
            "enqueue.deferred": "DeferredType",
            "utils": "must_run_without_delay",
            "core.identity": "identity_exact identity_exact_hasher",
        },
    ),
    "job": (
        "The job",
        {"job": "Job", "core.graph": "Graph", "core.events": "JobEvent listen forget"},
    ),
    "inside": (
        "Inside a job",
        {
            "models.base": "Base.job_iter Base.job_until_timeout",
            "models.queue_job_progress": "QueueJob.report_progress",
            "models.queue_job_wait": "QueueJob.parents_results",
            "exception": "BaseQueueJobError JobError RetryableJobError FailedJobError "
            "NothingToDoJob NoSuchJobError ChannelNotFound JobCancelled JobTimeout "
            "JobInterrupted JobFenced",
        },
    ),
    "records": (
        "Records of jobs and job functions",
        {
            "models.queue_job": "QueueJob.requeue QueueJob.button_done "
            "QueueJob.button_cancelled QueueJob.open_related_action",
            "models.queue_job_wait": "QueueJob.wait_action QueueJob.wait_state "
            "QueueJob.wait_cancel",
            "models.queue_job_waiting_reason": "QueueJob.waiting_reason",
            "models.queue_job_mine": "QueueJobMine.get_jobs QueueJobMine.get_news "
            "QueueJobMine.claim_notices QueueJobMine.cancel QueueJobMine.retry "
            "QueueJobMine.open_result",
            "models.queue_job_function": "QueueJobFunction.job_function_name "
            "QueueJobFunction.job_config QueueJobFunction.job_default_config",
            "fields": "JobSerialized-",
            "core.values": "JobEncoder- JobDecoder-",
        },
    ),
    "testing": (
        "Tests",
        {
            "tests.trap": "trap_jobs JobsTrap",
            "tests.job_calls": "JobCall",
            "tests.drain": "drain Drained",
            "tests.matching": "having containing matches",
            "tests.mixin": "JobMixin JobCounter",
            "tests.jobs_test_case": "JobsTestCase",
            "tests.common": "mock_with_delay assert_doctests "
            "load_doctests OdooDocTestCase-",
        },
    ),
}

#: Parameters that need no words: `self`, and what collects the rest of a call.
_COLLECTING = {
    griffe.ParameterKind.var_positional,
    griffe.ParameterKind.var_keyword,
}


@cached
def addon() -> griffe.Module:
    """The addon, as it is in the sources."""
    package = griffe.load(
        ADDON,
        search_paths=[str(cache.REPOSITORY)],
        docstring_parser="sphinx",
        allow_inspection=False,
    )
    assert isinstance(package, griffe.Module)
    return package


class Entry(NamedTuple):
    """An object of a page, and the module from which it is imported."""

    module: str
    found: griffe.Object
    with_methods: bool = True

    def functions(self) -> Iterator[griffe.Function]:
        """The function itself, or the public methods of the class."""
        if isinstance(self.found, griffe.Function):
            yield self.found
        else:
            members = self._members()
            yield from (each for each in members if isinstance(each, griffe.Function))

    def properties(self) -> Iterator[griffe.Object]:
        """The public properties of the class."""
        yield from (each for each in self._members() if "property" in each.labels)

    def _members(self) -> Iterator[griffe.Object]:
        """The public members of the class and of its bases in the addon."""
        if not (isinstance(self.found, griffe.Class) and self.with_methods):
            return
        for name, member in {
            **self.found.inherited_members,
            **self.found.members,
        }.items():
            if not name.startswith("_"):
                yield resolved(member)


def entries(page: str) -> Iterator[Entry]:
    """The objects of a page."""
    for module, names in PAGES[page][1].items():
        for name in names.split():
            found = addon()[f"{module}.{name.rstrip('-')}"]
            yield Entry(module, resolved(found), not name.endswith("-"))


def resolved(found: griffe.Object | griffe.Alias) -> griffe.Object:
    """The object itself, where a module only imports it."""
    return found.final_target if isinstance(found, griffe.Alias) else found


def parameters_of(function: griffe.Function) -> list[griffe.Parameter]:
    return [
        parameter
        for parameter in function.parameters
        if parameter.name not in ("self", "cls") and parameter.kind not in _COLLECTING
    ]


def gaps(entry: Entry) -> Iterator[str]:
    """What the docstrings of an object don't say."""
    for each in {entry.found, *entry.functions(), *entry.properties()}:
        if not each.has_docstring:
            yield f"{each.path} has no docstring"
    for function in entry.functions():
        text = function.docstring.value if function.docstring else ""
        for parameter in parameters_of(function):
            if not re.search(rf"\b{parameter.name}\b", text):
                yield f"{function.path} does not explain {parameter.name}"


# -- Markdown --------------------------------------------------------------------------


def pages() -> Iterator[tuple[Path, str]]:
    """The generated pages, and the text that each should have."""
    rows = [f"| [{title}]({page}.md) | {_names(page)} |" for page, (title, _) in ALL]
    yield DIRECTORY / "README.md", "\n".join([*INDEX, *rows, ""])
    for page, (title, _modules) in ALL:
        parts = [f"# {title}", GENERATED]
        parts += [part for entry in entries(page) for part in _of_entry(entry)]
        yield DIRECTORY / f"{page}.md", "\n\n".join(parts) + "\n"


ALL = tuple(PAGES.items())
GENERATED = "Generated from the docstrings by `make docs`."
INDEX = (
    "# API",
    "",
    GENERATED + " What begins with an underscore, and what is",
    "not here, may change at any time.",
    "",
    "| page | |",
    "|---|---|",
)


def _names(page: str) -> str:
    return ", ".join(f"`{entry.found.name}`" for entry in entries(page))


def _of_entry(entry: Entry) -> Iterator[str]:
    found = entry.found
    is_method = found.parent is not None and found.parent.is_class
    owner = f"{found.parent.name}." if is_method and found.parent else ""
    yield f"## {owner}{found.name}"
    yield f"In `{ADDON}.{entry.module}`."
    if isinstance(found, griffe.Function):
        yield from _of_function(found)
        return
    yield from _docstring(found)
    properties = [f"- `{each.name}`: {_summary(each)}" for each in entry.properties()]
    if properties:
        yield "\n".join(properties)
    for function in entry.functions():
        yield f"### {found.name}.{function.name}"
        yield from _of_function(function)


def _of_function(function: griffe.Function) -> Iterator[str]:
    yield f"```python\n{_signature(function)}\n```"
    yield from _docstring(function)


def _signature(function: griffe.Function) -> str:
    marks = {
        griffe.ParameterKind.var_positional: "*",
        griffe.ParameterKind.var_keyword: "**",
    }
    written = [
        f"{marks.get(each.kind, '')}{each.name}"
        + (f"={each.default}" if each.default and each.kind not in marks else "")
        for each in function.parameters
        if each.name not in ("self", "cls")
    ]
    result = f" -> {function.returns}" if function.returns else ""
    return f"{function.name}({', '.join(written)}){result}"


def _docstring(found: griffe.Object) -> Iterator[str]:
    """The sections of a docstring; the parameters become a list."""
    if not found.docstring:
        return
    for section in found.docstring.parsed:
        kind, value = section.kind.value, section.value
        if kind == "text":
            yield _markdown(value)
        elif kind == "parameters":
            yield "\n".join(f"- `{p.name}`: {_line(p.description)}" for p in value)
        elif kind == "returns":
            yield "\n".join(f"Returns: {_line(each.description)}" for each in value)
        elif kind == "raises":
            yield "\n".join(
                f"- raises `{each.annotation}`: {_line(each.description)}"
                for each in value
            )


def _summary(found: griffe.Object) -> str:
    text = found.docstring.value if found.docstring else ""
    return _line(text.partition("\n\n")[0])


def _line(text: str) -> str:
    return _markdown(" ".join(text.split()))


def _markdown(text: str) -> str:
    """Docstrings have a few marks of reStructuredText."""
    text = re.sub(r":\w+:`[~.!]*([^`]+)`", r"`\1`", text)
    text = text.replace("``", "`")
    return re.sub(r"::$", ":", text, flags=re.M)
