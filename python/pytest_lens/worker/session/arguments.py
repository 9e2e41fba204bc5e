"""pytest's command line for a session, and the options that must not have their usual effect."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from .. import own_code
from ..processes import fork_safety
from ..state import Worker
from ..unpatched import os
from ..wire import Message
from . import program_arguments

# Options about a session as a whole, by their names in the configuration.
_OF_COVERAGE = {"cov_source": "--cov", "cov_fail_under": "--cov-fail-under"}
_REPORTS = {
    **_OF_COVERAGE,
    "xmlpath": "--junit-xml",
    "pastebin": "--pastebin",
    "htmlpath": "--html",
    "json_report": "--json-report",
    "report_log": "--report-log",
    "benchmark_json": "--benchmark-json",
    "allure_report_dir": "--alluredir",
    "store_durations": "--store-durations",
    "csv_path": "--csv",
    "md_report": "--md-report",
    "cucumber_json_path": "--cucumber-json",
    "ctrf": "--ctrf",
    "nunit_xmlpath": "--nunit-xml",
}

# Options that leave tests out because of the outcomes of earlier runs, with their flags. In a
# project's own `addopts` they would hide tests: here a request names the tests to run.
_NARROWING = {
    "lf": ("--lf", "--last-failed"),
    "stepwise": ("--sw", "--stepwise"),
    "stepwise_skip": ("--sw-skip", "--stepwise-skip"),
    "testmon": ("--testmon",),
    "testmon_forceselect": ("--testmon-forceselect",),
    "picked": ("--picked",),
}

# Options that run no test at all, and those that need a terminal.
_LISTS = {"collectonly": ("--collect-only", "--collectonly", "--co")}
_DEBUGGERS = {"usepdb": ("--pdb",), "trace": ("--trace",)}


def command_line(worker: Worker) -> list[str]:
    """The arguments of `pytest.main`."""
    options = worker.options
    cache = os.path.join(worker.boot.cache_dir, "pytest-cache")
    # Without the plugin the option would be unknown.
    has_cache = not any(word.endswith("no:cacheprovider") for word in options.arguments)
    place = ["-o", f"cache_dir={cache}"] if has_cache else []
    return [*place, *given(worker)]


def given(worker: Worker) -> list[str]:
    """The arguments of the session, as the project sees them."""
    arguments, named = worker.options.arguments, worker.named(worker.options.args)
    # An option with any number of values would take the ids for more of them.
    is_open = bool(arguments and named) and not arguments[-1].startswith("-")
    return [*arguments, *(["--"] if is_open else []), *named]


def without_coverage(namespace: Any) -> None:
    """Keep pytest-cov from starting; on the early and on the final options, if it is there."""
    if hasattr(namespace, "no_cov"):
        namespace.no_cov = True
        namespace.cov_source = []


def without_distribution(option: Any) -> None:
    """Keep pytest-xdist and our own plugin, if there, from distributing: the engine does that."""
    if getattr(option, "lens", None):
        option.lens = None
    if not hasattr(option, "numprocesses"):
        return
    option.numprocesses = None
    option.dist = "no"
    option.tx = []
    option.distload = False
    option.looponfail = False


def requested_reports(options: Any) -> list[str]:
    """The options for reports about a session as a whole, and for gates, that are set."""
    return [name for dest, name in _REPORTS.items() if getattr(options, dest, None)]


def without_repeats(option: Any) -> None:
    """Keep pytest-rerunfailures, if it is there, from repeating failures."""
    if getattr(option, "reruns", None):
        option.reruns = 0


def without_narrowing(worker: Worker, option: Any) -> None:
    """Collect all tests, unless the arguments of this session itself ask for fewer."""
    asked = {argument.partition("=")[0] for argument in worker.options.arguments}
    for dest, names in _NARROWING.items():
        if getattr(option, dest, None) and asked.isdisjoint(names):
            setattr(option, dest, False)


def refuse_or_neutralise(worker: Worker, config: Any) -> None:
    """Options that cannot work here: an error if a request has them, else ignored."""
    refused = _LISTS if worker.boot.terminal else {**_LISTS, **_DEBUGGERS}
    for dest, names in refused.items():
        if not getattr(config.option, dest, False):
            continue
        for argument in worker.options.arguments:
            if argument in names:
                raise pytest.UsageError(f"{argument} does not work with pytest-lens: leave it out")
        setattr(config.option, dest, False)
    # Our sessions are parts of one, and several run at a time.
    for dest in () if worker.options.reports else _REPORTS:
        if getattr(config.option, dest, None) and dest not in _OF_COVERAGE:
            setattr(config.option, dest, None)


# Hooks that run before a session is collected, or while it is.
EARLY_HOOKS = (
    "pytest_load_initial_conftests",
    "pytest_cmdline_main",
    "pytest_configure",
    "pytest_sessionstart",
    "pytest_report_header",
    "pytest_collection",
    "pytest_ignore_collect",
    "pytest_collect_file",
    "pytest_collect_directory",
    "pytest_pycollect_makemodule",
    "pytest_pycollect_makeitem",
    "pytest_generate_tests",
    "pytest_make_parametrize_id",
    "pytest_itemcollected",
    "pytest_collection_modifyitems",
    "pytest_deselected",
    "pytest_collection_finish",
    "pytest_report_collectionfinish",
)
# Packages whose hooks of that kind do not read which tests are selected.
_INDIFFERENT = ("pytest_asyncio", "anyio", "pytest_timeout", "pytest_randomly", "pytest_html")


# Packages whose sections in the summary are ours, or about runs that they distribute, repeat or
# measure.
_SUMMARIZE_OTHERWISE = ("_pytest", "xdist", "pytest_rerunfailures", "pytest_cov", "pytest_lens")


def has_own_summary(config: Any) -> bool:
    """Whether a conftest or plugin may add sections to pytest's summary."""
    known = {*_SUMMARIZE_OTHERWISE, own_code.PACKAGE.partition(".")[0]}
    if "hypothesis.internal.observability" not in sys.modules:
        known.add("_hypothesis_pytestplugin")
    return any(
        fork_safety.module_of(implementation.plugin).partition(".")[0] not in known
        for implementation in config.hook.pytest_terminal_summary.get_hookimpls()
    )


