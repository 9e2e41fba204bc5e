---@meta
-- What the server tells, as types.
--
-- Made by `cargo xtask codegen` from the Rust definitions in server/protocol: change those.

---What a judgement on flakiness rests on.
---@alias pytest_lens.Evidence "same_code"|"across_changes"

---What an item of the tree is.
---@alias pytest_lens.ItemKind "dir"|"file"|"class"|"function"|"case"|"doctest"

---How a test ended.
---@alias pytest_lens.Outcome "passed"|"failed"|"skipped"|"error"|"xfailed"|"xpassed"|"timed_out"|"crashed"|"not_run"

---A stream of a process.
---@alias pytest_lens.OutputStream "stdout"|"stderr"|"log"

---How a run ended.
---@alias pytest_lens.RunEndStatus "passed"|"failed"|"stopped"|"killed"|"timed_out"|"internal_error"

---A file that could not be collected.
---@class pytest_lens.CollectError
---@field uri string The file.
---@field range pytest_lens.Range The line at fault.
---@field message string What Python or pytest said.
---@field longrepr? string pytest's own text of it, with the lines of the sources.

---Flakiness changed.
---@class pytest_lens.FlakinessHints
---@field hints pytest_lens.Hint[] One for each test.

---One frame of a traceback.
---@class pytest_lens.Frame
---@field name string The function.
---@field location pytest_lens.Location The line.
---@field text? string The line's text, if known.

---What the history says of one test.
---@class pytest_lens.Hint
---@field id string Node id.
---@field isFlaky boolean Whether it passed and failed on the same code.
---@field failureRate number Share of failures, 0.0 to 1.0.
---@field flips integer Changes between pass and fail.
---@field totalRuns integer Runs in the window.
---@field consecutiveFailures integer Failures since the last pass.
---@field consecutivePasses integer Passes since the last failure.
---@field recentOutcomes pytest_lens.Outcome[] The last outcomes, oldest first.
---@field evidence? pytest_lens.Evidence What it rests on; left out where it neither is flaky nor suspected.

---What changed in the inventory.
---@class pytest_lens.InventoryDelta
---@field revision integer Number of this state of the inventory.
---@field upserts pytest_lens.TestItem[] Items that are new or changed, parents before children, siblings in source order.
---@field removed string[] Items that are gone; their children go with them.
---@field order? pytest_lens.Siblings[] Where new items do not come last among their siblings, and where siblings changed places. Told of what lies in files; those and folders are put in order by their names.
---@field errors pytest_lens.CollectError[] Every collection error that holds now.
---@field whole? boolean The upserts are the whole inventory: what a reader knew besides is gone. So begins what is told to a reader whose place in the log is not kept.
---@field wholeFiles? string[] Files whose tests are all told here: what a reader knew in them besides is gone. Told by the language server to clients that ask for tests file by file, never by the engine.

---A span of a file, as in LSP.
---@class pytest_lens.Location
---@field uri string `file:` URI.
---@field range pytest_lens.Range The span.

---Something was printed outside of what pytest captured for a test.
---@class pytest_lens.Output
---@field runId string The run.
---@field id? string The test, where that is known.
---@field stream pytest_lens.OutputStream Which stream.
---@field text string The text.

---A place in a text: 0-based line, 0-based offset in it, as in LSP.
---@class pytest_lens.Position
---@field line integer 0-based line.
---@field character integer 0-based offset in the line; engine events give 0 or UTF-16 units.

---A span of a text, its end exclusive, as in LSP.
---@class pytest_lens.Range
---@field start pytest_lens.Position Where it begins.
---@field end pytest_lens.Position Where it ends.

---Final outcomes, counted. `passed`, `failed`, `skipped` and `errors` add up to `total`.
---@class pytest_lens.RunCounts
---@field total integer Tests with an outcome.
---@field passed integer Passed, or passed unexpectedly where that is no failure.
---@field failed integer Failed or timed out.
---@field skipped integer Skipped, or failed as expected.
---@field errors integer Errors in set-up or teardown, and crashes.
---@field notRun integer Selected, but not run; in none of the above.

---A run is over.
---@class pytest_lens.RunEnd
---@field runId string The run.
---@field status pytest_lens.RunEndStatus How it ended.
---@field counts pytest_lens.RunCounts Final outcomes, counted.
---@field durationMs number Wall time from its acceptance.
---@field message? string Why, where the status alone does not say it.
---@field debugData? string The iterator of its debug data (`next_debug_data`), where coverage was measured.
---@field warnings? pytest_lens.Warning[] What Python warned of while tests were collected and run, as pytest's summary has it.

