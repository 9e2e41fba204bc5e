"""Our pytest plugin: it follows a session from its arguments to its end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from ..collection import collect_errors
from ..collection.nodes import NodeBuilder
from ..output import coverage_data
from ..park import Park
from ..preload import hidden_modules, preload_modules
from ..processes import after_fork, fork_safety, process_exit
from ..reports import shown_status
from ..reports.assertion_diff import Comparisons
from ..reports.hook_blame import is_a_hooks
from ..reports.verdict import VerdictBuilder, unshowable
from ..running import overtime, resident, watchdog
from ..running.last_garbage import LastGarbage
from ..running.run_loop import ENDINGS, RunLoop, stacks_path
from ..sharing import side_effects
from ..sharing.shareable import SharingCheck
from ..state import Worker
from ..timings.timer import Timer
from ..unpatched import gc, time
from ..watching.snapshot import Snapshot
from ..wire import Message
from . import (
    arguments,
    artifacts_fixture,
    code_cache,
    hook_wrapper,
    output_options,
    prestarted,
    pytest_prebuild,
    rootdir,
    run_skipped,
    whole_session,
    xdist_worker,
)
from .argument_files import ArgumentFiles
from .importing import Importing
from .report_header import ReportHeader
from .silent_hooks import SilentHooks
from .startup_errors import StartupErrors
from .terminal import TerminalStream

_BATCH = 500
# The most deselected tests whose ids the engine gets.
_LISTED = 10_000
# Up to so many tests leave all that they make in the young generations.
_FEW = 100


class LensPlugin:
    """The plugin of this process's session, and of the sessions of its forks."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._started = time.perf_counter()
        self.snapshot = Snapshot(worker.root, (worker.boot.cache_dir, worker.boot.tmp_dir))
        self.startup_errors = StartupErrors()
        self._errors = collect_errors.CollectErrors(worker.root, worker.options.args)
        self._comparisons = Comparisons()
        self._verdicts = VerdictBuilder(worker.root, self._comparisons)
        self._timers = overtime.Timers(worker, self._verdicts)
        self._deselected = 0
        # Those items, as long as they are few enough to be listed.
        self._deselected_items: list[Any] = []
        # pytest's count of tests, before any hook left some out.
        self._counted = 0
        self._output_options: list[str] = []
        # The index of each item before any plugin shuffled the items, by the item's id.
        self._in_source: dict[int, int] = {}
        # A hook has added tests.
        self._adds = False
        self._processes = 0
        self._reports: list[str] = []
        self.report_header = ReportHeader()
        self.screen = TerminalStream(worker.boot.terminal)
        self._importing = Importing(worker)
        self._cache = code_cache.Cache(
            worker.boot, self.snapshot, self._importing.begin, self._importing.end
        )
        # Changes that end with the collection.
        self._while_collecting = contextlib.ExitStack()
        self._run_arguments: arguments.RunArguments | None = None
        # The exit status by the outcomes of its tests; hooks may decide otherwise.
        self.expected_status: int | None = None
        # It left no garbage of the collection to a run.
        self._has_collected_garbage = False
        self._last_garbage: LastGarbage | None = None
        self._traces = SharingCheck(worker)
        self._xdist_worker = xdist_worker.XdistWorker(worker, self.snapshot, self._traces)
        self.argument_files = ArgumentFiles(wanted=worker.options.reports)
        self.silent_hooks = SilentHooks(worker) if worker.purpose == "unasked" else None

    @property
    def is_controller(self) -> bool:
        """Whether this process is the controller of a session that poses as xdist's worker."""
        return self._xdist_worker.is_controller

    def end_controller(self) -> None:
        """The session has ended: its controller ends, too."""
        self._xdist_worker.end()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Replace and watch what must be in place before pytest reads its arguments."""
        worker = self._worker
        worker.options.args = self._errors.existing
        if worker.options.run_disabled:
            run_skipped.collect_disabled_classes()
        self.snapshot.start(hidden_modules.names())
        self._traces.start()
        self.argument_files.start()
        worker.reads.start()
        if worker.inputs is not None and worker.measurement is None:
            worker.inputs.start()
        rootdir.files_keep_names(worker.root)
        named = worker.named(worker.options.args)
        pinned = rootdir.independent_of(named, worker.root)
        with code_cache.installed(self._cache), pinned:
            yield

    # Before collection

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_parse(self) -> Iterator[None]:
        outcome: Any = yield
        if outcome.excinfo:
            self.startup_errors.note(outcome.excinfo[1])

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> Iterator[None]:
        options = self._worker.options
        self._reports = arguments.requested_reports(early_config.known_args_namespace)
        if not options.reports:
            self._xdist_worker.begin(early_config.known_args_namespace, options.worker)
        if options.reports and getattr(early_config.known_args_namespace, "cov_source", None):
            coverage_data.leave_out_own_code()
        if options.no_cov:
            arguments.without_coverage(early_config.known_args_namespace)
        elif options.appends and hasattr(early_config.known_args_namespace, "cov_append"):
            early_config.known_args_namespace.cov_append = True
        early_config.invocation_params = arguments.with_args(
            early_config.invocation_params, arguments.given(self._worker)
        )
        yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> Iterator[None]:
        self._processes = xdist_worker.asked(config.option)
        arguments.without_distribution(config.option)
        arguments.without_narrowing(self._worker, config.option)
        if self._worker.options.no_cov:
            arguments.without_coverage(config.option)
        if self._worker.options.debug:
            arguments.without_repeats(config.option)
        self._output_options = output_options.words(config.option)
        outcome: Any = yield
        if outcome.excinfo:
            self.startup_errors.note(outcome.excinfo[1])
        elif not self.startup_errors.past_startup:
            self.startup_errors.note_hooks(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        self._reports += arguments.requested_reports(config.option)
        self._reports += self.argument_files.asked(config.option)
        arguments.refuse_or_neutralise(self._worker, config)
        if self._worker.purpose == "list":
            config.option.collectonly = True
        self._xdist_worker.configure(config)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionstart(self, session: Any) -> Iterator[None]:
        self.screen.replace(session.config)
        with pytest_prebuild.quick_fixture_search():
            yield
        self._xdist_worker.started(session)

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:
        self._worker.warnings.note(warning_message, nodeid)

    def pytest_internalerror(self, excrepr: Any, excinfo: Any) -> None:
        self.startup_errors.note_internal(excrepr, excinfo)

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        self.startup_errors.note(excinfo.value)

    # Collection

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: Any) -> bool | None:
        if self.is_controller:
            self._xdist_worker.wait_for_workers(session)
            return True
        if self._worker.role == "configured":
            spent = time.perf_counter() - self._started
            self.refuse_if(True)
            args = prestarted.wait_for_collect(
                self._worker,
                session,
                self.snapshot,
                self.startup_errors,
                self._traces,
                self._reasons_so_far(session),
            )
            if args is not None:
                self._errors = collect_errors.CollectErrors(self._worker.root, args)
                arguments.replace_args(self._worker, session.config, self._errors.existing)
            self._started = time.perf_counter() - spent
        self._share_files(session.config)
        self._while_collecting.enter_context(self._importing.in_detail(self._cache))
        return None

    def _share_files(self, config: Any) -> None:
        """Collect all tests of the files, for later runs, unless the project sees the arguments."""
        options = self._worker.options
        if not options.files or whole_session.may_read_arguments(self._worker, config):
            return
        self._errors = collect_errors.CollectErrors(self._worker.root, options.files)
        options.files = self._errors.existing
        arguments.replace_args(self._worker, config, options.files)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Iterator[None]:
        self._importing.collects(collector)
        self._errors.goes_on()
        outcome: Any = yield
        crash = self._importing.take_refused()
        if crash is not None:
            report = None if outcome.excinfo else outcome.get_result()
            outcome.force_result(self._errors.add_crashed(collector, report, crash))
        elif outcome.excinfo is not None and isinstance(outcome.excinfo[1], SystemExit):
            outcome.force_result(self._errors.add_exit(collector, outcome.excinfo[1]))
        elif outcome.excinfo is None and outcome.get_result().failed:
            self._errors.add_failed(collector, outcome.get_result())
        elif outcome.excinfo is None and outcome.get_result().skipped:
            self._errors.add_skipped(collector, outcome.get_result())

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> Iterator[None]:
        self._in_source = {id(item): index for index, item in enumerate(items)}
        self._while_collecting.close()
        self._importing.finish()
        yield
        self._note_added(items)

    def _note_added(self, items: list[Any]) -> None:
        if self._in_source:
            self._adds = self._adds or any(id(item) not in self._in_source for item in items)

    def pytest_collectreport(self, report: Any) -> None:
        self._counted += sum(isinstance(node, pytest.Item) for node in report.result)

    def pytest_deselected(self, items: list[Any]) -> None:
        self._deselected += len(items)
        self._note_added(items)
        if len(self._deselected_items) <= _LISTED:
            self._deselected_items += items

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_exception_interact(self) -> Iterator[None]:
        with self.screen.shown():
            yield
        watchdog.go_on()  # pytest has stopped the clock, but a teardown may hang

    # Running

    @hook_wrapper.wraps
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Generator[None, Any, Any]:
        try:
            report = yield
        except BaseException as error:
            if issubclass(type(error), ENDINGS) or is_a_hooks(error.__traceback__):
                raise
            report = unshowable(item, call, type(error))
        self._verdicts.note_exception(item, call, report)
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_timeout_set_timer(self, item: Any, settings: Any) -> bool | None:
        return self._timers.set(item, settings)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> Iterator[None]:
        yield  # pytest itself makes a test fail here whose subtests failed
        self._verdicts.counted.ask(report)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        self._verdicts.note_report(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_assertrepr_compare(self, op: str, left: object, right: object) -> None:
        self._comparisons.note(op, left, right)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        if self.is_controller or self._is_taken(session):
            return True
        worker = self._worker
        self.startup_errors.past_startup = True
        if worker.restart is not None:
            worker.restart.close()
        builder = NodeBuilder(session.config, worker.root)
        if worker.role in ("collected", "collect"):
            reasons = self._reasons(session)
            # A session that may not be forked runs its tests itself, if a run needs them.
            stays = worker.role == "collected" and (worker.purpose == "run" or not reasons)
            park = Park(worker) if stays else None
            self._collected(session, builder, reasons)
            by_id = builder.by_id(session.items)
            if park is None or not self._parked(session, park, bool(reasons)):
                return self._end()
        else:
            by_id = builder.by_id(session.items)
            self._traces.finish(session.config)
            self._ready(session)
        if not self._has_collected_garbage and len(session.items) <= _FEW:
            # Now it visits what this session made, at its end all that its parent has, too.
            gc.collect()
            self._has_collected_garbage = True
        gc.unfreeze()  # a test may look at all objects, or count on garbage to go
        self._last_garbage = LastGarbage(session.config, self._has_collected_garbage)
        loop = RunLoop(worker, self._verdicts, by_id)
        message = loop.wait_for_run(session)
        if message is not None and message.get("hold"):
            if worker.inputs is not None:
                worker.inputs.stop()  # a resident changes modules in place
            runner = resident.Resident(worker, session, self._verdicts, builder, self.snapshot)
            runner.serve(message, self._prepare)
        elif message is not None:
            self._prepare(session, message, by_id)
            session.items = loop.prepare(message, session.items)
            session.testscollected = len(session.items)
            self.screen.show_heading()
            with self.screen.shown():
                loop.run(session)
            self.expected_status = loop.exit_status
        return True

    def _is_taken(self, session: Any) -> bool:
        """Call the hooks that pytest calls before its own: one may take the session's place."""
        if self._worker.purpose != "run":
            return False
        hook = session.config.hook.pytest_runtestloop
        for implementation in reversed(hook.get_hookimpls()):
            wraps = implementation.hookwrapper or getattr(implementation, "wrapper", False)
            if wraps or implementation.plugin is self:
                continue
            if implementation.plugin_name == "main":
                break
            arguments_ = [session] if implementation.argnames else []
            if implementation.function(*arguments_) is not None:
                return True
        return False

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any, config: Any) -> Iterator[None]:
        """Between pytest's own sections, which the client of a run writes."""
        terminalreporter.currentfspath = None  # no line of dots is open
        durations, config.option.durations = config.option.durations, None
        with self.screen.kept():
            yield
        config.option.durations = durations

    def pytest_unconfigure(self) -> None:
        # Before pytest's own hook, which reports what the collection has found.
        if self._last_garbage is not None:
            self._last_garbage.collect()

    def _reasons(self, session: Any) -> list[str]:
        """The reasons why no two runs may share this collection."""
        found = self._traces.finish(session.config)
        reasons = [*self._unsafe(session), *self._left_out(), *found, *self._xdist_worker.reasons]
        self.refuse_if(bool(self._errors.found))
        return list(dict.fromkeys(reasons))

    def _reasons_so_far(self, session: Any) -> list[str]:
        """The reasons why only one collection may follow what the session did until now."""
        controller = ["a controller waits"] if self._xdist_worker.has_controller else []
        return [*self._unsafe(session), *self._traces.so_far(session.config), *controller]

    def _unsafe(self, session: Any) -> list[str]:
        known = fork_safety.harmless(self._worker.boot.harmless)
        return fork_safety.of_session(session, known, self._worker.root)

    def _left_out(self) -> list[str]:
        return self.silent_hooks.left_out if self.silent_hooks is not None else []

    def refuse_if(self, amiss: bool) -> None:
        """End an unasked session that left something out, if something is `amiss`."""
        if amiss and self._left_out():
            side_effects.report(
                self._worker, side_effects.Effect(self._left_out()[0], None, None, ())
            )
            process_exit.leave(0)

    def _end(self) -> bool:
        """The session ends before any test ran, as it does in plain pytest."""
        if self._worker.purpose == "unasked":
            # It did nothing that it would have to undo.
            self._worker.send({"t": "bye", "exitstatus": 0})
            process_exit.leave(0)
        return True

    def _collected(self, session: Any, builder: NodeBuilder, reasons: list[str]) -> None:
        """Send the nodes, and all else that is known after collection."""
        worker = self._worker
        # The run that wants this collection shows the text that was printed until now.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # replaced, or closed
                stream.flush()
        items = session.items
        indices = [self._in_source.get(id(item), len(items)) for item in items]
        shuffled = indices != sorted(indices)
        for start in range(0, len(items), _BATCH):
            batch = [builder.node(item) for item in items[start : start + _BATCH]]
            if shuffled:
                for index, node in zip(indices[start:], batch):
                    node["place"] = index
            worker.send({"t": "nodes", "items": batch})
        state = self._finish_snapshot()
        worker.send_reads()
        worker.send_timings()
        worker.send(
            {
                "t": "collected",
                "count": len(items),
                "deselected": self._deselected,
                "deselected_ids": self._deselected_ids(builder),
                **whole_session.facts(worker, session.config),
                "keeps_args": worker.options.args != worker.options.files,
                "dropped": max(0, self._counted - self._deselected - len(items)),
                "adds": self._adds,
                "errors": self._errors.found,
                "skipped": self._errors.skipped,
                **state,
                "processes": self._processes,
                "mentions_worker": xdist_worker.is_mentioned,
                "one_controller": self._xdist_worker.has_one_controller,
                "reasons": reasons,
                "unfit": worker.unfit,
                "reports": list(dict.fromkeys(self._reports)),
                "summarizes": arguments.has_own_summary(session.config)
                or arguments.warnings_are_errors(session.config),
                "looks": arguments.hooks_may_read_selection(worker, session.config),
                "rootdir": str(session.config.rootpath),
                "inifile": str(session.config.inipath) if session.config.inipath else None,
                "header": self.report_header.lines,
                "on_collected": self.report_header.on_collected,
                "output_options": output_options.changes(
                    self._output_options, output_options.words(session.config.option)
                ),
                "exitstatus": _status(session),
                "day_left": _day_left(),
                "duration_ms": round((time.perf_counter() - self._started) * 1000, 3),
            }
        )

    def _deselected_ids(self, builder: NodeBuilder) -> list[str]:
        items, self._deselected_items = self._deselected_items, []
        return [builder.id(item) for item in items] if len(items) == self._deselected else []

    def _parked(self, session: Any, park: Park, alone: bool) -> bool:
        """Park; true in a process that runs tests, false if this process ends."""
        if not alone:
            after_fork.drain_capture(session.config)
        command = park.serve(None if alone else self._collect_garbage)
        if command.kind == "exit":
            return False
        self._worker.role = command.role
        if command.kind == "fork":
            after_fork.renew_capture(session.config)
        self._worker.send({"t": "runner_ready", "stacks": stacks_path(self._worker)})
        return True

    def _collect_garbage(self, _is_awaited: bool) -> None:
        """Leave nothing to collect to the forks, nor a reason to write to the memory they share."""
        gc.collect()
        gc.freeze()
        self._has_collected_garbage = True

    def _ready(self, session: Any) -> None:
        self._worker.send_reads()
        self._worker.send_timings()
        self._worker.send(
            {
                "t": "runner_ready",
                "stacks": stacks_path(self._worker),
                "count": len(session.items),
                "errors": self._errors.found,
                **self._finish_snapshot(),
            }
        )

    def _finish_snapshot(self) -> Message:
        """All that the session depends on, and the modules that a base may import for it."""
        state = self.snapshot.finish()
        state["third_party"] = preload_modules.preloadable(
            self._worker.preloaded,
            self.snapshot.new_modules(),
            self.snapshot.environment.first_change,
            self._worker.plugin_packages,
        )
        return state

    def _prepare(self, session: Any, message: Message, by_id: dict[str, list[Any]]) -> None:
        """Apply a run's settings to the session."""
        config = session.config
        if message.get("timings"):
            self._time_run(config, by_id)
        overtime.begin_run(config)
        self._verdicts.begin_run(
            config if message.get("full_reports") else None,
            bool(message.get("phase_durations")),
            shown_status.watch(config),
            config if message.get("keeps_reports") else None,
        )
        session.testsfailed = 0  # errors of collection are reported; the rest runs anyway
        if message.get("maxfail"):
            config.option.maxfail = message["maxfail"]
        if message.get("basetemp"):
            after_fork.renew_basetemp(config, message["basetemp"])
        if self._run_arguments is None:
            self._run_arguments = arguments.RunArguments(self._worker, config)
        self._run_arguments.show(message.get("asked"))
        self._worker.capture_files.open(config, message.get("output"))
        setattr(config, artifacts_fixture.ATTRIBUTE, self._worker.capture_files.folder)
        if message.get("worker"):
            self._xdist_worker.assign(config, message["worker"])
        if message.get("run_disabled") or self._worker.options.run_disabled:
            run_skipped.run_disabled_tests(session.items)

    def _time_run(self, config: Any, by_id: dict[str, list[Any]]) -> None:
        """Measure where the time of the run goes."""
        worker = self._worker
        if worker.timer is None:
            worker.timer = Timer(worker.root)
            config.pluginmanager.register(worker.timer)
        worker.timer.start_run(by_id)


def _day_left() -> float:
    """Seconds until the local date changes."""
    now = time.localtime()
    return 86400.0 - (now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec)


def _status(session: Any) -> int:
    if session.testsfailed:
        return int(pytest.ExitCode.INTERRUPTED)
    return 0 if session.items else int(pytest.ExitCode.NO_TESTS_COLLECTED)
