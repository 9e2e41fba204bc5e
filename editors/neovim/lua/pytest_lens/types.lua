---@meta
-- The types of the server's notifications.
--
-- Made by `cargo xtask codegen` from the Rust definitions in server/protocol: change those.

---The evidence of flakiness.
---@alias pytest_lens.Evidence "same_code"|"across_changes"

---The kind of an item of the tree.
---@alias pytest_lens.ItemKind "dir"|"file"|"class"|"function"|"case"|"doctest"

---How a test ended.
---@alias pytest_lens.Outcome "passed"|"failed"|"skipped"|"error"|"xfailed"|"xpassed"|"timed_out"|"crashed"|"not_run"

---A stream of a process.
---@alias pytest_lens.OutputStream "stdout"|"stderr"|"log"

---A phase of pytest's run of one test.
---@alias pytest_lens.Phase "setup"|"call"|"teardown"

---How a run ended.
---@alias pytest_lens.RunEndStatus "passed"|"failed"|"stopped"|"killed"|"timed_out"|"internal_error"

---The kind of a thing that takes time in a process.
---@alias pytest_lens.TimeKind "import"|"file"|"collection"|"setup"|"teardown"|"body"|"pytest"|"runner"|"wait"|"lost"

---A file that could not be collected.
---@class pytest_lens.CollectError
---@field uri string The file.
---@field range pytest_lens.Range The line that caused it.
---@field message string The message of Python or pytest.
---@field longrepr? string pytest's report with source lines.

---One of pytest's failed reports of a test.
---@class pytest_lens.FailedReport
---@field title string pytest's heading.
---@field phase pytest_lens.Phase The phase that failed.
---@field subtest? integer The index of the subtest that it is about, if it is about one.
---@field message? string The reason.
---@field longrepr string pytest's text.

---A file that skips itself as a whole.
---@class pytest_lens.FileSkip
---@field path string Path, relative to the root.
---@field line integer The line that skips it, from 1; 0 if it is not known.
---@field reason string The reason.

---How often tests of a file issued a warning.
---@class pytest_lens.FileWarnings
---@field path string Path, relative to the root.
---@field count integer Number of occurrences.

---Flakiness changed.
---@class pytest_lens.FlakinessHints
---@field hints pytest_lens.Hint[] One hint per test.

---One frame of a traceback.
---@class pytest_lens.Frame
---@field name string Name of the function.
---@field location pytest_lens.Location The line that was executed.
---@field text? string Text of the line, if known.

---The flakiness of one test, from the history.
---@class pytest_lens.Hint
---@field id string Node id.
---@field isFlaky boolean Whether the test passed and failed on the same code.
---@field failureRate number Share of failures, 0.0 to 1.0.
---@field flips integer Number of changes between pass and failure.
---@field totalRuns integer Number of runs in the window.
---@field consecutiveFailures integer Number of failures since the last pass.
---@field consecutivePasses integer Number of passes since the last failure.
---@field recentOutcomes pytest_lens.Outcome[] The last outcomes, oldest first.
---@field evidence? pytest_lens.Evidence The evidence; left out if the test is neither flaky nor suspected.

---A change of the inventory.
---@class pytest_lens.InventoryDelta
---@field revision integer Revision of the inventory after this change.
---@field upserts pytest_lens.TestItem[] New and changed items, parents before children, siblings in source order.
---@field removed string[] Removed items; their children are removed too.
---@field order? pytest_lens.Siblings[] The order of siblings within files, if new items are not last or siblings moved. Folders and files are sorted by name and have no entry.
---@field errors pytest_lens.CollectError[] All current collection errors.
---@field whole? boolean The upserts are the whole inventory: all other items are removed. Sent first to a reader whose position in the log is no longer kept.
---@field wholeFiles? string[] Files whose upserts are all their tests: other tests in them are removed. Only the language server sends this, to clients that request tests file by file.

---A range of a file, as in LSP.
---@class pytest_lens.Location
---@field uri string `file:` URI.
---@field range pytest_lens.Range The range.