---A run was accepted.
---@class pytest_lens.RunStart
---@field runId string The run.
---@field total integer Tests selected.
---@field ids? string[] The selected tests; left out where that is the whole inventory.
---@field deselected? integer Tests of what was asked for that expressions or pytest's configuration took out.

---The children of an item, in order.
---@class pytest_lens.Siblings
---@field parent string The item that they lie in.
---@field ids string[] Their ids. A child that is not among them comes behind them.

---One subtest of a test.
---@class pytest_lens.Subtest
---@field label string Its message and parameters.
---@field outcome pytest_lens.Outcome `passed`, `failed` or `skipped`.
---@field message? string Why it failed.

---An item of the test tree.
---@class pytest_lens.TestItem
---@field id string Node id; of a folder its path.
---@field parent? string The item it lies in; none at the top.
---@field kind pytest_lens.ItemKind What it is.
---@field label string What to show.
---@field uri string File or folder.
---@field range? pytest_lens.Range Where in the file, if known.
---@field markers string[] Marker names.
---@field skip boolean Marked to be skipped.
---@field xfail boolean Marked as expected to fail.
---@field caseCount? integer Of a parametrized function: its cases.
---@field provisional? boolean Read from the source, not yet confirmed by pytest.

---One test's outcome, with all that is known of it.
---@class pytest_lens.TestOutcome
---@field id string Node id.
---@field outcome pytest_lens.Outcome How it ended.
---@field durationMs number Set-up, call and teardown together.
---@field attempt integer Which attempt this was, from 1.
---@field willRerun? boolean Another attempt follows: this outcome is not the last.
---@field phase? string Where it failed: `setup`, `call` or `teardown`.
---@field message? string Why it failed, was skipped or was not run.
---@field location? pytest_lens.Location The failing line, in the test's own file where the failure passed through it.
---@field expected? string Of a failed comparison: what was expected (its right side).
---@field actual? string Of a failed comparison: what there was (its left side).
---@field frames? pytest_lens.Frame[] The traceback, outermost first.
---@field longrepr? string pytest's own text of the failure.
---@field stdout? string Captured standard output.
---@field stderr? string Captured standard error.
---@field log? string Captured log.
---@field subtests? pytest_lens.Subtest[] Subtests, in order.
---@field asOf? integer It is no news, but what the history remembers of a run at this time, Unix time in milliseconds.

---Tests have an outcome.
---@class pytest_lens.TestOutcomes
---@field runId string The run.
---@field outcomes pytest_lens.TestOutcome[] One for each test.

---Tests are about to run.
---@class pytest_lens.TestsStarted
---@field runId string The run.
---@field ids string[] Which tests.

---A warning of a run.
---@class pytest_lens.Warning
---@field category string Its class: `DeprecationWarning`.
---@field message string What it says.
---@field location? pytest_lens.Location The line that is warned of.
---@field count integer How often it came.
---@field ids? string[] Tests that it came in, the first few; none where it came while tests were collected.

---The inventory changed.
---@class pytest_lens.InventoryEvent : pytest_lens.InventoryDelta
---@field event "inventory"
---@field seq integer Its number: gapless, from 1.

---A run was accepted.
---@class pytest_lens.RunStartedEvent : pytest_lens.RunStart
---@field event "runStarted"
---@field seq integer Its number: gapless, from 1.

---Tests are about to run.
---@class pytest_lens.TestStartedEvent : pytest_lens.TestsStarted
---@field event "testStarted"
---@field seq integer Its number: gapless, from 1.

---Tests have an outcome.
---@class pytest_lens.TestOutcomeEvent : pytest_lens.TestOutcomes
---@field event "testOutcome"
---@field seq integer Its number: gapless, from 1.

---Something was printed.
---@class pytest_lens.OutputEvent : pytest_lens.Output
---@field event "output"
---@field seq integer Its number: gapless, from 1.

---A run is over.
---@class pytest_lens.RunFinishedEvent : pytest_lens.RunEnd
---@field event "runFinished"
---@field seq integer Its number: gapless, from 1.

---Flakiness changed.
---@class pytest_lens.FlakinessHintEvent : pytest_lens.FlakinessHints
---@field event "flakinessHint"
---@field seq integer Its number: gapless, from 1.

---One entry of the log.
---@alias pytest_lens.Event pytest_lens.InventoryEvent|pytest_lens.RunStartedEvent|pytest_lens.TestStartedEvent|pytest_lens.TestOutcomeEvent|pytest_lens.OutputEvent|pytest_lens.RunFinishedEvent|pytest_lens.FlakinessHintEvent
