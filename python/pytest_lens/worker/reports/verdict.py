"""Folds pytest's reports into one verdict for each test.

pytest reports setup, call and teardown (and subtests) separately, and plugins may change or repeat
reports; those that reach `pytest_runtest_logreport` count.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from io import StringIO
from types import TracebackType
from typing import Any

import pytest
from _pytest._io import TerminalWriter

from ..unpatched import os
from ..wire import MESSAGE_LIMIT, Message, cut
from . import durations, failure_traceback, report_text, shown_status
from .assertion_diff import Comparisons
from .counted_outcomes import CountedOutcomes
from .durations import PHASES
from .exception_text import own_text

_STREAMS = {"Captured stdout": "stdout", "Captured stderr": "stderr", "Captured log": "log"}


class VerdictBuilder:
    """Gathers the reports of the running test."""

    def __init__(self, root: str, comparisons: Comparisons) -> None:
        self._root = root
        self._comparisons = comparisons
        self._path = ""
        #: The outcomes with which pytest's terminal counts the reports.
        self.counted = CountedOutcomes()
        self._reports: dict[str, Any] = {}
        self._subtests: list[Any] = []
        self._details: dict[str, Message] = {}
        self._logged: dict[str, Message] = {}
        self._subtest_details: list[Message] = []
        # An execution that failed before the present one.
        self._failed: tuple[Any, ...] | None = None
        # The failed executions before it that pytest-rerunfailures took back and repeated.
        self._repeats: list[Message] = []
        # The configuration by which reports are kept whole; None in a run that does not ask for it.
        self._config: Any = None
        self._whole: list[str] = []
        # The same for later sessions of the run.
        self._later: Any = None
        self._kept: list[Any] = []
        self._has_durations = False
        # Set if hooks decide how pytest shows reports.
        self._shown: shown_status.ShownStatus | None = None
        # The status of each report of the test, of all its executions.
        self._statuses: list[Message] = []
        self._has_unusual_status = False

    def begin_run(
        self,
        whole: Any,
        with_durations: bool,
        shown: shown_status.ShownStatus | None,
        later: Any = None,
    ) -> None:
        """Set what the verdicts of a run carry besides.

        `whole`: the configuration by which they carry pytest's own reports; None for none.
        `later`: the same with those that a later session of the run needs, not those of a pass of
        which there is nothing else to say.
        `with_durations`: they carry those of the phases.
        `shown`: the results of hooks that decide how pytest shows the reports, if there are any.
        """
        self._shown = shown
        self._config = whole
        self._has_durations = with_durations
        self._later = later

    def begin(self, item: Any) -> None:
        """The reports that follow are this item's."""
        self._path = str(getattr(item, "path", ""))
        self._whole = []
        self._kept = []
        self._failed = None
        self._repeats = []
        self._statuses = []
        self._has_unusual_status = False
        self.counted.begin()
        self._new_attempt()

    def _new_attempt(self) -> None:
        self._reports = {}
        self._subtests = []
        self._details = {}
        self._logged = {}
        self._subtest_details = []
        self._comparisons.clear()

    def note_exception(self, item: Any, call: Any, report: Any) -> None:
        """Note the exception of a phase: only when pytest makes the report can it be seen."""
        detail: Message = {}
        try:
            if call.excinfo is not None and (report.failed or hasattr(report, "wasxfail")):
                detail = self._place(item, call, report)
                pair = self._comparisons.for_failure(call.excinfo.value)
                if pair is not None:
                    detail["expected"], detail["actual"] = pair
        except BaseException:  # hostile objects in frames: keep the verdict, drop its details
            pass
        self._details[call.when] = detail

    def _place(self, item: Any, call: Any, report: Any) -> Message:
        error, trace = call.excinfo.value, call.excinfo.tb
        is_own_text = isinstance(report.longrepr, str)
        return (
            failure_traceback.of_doctest(item, error, self._root)
            or failure_traceback.of_custom(item, trace, self._root, is_own_text)
            or failure_traceback.describe(item, trace, self._root)
        )

    def note_report(self, report: Any) -> None:
        """Note a report that counts: all other plugins have seen it."""
        self.counted.keep(report)
        if self._config is not None:
            self._whole.append(report_text.written(self._config, self.counted.of(report)))
        if self._later is not None:
            self._kept.append(report)
        if self._shown is not None:
            self._note_status(self.counted.of(report), self._shown.take(report))
        if is_subtest(report):
            self._subtests.append(report)
            self._subtest_details.append(self._details.get(report.when, {}))
            return
        if report.when == "setup" and self._reports:  # a plugin or a conftest repeats the test
            details = self._details
            self._take_as_counted()
            self._note_repeat()
            # Unless it took the failure back, as pytest-rerunfailures does, pytest counts it.
            if self._failed is None and self._has_failed():
                reports, subtests = self._reports, self._subtests
                self._failed = (reports, subtests, self._logged, self._subtest_details)
            self._new_attempt()
            self._details = details
        self._reports[report.when] = report
        self._logged[report.when] = self._details.get(report.when, {})

    def _note_repeat(self) -> None:
        """Note the execution that ends if its failure was taken back."""
        again = [when for when, report in self._reports.items() if report.outcome == "rerun"]
        if again:
            outcome = "failed" if "call" in again else "error"
            self._repeats.append({"outcome": outcome, "ms": durations.reported_ms(self._reports)})

    def _note_status(self, report: Any, result: Any) -> None:
        if result is None:  # no terminal shows it
            return
        subtest = len(self._subtests) if is_subtest(report) else None
        status, is_unusual = shown_status.described(report, result, subtest)
        if status is not None:
            self._statuses.append(status)
        self._has_unusual_status = self._has_unusual_status or is_unusual

    def end(self, item: Any, crash: BaseException | None, ms: float) -> Message:
        """The verdict of the test; `crash`: the exception that escaped from pytest's protocol.

        `ms`: the time that it took, by our own clock.
        """
        self._take_as_counted()
        verdict = self._usual_verdict(crash, ms)
        is_usual = verdict is not None
        if verdict is None:
            verdict = self._any_verdict(item, crash, ms)
        if self._later is not None:
            kept, self._kept = self._kept, []
            if not is_usual or any(report.user_properties for report in kept):
                verdict["reports"] = [report_text.written(self._later, report) for report in kept]
        self._new_attempt()
        return verdict

    def _take_as_counted(self) -> None:
        """Other hooks may have changed the reports since pytest counted them."""
        counted = self.counted
        if not counted.have_changed():
            return
        self._reports = {when: counted.of(report) for when, report in self._reports.items()}
        self._subtests = [counted.of(report) for report in self._subtests]
        self._kept = [counted.of(report) for report in self._kept]

    def _usual_verdict(self, crash: BaseException | None, ms: float) -> Message | None:
        """The verdict of a test that passed and of which there is nothing else to say."""
        if crash is not None or self._failed is not None or self._subtests or self._whole:
            return None
        if self._has_unusual_status or self._has_durations or self._repeats:
            return None
        if tuple(self._reports) != PHASES:
            return None
        for report in self._reports.values():
            if report.outcome != "passed" or report.sections or hasattr(report, "wasxfail"):
                return None
        return {"outcome": "passed", "ms": durations.total_ms(self._reports, ms)}

    def _any_verdict(self, item: Any, crash: BaseException | None, ms: float) -> Message:
        if self._failed is not None and not self._has_failed():
            self._reports, self._subtests, self._logged, self._subtest_details = self._failed
        verdict = self._verdict()
        if crash is not None:
            verdict["outcome"] = "error"
            verdict["message"] = cut(_describe(crash), MESSAGE_LIMIT)
            try:
                verdict.update(failure_traceback.describe(item, crash.__traceback__, self._root))
            except BaseException:  # as above
                pass
        verdict["ms"] = durations.total_ms(self._reports, ms)
        if self._repeats:
            verdict["repeats"] = self._repeats
        if self._has_durations:
            verdict["phase_durations"] = durations.by_phase(self._reports)
        verdict.update(self._captured())
        if verdict["outcome"] in ("failed", "error") and crash is None:
            failed_reports = self._failed_reports(item)
            if failed_reports:
                verdict["failed_reports"] = failed_reports
        if self._subtests:
            verdict["subtests"] = [
                _subtest(report, detail, self._path)
                for report, detail in zip(self._subtests, self._subtest_details)
            ]
        if self._whole and crash is None:
            verdict["reports"] = self._whole
        if isinstance(crash, (KeyboardInterrupt, pytest.exit.Exception)):
            # It ends the session: pytest shows no report of it, only those that came before.
            verdict["statuses"] = self._shown_before(crash)
        elif self._has_unusual_status and crash is None:
            verdict["statuses"] = self._statuses
        return verdict

    def _shown_before(self, crash: BaseException) -> list[Message]:
        if self._shown is not None:
            return self._statuses
        reports = list(self._reports.values())
        reported = None
        for frame, _ in traceback.walk_tb(crash.__traceback__):
            if frame.f_code.co_name == "call_and_report":
                reported = frame.f_locals.get("report")
            # A conftest's hook raised it: the terminal got the report before, and we did not.
            elif frame.f_code.co_name == "pytest_runtest_logreport" and reported is not None:
                reports += [reported] if reported not in reports else []
                break
        return self._usual_statuses(reports)

    def overdue(
        self, item: Any, message: str, text: str, trace: TracebackType | None, ms: float
    ) -> Message:
        """The verdict of a test whose time is up, as its process ends; `text` shows its stacks."""
        verdict: Message = {"outcome": "timed_out", "message": message, "longrepr": cut(text)}
        verdict["ms"] = round(ms, 3)
        verdict.update(failure_traceback.describe(item, trace, self._root))
        verdict.update(self._captured())
        return verdict

    def _verdict(self) -> Message:
        if not self._reports:
            # pytest counts no test then, and ends as if there was none.
            return {
                "outcome": "skipped",
                "message": "a `pytest_runtest_protocol` hook handled it and reported nothing",
            }
        setup, call, teardown = (self._reports.get(when) for when in ("setup", "call", "teardown"))
        phase = self._deciding_phase()
        main = _judge(self._reports[phase])
        if phase == "setup" and main["outcome"] == "passed":
            # pytest counts it as no test, either.
            main = {"outcome": "not_run", "message": "only its set-up ran, as with `--setup-only`"}
        if main["outcome"] in ("failed", "error"):
            main["phase"] = phase if phase in PHASES else "call"
            main.update(self._logged[phase])
        elif main["outcome"] == "xfailed":
            if phase != "call" and phase in PHASES:
                main["phase"] = phase
            main.update(
                {k: v for k, v in self._logged[phase].items() if k in ("location", "frames")}
            )
        if setup is not None and setup.outcome == "rerun":
            main["outcome"] = "error"
        failed = [index for index, report in enumerate(self._subtests) if report.failed]
        has_own_text = main["outcome"] in ("failed", "error") and not _only_counts_subtests(call)
        if failed and not has_own_text:
            main = self._failed_by_subtests(failed)
        if teardown is not None and teardown.failed and phase != "teardown":
            main = _with_teardown(main, teardown, self._logged["teardown"])
        elif teardown is not None and teardown.skipped and self._shown is None:
            # pytest counts it next to the outcome of the test.
            main["statuses"] = self._usual_statuses(list(self._reports.values()))
        return main

    @staticmethod
    def _usual_statuses(reports: list[Any]) -> list[Message]:
        usual = [shown_status.usual(report) for report in reports]
        return [status for status in usual if status is not None]

    def _has_failed(self) -> bool:
        """Whether the present execution has a report that pytest counts as a failure."""
        return any(report.failed for report in (*self._reports.values(), *self._subtests))

    def _deciding_phase(self) -> str:
        """The phase that decides; plugins that run a test in another process have other phases."""
        if "call" in self._reports:
            return "call"
        others = [phase for phase in self._reports if phase not in PHASES]
        return next(phase for phase in (*others, *PHASES) if phase in self._reports)

    def _failed_by_subtests(self, failed: list[int]) -> Message:
        texts = [_longrepr(self._subtests[index]) for index in failed]
        first = self._subtests[failed[0]]
        count = len(failed)
        message = f"{count} failed subtest{'s' if count > 1 else ''}: {_message(first)}"
        return {
            "outcome": "failed",
            "phase": "call",
            "message": cut(message, MESSAGE_LIMIT),
            "longrepr": cut("\n\n".join(texts)),
            **self._subtest_details[failed[0]],
        }

    def _captured(self) -> Message:
        """The output by stream, from the last report (which has all sections) and from subtests."""
        sections: list[tuple[str, str, int | None]] = []
        for report in self._reports.values():
            sections = [(*section, None) for section in report.sections]
        for index, report in enumerate(self._subtests):
            own = (section for section in report.sections if section[0].endswith(" call"))
            sections += [(*section, index) for section in own]
        texts: dict[str, list[str]] = {}
        named: list[Message] = []
        for name, content, subtest in sections:
            key = _STREAMS.get(_heading(name))
            if key is None or not content:
                continue
            texts.setdefault(key, []).append(content)
            section: Message = {"name": name, "length": len(content)}
            if subtest is not None:
                section["subtest"] = subtest
            named.append(section)
        captured: Message = {}
        for key, parts in texts.items():
            whole = "".join(parts)
            captured[key] = cut(whole)
            if len(captured[key]) != len(whole):
                # A text that was cut has no parts any more.
                named = [section for section in named if _STREAMS[_heading(section["name"])] != key]
        named = self._with_added(named)
        if named:
            captured["sections"] = named
        return captured

    def _with_added(self, named: list[Message]) -> list[Message]:
        """The sections with those that hooks added to the reports of a call that passed.

        The text of a failure contains those of its report.
        """
        call, teardown = self._reports.get("call"), self._reports.get("teardown")
        if call is None or not call.passed:
            return named
        own = list(_added(call))
        of_teardown = _added(teardown) if teardown is not None and teardown.passed else ()
        last = [section for section in of_teardown if "teardown" in section["name"]]
        if not own and not last:
            return named
        at = next((i for i, one in enumerate(named) if "teardown" in one["name"]), len(named))
        return [*named[:at], *own, *named[at:], *last]

    def _failed_reports(self, item: Any) -> list[Message]:
        """pytest's failed reports, unless there is one, with the test's own name as its heading."""
        found: list[Message] = []
        for when in ("setup", "call", "teardown"):
            if when == "call":
                for index, report in enumerate(self._subtests):
                    if report.failed:
                        found.append({**_failed_report(report), "subtest": index})
            report = self._reports.get(when)
            if report is not None and report.failed:
                found.append(_failed_report(report))
        usual = ".".join(item.nodeid.split("::")[1:])
        is_usual = len(found) == 1 and "subtest" not in found[0] and found[0]["title"] == usual
        return [] if is_usual else found