---A process printed outside of pytest's capture.
---@class pytest_lens.Output
---@field runId string The run.
---@field id? string Node id of the test, if known.
---@field stream pytest_lens.OutputStream The stream that it printed to.
---@field text string The printed text.

---A part of a test's captured output, with the heading that pytest gives it.
---@class pytest_lens.OutputSection
---@field name string The heading, such as `Captured stdout setup`. Its second word names the stream, unless there is a `text`.
---@field length integer Number of Unicode scalar values. The sections of a stream follow one another in its text.
---@field subtest? integer The index of the subtest that printed it, if it belongs to one.
---@field text? string Its text, if it is no captured output: a hook added it to a report of a test that passed.

---The durations of a test's phases, in milliseconds; a phase that did not run has none.
---@class pytest_lens.PhaseDurations
---@field setup? number Setting up its fixtures.
---@field call? number The test function itself.
---@field teardown? number Tearing down its fixtures.

---The sections of plugins and conftests in the summary of a session.
---@class pytest_lens.PluginSummary
---@field project? string The folder of the project, relative to the root; left out for the root's own.
---@field text string The text, in 80 columns.

---A position in a text, as in LSP.
---@class pytest_lens.Position
---@field line integer 0-based line.
---@field character integer 0-based offset in the line; engine events give 0 or UTF-16 units.

---A range of a text, its end exclusive, as in LSP.
---@class pytest_lens.Range
---@field start pytest_lens.Position The first position of the range.
---@field end pytest_lens.Position The position after the range.

---How pytest shows one report of a test: the result of its hook `pytest_report_teststatus`.
---@class pytest_lens.ReportStatus
---@field phase pytest_lens.Phase The phase that the report is about.
---@field subtest? integer The index of the subtest that it is about, if it is about one.
---@field category string The word by which pytest counts and lists the report; it counts none without a word.
---@field letter string The text for the line of dots.
---@field word string The word for `-v` and the short summary.
---@field markup string[] pytest's names of the colors and looks of the letter and the word.
---@field reason? string The reason that follows the word.

---Tests by final outcome. `passed`, `failed`, `skipped` and `errors` add up to `total`.
---@class pytest_lens.RunCounts
---@field total integer Tests with an outcome.
---@field passed integer Passed, or passed unexpectedly without a strict xfail.
---@field failed integer Failed or timed out.
---@field skipped integer Skipped, or failed as expected.
---@field errors integer Errors in set-up or teardown, and crashes.
---@field notRun integer Selected but not run; not included in the other counts.

---A run ended.
---@class pytest_lens.RunEnd
---@field runId string The run.
---@field status pytest_lens.RunEndStatus How it ended.
---@field counts pytest_lens.RunCounts Numbers of tests by final outcome.
---@field durationMs number Wall time since the run was accepted, in milliseconds.
---@field message? string The reason, if the status alone does not explain it.
---@field debugData? string The iterator of the debug data (`next_debug_data`), if the run measured coverage.
---@field warnings? pytest_lens.Warning[] Warnings of the collection and of the run, as in pytest's summary.
---@field timings? pytest_lens.RunTimings Where the time went, if the request asked for it.
---@field summaries? pytest_lens.PluginSummary[] The sections of plugins and conftests in pytest's summary, such as a table of coverage; in runs of commands.
---@field exitStatus? integer The exit status that a test or hook asked for (`pytest.exit(returncode=...)`, `session.exitstatus = ...`), or that pytest has if files that can't be collected reach the limit of failures.

---The engine accepted a run. It comes again as more is known of nested projects.
---@class pytest_lens.RunStart
---@field runId string The run.
---@field total integer Number of selected tests, as far as they are known.
---@field ids? string[] The selected tests, when it comes again only the new ones; left out for the whole inventory.
---@field deselected? integer Number of requested tests that expressions or pytest's configuration deselected.
---@field collectReports? string[] pytest's reports of files that skip themselves as a whole, as JSON; only in a run with `full_reports`.
---@field skippedFiles? pytest_lens.FileSkip[] Files that skip themselves as a whole, such as by `pytest.importorskip`.
---@field errors? pytest_lens.CollectError[] Selected files that the run's own collection could not collect, when it comes again only the new ones. Those of the inventory may be newer.
---@field header? string[] The lines with which pytest begins its output, such as `rootdir: ...` and those of plugins and conftests; empty for a run over several projects, and for one of an editor.
---@field onCollected? string[] The lines of plugins and conftests on the collected tests, for the place after their number; empty as those of the heading, and if the run leaves some of those tests out.
---@field dropped? integer Number of tests that hooks took out of the collection without deselecting them: pytest counts them as collected.
---@field outputOptions? string[] pytest's options for its output that code of the project has set, as words of the command line, such as `--verbosity=1`; empty for an editor's run, and for one over several projects.