def warnings_are_errors(config: Any) -> bool:
    """Whether a warning may fail the end of a session: one of garbage with a broken `__del__`."""
    options = getattr(config.known_args_namespace, "pythonwarnings", None) or ()
    words = [*config.getini("filterwarnings"), *options]
    is_any = any(word.strip().startswith("error") for word in words)
    return is_any or any(action == "error" for action, *_ in warnings.filters)


def hooks_may_read_selection(worker: Worker, config: Any) -> bool:
    """Whether `-k` and `-m` may make a difference before tests run, besides what they select.

    A hook of the project, or of an unknown plugin, may read them, and so may code that reads
    `sys.argv`; and those of the command line replace those of the project's own `addopts`.
    """
    if config.option.keyword or config.option.markexpr or program_arguments.is_read:
        return True
    return any(interested(worker, config, EARLY_HOOKS))


def hooks_may_have_read_arguments(worker: Worker, config: Any) -> bool:
    """Whether the project, or a hook of an unknown plugin, may know the session's arguments.

    The session has not begun to collect.
    """
    return program_arguments.is_read or _may_act(
        worker, config, EARLY_HOOKS[: EARLY_HOOKS.index("pytest_collection")]
    )


def hooks_may_act_at_start(worker: Worker, config: Any) -> bool:
    """Whether a hook of the project, or of an unknown plugin, may set something up or end it."""
    return _may_act(worker, config, ("pytest_configure", *fork_safety.SESSION_HOOKS))


def _may_act(worker: Worker, config: Any, hooks: tuple[str, ...]) -> bool:
    return any(
        not _only_describes(implementation.function)
        for implementation in interested(worker, config, hooks)
    )


def foreign(worker: Worker, config: Any, hooks: tuple[str, ...]) -> Iterator[Any]:
    """The implementations of hooks by the project and by unknown plugins."""
    known = fork_safety.harmless(worker.boot.harmless)
    for name in hooks:
        caller = getattr(config.pluginmanager.hook, name, None)
        for implementation in caller.get_hookimpls() if caller is not None else ():
            if fork_safety.is_foreign(implementation.plugin, known):
                yield implementation


def interested(worker: Worker, config: Any, hooks: tuple[str, ...]) -> Iterator[Any]:
    """The same without those of packages that are indifferent to arguments."""
    for implementation in foreign(worker, config, hooks):
        package = fork_safety.module_of(implementation.plugin).partition(".")[0]
        if package not in _INDIFFERENT:
            yield implementation


def _only_describes(function: Any) -> bool:
    """Whether all that a function does is to call `config.addinivalue_line`, as for markers."""
    code = getattr(function, "__code__", None)
    return code is not None and not code.co_freevars and code.co_names == ("addinivalue_line",)


def replace_args(worker: Worker, config: Any, args: list[str]) -> None:
    """Give a session other files of the same folders as arguments, before it collects."""
    worker.options.args = args
    args, shown = worker.named(args), given(worker)
    config.args = list(args)
    for namespace in (config.option, config.known_args_namespace):
        namespace.file_or_dir = list(args)
    config.invocation_params = with_args(config.invocation_params, shown)
    program_arguments.change(shown)


class RunArguments:
    """The arguments of a run, as the project's fixtures and hooks see them."""

    def __init__(self, worker: Worker, config: Any) -> None:
        self._worker, self._config = worker, config
        option = config.option
        self._usual = (config.args, option.file_or_dir, option.keyword, option.markexpr)
        self._params = config.invocation_params

    def show(self, asked: Message | None) -> None:
        """Show the arguments of the run that begins."""
        config, given = self._config, asked or {}
        args, named, keyword, marker = self._usual
        ids = self._worker.named(given["args"]) if given.get("args") else None
        config.args, config.option.file_or_dir = (ids, ids) if ids else (args, named)
        config.option.keyword = given.get("keyword") or keyword
        config.option.markexpr = given.get("marker") or marker
        shown = list(self._params.args)
        for name, key in (("-k", "keyword"), ("-m", "marker")):
            if given.get(key) and name not in shown:
                shown += [name, given[key]]
        if ids:
            shown = [arg for arg in shown if arg not in args] + ids
        config.invocation_params = with_args(self._params, shown)
        program_arguments.change(shown)


def with_args(params: Any, args: list[str]) -> Any:
    """pytest's invocation parameters with other arguments."""
    return type(params)(args=args, plugins=params.plugins, dir=params.dir)