def _added(report: Any) -> Iterator[Message]:
    """The sections of a report that are no captured output."""
    for name, content in report.sections:
        if _heading(name) not in _STREAMS:
            text = cut(str(content))
            yield {"name": str(name), "length": len(text), "text": text}


def _heading(name: str) -> str:
    """The name of a section without its phase."""
    return " ".join(name.split(" ", 2)[:2])


def _failed_report(report: Any) -> Message:
    message = _message(report)
    return {
        "title": str(report.head_line or report.nodeid),
        "phase": report.when,
        "longrepr": cut(_longrepr(report)),
        **({"message": cut(message, MESSAGE_LIMIT)} if message else {}),
    }


def is_subtest(report: Any) -> bool:
    """Whether a report is about a part of a test (pytest 9's own subtests, or pytest-subtests)."""
    return type(report).__name__ in ("SubtestReport", "SubTestReport")


def _only_counts_subtests(report: Any) -> bool:
    """Whether pytest failed a test only because of its subtests."""
    longrepr = getattr(report, "longrepr", None)
    return isinstance(longrepr, str) and longrepr.startswith("contains ") and "subtest" in longrepr


def _judge(report: Any) -> Message:
    """The outcome of setup or call, with message and text."""
    expected = getattr(report, "wasxfail", None)
    if report.skipped:
        if expected is not None:
            return _with_text("xfailed", _reason(expected), report)
        place = _skipped_at(report)
        reason = cut(skip_reason(report), MESSAGE_LIMIT)
        return {
            "outcome": "skipped",
            "message": reason,
            **({"location": place} if place is not None else {}),
        }
    if report.passed:
        if expected is not None:
            message = _reason(expected)
            return {"outcome": "xpassed", **({"message": message} if message else {})}
        return {"outcome": "passed"}
    outcome = "error" if report.when in ("setup", "teardown") else "failed"
    verdict = _with_text(outcome, _message(report), report)
    if isinstance(report.longrepr, str) and report.longrepr.startswith("[XPASS(strict)]"):
        verdict["strict"] = True
    return verdict


