"""`pytest --lens -n`: which command lines the engine can run, and the options for its sessions.

Pure decisions about pytest's parsed options; nothing here runs or reads anything.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

# Options by their destination, and why pytest must run the tests in its own process.
_OWN_PROCESS = {
    "usepdb": "`--pdb` needs the terminal",
    "trace": "`--trace` needs the terminal",
    "setupshow": "`--setup-show` prints while tests run",
    "setuponly": "`--setup-only` prints while tests run",
    "setupplan": "`--setup-plan` prints while tests run",
    "basetemp": "`--basetemp` names one folder for all tests",
    "pyargs": "`--pyargs` names modules",
    "continue_on_collection_errors": "`--continue-on-collection-errors` runs what is left",
    "tx": "`--tx` starts processes that the engine does not",
    "px": "`--px` starts processes that the engine does not",
    "rsyncdir": "`--rsyncdir` copies to other hosts",
    "looponfail": "`--looponfail` runs tests again and again",
    "testmon": "`--testmon` measures in the process that runs the tests",
}
# Reports of plugins that gather them in the process that runs the tests.
_GATHERED_THERE = {
    "json_report": "--json-report",
    "benchmark_json": "--benchmark-json",
    "benchmark_save": "--benchmark-save",
    "benchmark_autosave": "--benchmark-autosave",
    "benchmark_only": "--benchmark-only",
    "allure_report_dir": "--alluredir",
    "csv_path": "--csv",
    "cucumber_json_path": "--cucumber-json",
    "ctrf": "--ctrf",
    "nunit_xmlpath": "--nunit-xml",
}
# Options that run no test.
_NOTHING_RUNS = (
    "collectonly",
    "showfixtures",
    "show_fixtures_per_test",
    "markers",
    "help",
    "version",
    "cacheshow",
)
# Options that the engine's run has in other words, or that concern the process that reports.
_LEFT_OUT = {
    *("lens", "numprocesses", "maxprocesses", "dist", "distload", "maxworkerrestart"),
    *("keyword", "markexpr", "maxfail", "cacheclear", "xmlpath", "pastebin", "htmlpath"),
    *("report_log", "debug", "lf", "failedfirst", "newfirst"),
    *("stepwise", "stepwise_skip", "stepwise_reset"),
}
# Options that read what earlier runs left in pytest's cache, and their names.
_OF_THE_CACHE = {
    "lf": "--lf",
    "failedfirst": "--ff",
    "newfirst": "--nf",
    "stepwise": "--sw",
    "stepwise_skip": "--sw-skip",
    "stepwise_reset": "--sw-reset",
}


def source(ci: str | None) -> str:
    """The source of a run in the history, by the variable `CI`."""
    return "cli" if (ci or "").strip().lower() in ("", "0", "false") else "ci"


def runs_nothing(option: Any) -> bool:
    """Whether pytest only lists or explains something."""
    return any(getattr(option, dest, None) for dest in _NOTHING_RUNS)


def runners(option: Any) -> int | str | None:
    """The number of runners that `-n` asks for, `"auto"`, or None for pytest's own process."""
    count = getattr(option, "numprocesses", None)
    if count in ("auto", "logical"):
        limit = getattr(option, "maxprocesses", None)
        return int(limit) if limit else "auto"
    if not count:
        return None
    limit = getattr(option, "maxprocesses", None)
    return min(int(count), int(limit)) if limit else int(count)


def hindrance(option: Any, argv: Sequence[str]) -> str | None:
    """Why the engine can't run these tests as pytest does: a clause, or None if it can."""
    if getattr(option, "capture", None) == "no":
        return "`-s` shows output while tests run"
    for dest, why in _OWN_PROCESS.items():
        # xdist fills in `tx` for `-n`.
        if dest == "tx" and not any(word.startswith("--tx") for word in argv):
            continue
        if getattr(option, dest, None):
            return why
    if getattr(option, "dist", "no") == "each":
        return "`--dist each` runs each test several times"
    if getattr(option, "cov_source", None) and not getattr(option, "no_cov", False):
        return "`--cov` measures the process that runs the tests"
    for dest, name in _GATHERED_THERE.items():
        if getattr(option, dest, None):
            return f"`{name}` gathers its data in the process that runs the tests"
    if any(word.startswith("@") for word in argv):
        return "`@FILE` holds arguments"
    return None


def of_session(
    argv: Sequence[str], parser: argparse.ArgumentParser, option: Any, cache_dir: str | None
) -> list[str]:
    """The options, without files and node ids, with which the engine's sessions collect and run."""
    actions: dict[str, argparse.Action] = parser._option_string_actions
    kept = [*_options(argv, actions)]
    asked = [name for dest, name in _OF_THE_CACHE.items() if getattr(option, dest, None)]
    if asked and cache_dir is not None:
        kept += ["-o", f"cache_dir={cache_dir}", *asked]
    return kept


def _options(argv: Sequence[str], actions: dict[str, argparse.Action]) -> Iterator[str]:
    """The options in a command line that the sessions get, each with its values."""
    words = list(argv)
    while words:
        word = words.pop(0)
        if word == "--":
            return
        if not word.startswith("-") or word == "-":
            continue
        name, equals, value = word.partition("=")
        action = actions.get(name)
        if action is not None:
            own = [value] if equals else _values(action, words)
            if action.dest not in _LEFT_OUT:
                yield from [word] if equals else [name, *own]
        elif not word.startswith("--"):
            yield from _cluster(word[1:], actions, words)
        else:
            yield word


def _cluster(letters: str, actions: dict[str, argparse.Action], words: list[str]) -> Iterator[str]:
    """The options in a word such as `-xvk`, whose last one may have a value in it or after it."""
    while letters:
        letter, letters = letters[0], letters[1:]
        action = actions.get(f"-{letter}")
        if action is None:
            return
        own: list[str] = []
        if action.nargs != 0:
            own = [letters] if letters else _values(action, words)
            letters = ""
        if action.dest not in _LEFT_OUT:
            yield f"-{letter}"
            yield from own


def _values(action: argparse.Action, words: list[str]) -> list[str]:
    """Take the values of an option from the words after it."""
    if action.nargs is None:
        return [words.pop(0)] if words else []
    if isinstance(action.nargs, int):
        return [words.pop(0) for _ in range(min(action.nargs, len(words)))]
    taken: list[str] = []
    while words and not words[0].startswith("-") and (action.nargs != "?" or not taken):
        taken.append(words.pop(0))
    return taken