---Where the time of a run went, in milliseconds.
---@class pytest_lens.RunTimings
---@field startMs number Time in which the request waited for an interpreter to start.
---@field collectMs number Time in which tests were collected for the run.
---@field collectedBeforeMs? number Duration of the collection, if tests had been collected before the request.
---@field runMs number Time from the run's start, after the collection, to its end.
---@field runners integer Number of runners at a time.
---@field runnersMs number That time of all runners together: `runMs` times `runners`, for each project.
---@field projects integer Number of projects, whose times are added up; they may run at the same time.
---@field collection pytest_lens.TimeSpent[] The time of the collection, if it was measured. The sum of `ownMs` is the time of the process that collected.
---@field run pytest_lens.TimeSpent[] The time of the runners. Their idle time is what the sum of `ownMs` lacks of `runnersMs`.

---The children of an item, in order.
---@class pytest_lens.Siblings
---@field parent string The item that contains them.
---@field ids string[] Ids of the children. Children that are not listed come after them.

---Outcomes became stale, older than a change that can reach their tests, or fresh again.
---@class pytest_lens.StaleOutcomes
---@field stale string[] Tests whose last outcome is stale from now on.
---@field fresh string[] Tests whose last outcome is no longer stale, because the change was taken back. A new outcome needs no such event.

---One subtest of a test.
---@class pytest_lens.Subtest
---@field label string Message and parameters of the subtest.
---@field outcome pytest_lens.Outcome `passed`, `failed` or `skipped`.
---@field message? string The reason why it failed.

---An item of the test tree.
---@class pytest_lens.TestItem
---@field id string Node id; the path for a folder.
---@field parent? string The item that contains it; left out at the top.
---@field kind pytest_lens.ItemKind The kind of the item.
---@field label string The name to display.
---@field uri string URI of the file or folder.
---@field range? pytest_lens.Range The range in the file, if known.
---@field markers string[] Marker names.
---@field skip boolean Marked to be skipped.
---@field xfail boolean Marked as expected to fail.
---@field caseCount? integer Number of cases of a parametrized function.
---@field provisional? boolean Read from the source and not yet confirmed by pytest.

---The outcome of one test, with its details.
---@class pytest_lens.TestOutcome
---@field id string Node id.
---@field outcome pytest_lens.Outcome How it ended.
---@field durationMs number Duration of set-up, call and teardown, in milliseconds.
---@field attempt integer Number of the attempt, from 1.
---@field willRerun? boolean Another attempt follows: this outcome is not final.
---@field phase? pytest_lens.Phase The phase that failed.
---@field message? string The reason why it failed, was skipped or was not run.
---@field location? pytest_lens.Location The failing line, in the test's own file where the failure passed through it.
---@field expected? string The expected value of a failed comparison (its right side).
---@field actual? string The actual value of a failed comparison (its left side).
---@field frames? pytest_lens.Frame[] The traceback, outermost first.
---@field longrepr? string pytest's text of the failure.
---@field stdout? string Captured standard output.
---@field stderr? string Captured standard error.
---@field log? string Captured log.
---@field subtests? pytest_lens.Subtest[] Subtests, in order.
---@field asOf? integer Set if the outcome comes from the history: the time of that run, Unix time in milliseconds.
---@field beforeTeardown? pytest_lens.Outcome Set if the teardown failed, which makes any outcome an error: the outcome before it.
---@field reports? string[] pytest's own reports of the test, as JSON, in order; only in a run with `full_reports`.
---@field sections? pytest_lens.OutputSection[] The headings of the captured output, in pytest's order.
---@field failedReports? pytest_lens.FailedReport[] pytest's failed reports of the test, in order, if `id` and `longrepr` are not all that pytest shows: those of its subtests, of its call and its teardown, or one with a heading of its own.
---@field phaseDurations? pytest_lens.PhaseDurations The durations of the phases that ran; only in a run with `phase_durations`.
---@field stale? boolean Set if the outcome comes from the history, and something that the test depends on has changed since.
---@field node? string The node of a cluster on which it ran.
---@field statuses? pytest_lens.ReportStatus[] How pytest shows its reports, in order, if a hook of the project or of a plugin gives one another category, letter or word than pytest does. Usual ones of subtests are left out. Of a test that ended the session (`pytest.exit`, `KeyboardInterrupt`), those of its reports before that.