def _with_text(outcome: str, message: str, report: Any) -> Message:
    verdict: Message = {"outcome": outcome}
    if message:
        verdict["message"] = cut(message, MESSAGE_LIMIT)
    text = _longrepr(report)
    if text:
        verdict["longrepr"] = cut(text)
    return verdict


def _with_teardown(main: Message, teardown: Any, detail: Message) -> Message:
    """A failing teardown makes any outcome an error; the message of a failed call comes first."""
    text = _longrepr(teardown)
    before = main["outcome"]
    if before not in ("failed", "error"):
        verdict = _with_text("error", _message(teardown), teardown)
        return {**verdict, "phase": "teardown", "before_teardown": before, **detail}
    message = main.get("message", "") + f"\n(and in teardown: {_message(teardown)})"
    return {
        **main,
        "outcome": "error",
        "phase": "teardown",
        "before_teardown": before,
        "message": cut(message, MESSAGE_LIMIT),
        "longrepr": cut(main.get("longrepr", "") + "\n\n" + text),
    }


def unshowable(item: Any, call: Any, hindrance: type[BaseException]) -> Any:
    """The report of a phase for which pytest could make none: a `__repr__` exits, for example."""
    error = call.excinfo.value if call.excinfo is not None else None
    text = "passed" if error is None else _describe(error)
    longrepr = f"E   {text}\n(pytest could not show more of it: {hindrance.__name__} was raised)"
    return pytest.TestReport(
        item.nodeid,
        item.location,
        dict.fromkeys(item.keywords, 1),
        "failed" if call.excinfo is not None else "passed",
        longrepr if call.excinfo is not None else None,
        call.when,
        duration=call.duration,
    )


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
        name = type(error).__name__
    except BaseException as failure:
        return f"an exception that can't be shown: {type(failure).__name__}"
    return f"{name}: {text}" if text else name


def _reason(wasxfail: str) -> str:
    return wasxfail[len("reason: ") :] if wasxfail.startswith("reason: ") else wasxfail


def skip_reason(report: Any) -> str:
    """Why a test or a file was skipped, in its own words."""
    longrepr = report.longrepr
    text = str(longrepr[2] if isinstance(longrepr, tuple) and len(longrepr) == 3 else longrepr)
    return text[len("Skipped: ") :] if text.startswith("Skipped: ") else text


def _skipped_at(report: Any) -> Message | None:
    """The line that pytest names for a skipped test."""
    longrepr = report.longrepr
    if not (isinstance(longrepr, tuple) and len(longrepr) == 3):
        return None
    path, line = longrepr[:2]
    if not (isinstance(path, str) and os.path.isabs(path) and isinstance(line, int) and line > 0):
        return None
    return {"path": path, "line": line}


def _message(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = getattr(crash, "message", None)
    if text:
        return str(text)
    if isinstance(report.longrepr, str) and not report.longrepr.startswith("E "):
        return report.longrepr.strip()  # what a custom `repr_failure` returns
    lines = _text(report).strip().splitlines()
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    return "\n".join(marked) if marked else (lines[-1] if lines else "")


def _text(report: Any) -> str:
    try:
        return text_of(report)
    except BaseException as error:
        return f"(no text: {type(error).__name__}: {own_text(error)})"


def text_of(report: Any) -> str:
    """pytest's text of a failure; its own `longreprtext` takes the first line's indent away."""
    file = StringIO()
    writer = TerminalWriter(file)
    writer.hasmarkup = False
    report.toterminal(writer)
    return file.getvalue().strip("\n").rstrip()


def _longrepr(report: Any) -> str:
    text = _text(report)
    for name, content in report.sections:
        # Sections of other plugins; captured output has fields of its own.
        if not name.startswith("Captured "):
            text += f"\n{f' {name} ':-^80}\n{content}"
    return text


def _subtest(report: Any, detail: Message, path: str) -> Message:
    outcome = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = "xfailed" if report.skipped else "xpassed"
    verdict: Message = {"label": _label(report), "outcome": outcome}
    if outcome == "skipped":
        verdict["message"] = cut(skip_reason(report), MESSAGE_LIMIT)
    elif outcome == "xfailed":
        verdict["message"] = cut(_reason(report.wasxfail), MESSAGE_LIMIT)
    elif report.failed:
        verdict["message"] = cut(_message(report), MESSAGE_LIMIT)
        if "location" in detail:
            verdict["line"] = detail["location"]["line"]
    return verdict


def _label(report: Any) -> str:
    context = getattr(report, "context", None)
    parts = []
    message = getattr(context, "msg", None)
    if message:
        parts.append(f"[{message}]")
    values = getattr(context, "kwargs", None)
    if values:
        parts.append("(" + ", ".join(f"{key}={value}" for key, value in values.items()) + ")")
    return " ".join(parts) or "(<subtest>)"