---Tests have an outcome.
---@class pytest_lens.TestOutcomes
---@field runId string The run.
---@field outcomes pytest_lens.TestOutcome[] One outcome per test.

---Tests start.
---@class pytest_lens.TestsStarted
---@field runId string The run.
---@field ids string[] Their node ids.

---The time that one thing took. Each moment of a process counts as the `ownMs` of one thing.
---@class pytest_lens.TimeSpent
---@field kind pytest_lens.TimeKind Its kind.
---@field name? string Its name, by its kind; empty for the rest after the slowest hundred of a kind.
---@field count integer Number of times.
---@field ownMs number Time without the other things that went on meanwhile, in milliseconds.
---@field totalMs number Time with them, in milliseconds.

---A warning of a run.
---@class pytest_lens.Warning
---@field category string The class of the warning, such as `DeprecationWarning`.
---@field message string The text of the warning.
---@field location? pytest_lens.Location The line that the warning refers to.
---@field count integer Number of occurrences.
---@field ids? string[] The tests that issued it, one for each of the first nine occurrences; empty if the collection issued it.
---@field files? pytest_lens.FileWarnings[] Number of occurrences in the tests of each file, if there are ten or more in all.

---The inventory changed.
---@class pytest_lens.InventoryEvent : pytest_lens.InventoryDelta
---@field event "inventory"
---@field seq integer Sequence number, from 1 without gaps.

---The engine accepted a run.
---@class pytest_lens.RunStartedEvent : pytest_lens.RunStart
---@field event "runStarted"
---@field seq integer Sequence number, from 1 without gaps.

---Tests start.
---@class pytest_lens.TestStartedEvent : pytest_lens.TestsStarted
---@field event "testStarted"
---@field seq integer Sequence number, from 1 without gaps.

---Tests have an outcome.
---@class pytest_lens.TestOutcomeEvent : pytest_lens.TestOutcomes
---@field event "testOutcome"
---@field seq integer Sequence number, from 1 without gaps.

---A process printed outside of pytest's capture.
---@class pytest_lens.OutputEvent : pytest_lens.Output
---@field event "output"
---@field seq integer Sequence number, from 1 without gaps.

---A run ended.
---@class pytest_lens.RunFinishedEvent : pytest_lens.RunEnd
---@field event "runFinished"
---@field seq integer Sequence number, from 1 without gaps.

---Flakiness changed.
---@class pytest_lens.FlakinessHintEvent : pytest_lens.FlakinessHints
---@field event "flakinessHint"
---@field seq integer Sequence number, from 1 without gaps.

---Outcomes became older than their inputs, or are no longer.
---@class pytest_lens.StaleOutcomesEvent : pytest_lens.StaleOutcomes
---@field event "staleOutcomes"
---@field seq integer Sequence number, from 1 without gaps.

---One entry of the log.
---@alias pytest_lens.Event pytest_lens.InventoryEvent|pytest_lens.RunStartedEvent|pytest_lens.TestStartedEvent|pytest_lens.TestOutcomeEvent|pytest_lens.OutputEvent|pytest_lens.RunFinishedEvent|pytest_lens.FlakinessHintEvent|pytest_lens.StaleOutcomesEvent
