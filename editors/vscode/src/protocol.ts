/**
 * The types of the language server's notifications and settings.
 *
 * Made by `cargo xtask codegen` from the Rust definitions in server/protocol: change those.
 */

/** The fields of every notification. */
export interface Notice {
  /** The folder's URI. */
  workspace: string;
  /** Its number: gapless for each folder, from 1. */
  seq: number;
}

/** The evidence of flakiness. */
export type Evidence = "same_code" | "across_changes";

/** `pytestLens.executor`. */
export type Executor = "local" | "ray";

/** `pytestLens.impact.record`. */
export type ImpactRecord = "run" | "idle" | "off";

/** The kind of an item of the tree. */
export type ItemKind = "dir" | "file" | "class" | "function" | "case" | "doctest";

/** How a test ended. */
export type Outcome =
  | "passed"
  | "failed"
  | "skipped"
  | "error"
  | "xfailed"
  | "xpassed"
  | "timed_out"
  | "crashed"
  | "not_run";

/** A stream of a process. */
export type OutputStream = "stdout" | "stderr" | "log";

/** A phase of pytest's run of one test. */
export type Phase = "setup" | "call" | "teardown";

/** How a run ended. */
export type RunEndStatus = "passed" | "failed" | "stopped" | "killed" | "timed_out" | "internal_error";

/** `pytestLens.runOnSave`. */
export type RunOnSave = "off" | "file" | "affected";

/** The kind of a thing that takes time in a process. */
export type TimeKind =
  | "import"
  | "file"
  | "collection"
  | "setup"
  | "teardown"
  | "body"
  | "pytest"
  | "runner"
  | "wait"
  | "lost";

/** How many runners a run has. */
export type WorkerCount = "auto" | number;

/** `pytestLens.codeLens`. */
export interface CodeLensSettings {
  /** Whether lenses are shown. */
  enable: boolean;
}

/** A file that could not be collected. */
export interface CollectError {
  /** The file. */
  uri: string;
  /** The line that caused it. */
  range: Range;
  /** The message of Python or pytest. */
  message: string;
  /** pytest's report with source lines. */
  longrepr?: string;
}

/** One of pytest's failed reports of a test. */
export interface FailedReport {
  /** pytest's heading. */
  title: string;
  /** The phase that failed. */
  phase: Phase;
  /** The index of the subtest that it is about, if it is about one. */
  subtest?: number;
  /** The reason. */
  message?: string;
  /** pytest's text. */
  longrepr: string;
}

/** A file that skips itself as a whole. */
export interface FileSkip {
  /** Path, relative to the root. */
  path: string;
  /** The line that skips it, from 1; 0 if it is not known. */
  line: number;
  /** The reason. */
  reason: string;
}

/** How often tests of a file issued a warning. */
export interface FileWarnings {
  /** Path, relative to the root. */
  path: string;
  /** Number of occurrences. */
  count: number;
}

/** `pytestLens.fixtureReuse`. */
export interface FixtureReuseSettings {
  /** Whether fixtures stay set up between runs. */
  enabled: boolean;
  /** The longest time that they stay, in seconds: finite, not negative. */
  maxAgeSeconds: number;
  /** Whether a changed `conftest.py` tears them down at once; otherwise the next run that needs its code does. */
  teardownOnConftestChange: boolean;
  /** Whether a changed test file tears them down; otherwise only fixtures that it defines are torn down. */
  teardownOnTestFileChange: boolean;
  /** Scopes whose fixtures stay: `session`, `package`, `module`, `class`. Wider scopes than a listed one stay with it. */
  scopes: string[];
}

/** Flakiness changed. */
export interface FlakinessHints {
  /** One hint per test. */
  hints: Hint[];
}

/** `pytestLens.flaky`. */
export interface FlakySettings {
  /** The number of a test's last runs that count. */
  window: number;
}

/** One frame of a traceback. */
export interface Frame {
  /** Name of the function. */
  name: string;
  /** The line that was executed. */
  location: Location;
  /** Text of the line, if known. */
  text?: string;
}

/** The flakiness of one test, from the history. */
export interface Hint {
  /** Node id. */
  id: string;
  /** Whether the test passed and failed on the same code. */
  isFlaky: boolean;
  /** Share of failures, 0.0 to 1.0. */
  failureRate: number;
  /** Number of changes between pass and failure. */
  flips: number;
  /** Number of runs in the window. */
  totalRuns: number;
  /** Number of failures since the last pass. */
  consecutiveFailures: number;
  /** Number of passes since the last failure. */
  consecutivePasses: number;
  /** The last outcomes, oldest first. */
  recentOutcomes: Outcome[];
  /** The evidence; left out if the test is neither flaky nor suspected. */
  evidence?: Evidence;
}

/** `pytestLens.impact`. */
export interface ImpactSettings {
  /** When to record what each test depends on. */
  record: ImpactRecord;
}

/** `pytestLens.inlayHints`. */
export interface InlayHintSettings {
  /** Whether durations are shown after tests. */
  enable: boolean;
}

/** A change of the inventory. */
export interface InventoryDelta {
  /** Revision of the inventory after this change. */
  revision: number;
  /** New and changed items, parents before children, siblings in source order. */
  upserts: TestItem[];
  /** Removed items; their children are removed too. */
  removed: string[];
  /** The order of siblings within files, if new items are not last or siblings moved. Folders and files are sorted by name and have no entry. */
  order?: Siblings[];
  /** All current collection errors. */
  errors: CollectError[];
  /** The upserts are the whole inventory: all other items are removed. Sent first to a reader whose position in the log is no longer kept. */
  whole?: boolean;
  /** Files whose upserts are all their tests: other tests in them are removed. Only the language server sends this, to clients that request tests file by file. */
  wholeFiles?: string[];
}

/** A range of a file, as in LSP. */
export interface Location {
  /** `file:` URI. */
  uri: string;
  /** The range. */
  range: Range;
}

/** A process printed outside of pytest's capture. */
export interface Output {
  /** The run. */
  runId: string;
  /** Node id of the test, if known. */
  id?: string;
  /** The stream that it printed to. */
  stream: OutputStream;
  /** The printed text. */
  text: string;
}

/** A part of a test's captured output, with the heading that pytest gives it. */
export interface OutputSection {
  /** The heading, such as `Captured stdout setup`. Its second word names the stream, unless there is a `text`. */
  name: string;
  /** Number of Unicode scalar values. The sections of a stream follow one another in its text. */
  length: number;
  /** The index of the subtest that printed it, if it belongs to one. */
  subtest?: number;
  /** Its text, if it is no captured output: a hook added it to a report of a test that passed. */
  text?: string;
}

/** The durations of a test's phases, in milliseconds; a phase that did not run has none. */
export interface PhaseDurations {
  /** Setting up its fixtures. */
  setup?: number;
  /** The test function itself. */
  call?: number;
  /** Tearing down its fixtures. */
  teardown?: number;
}

/** The sections of plugins and conftests in the summary of a session. */
export interface PluginSummary {
  /** The folder of the project, relative to the root; left out for the root's own. */
  project?: string;
  /** The text, in 80 columns. */
  text: string;
}

/** A position in a text, as in LSP. */
export interface Position {
  /** 0-based line. */
  line: number;
  /** 0-based offset in the line; engine events give 0 or UTF-16 units. */
  character: number;
}

/** A range of a text, its end exclusive, as in LSP. */
export interface Range {
  /** The first position of the range. */
  start: Position;
  /** The position after the range. */
  end: Position;
}

/** `pytestLens.ray`. */
export interface RayConfig {
  /** Address of the cluster's head, `HOST:PORT`; without one, a cluster is started on this machine. */
  address: string | null;
  /** Packages that Ray installs on the nodes, as `uv` names them; without any, the nodes must have them. */
  packages: string[];
}

/** How pytest shows one report of a test: the result of its hook `pytest_report_teststatus`. */
export interface ReportStatus {
  /** The phase that the report is about. */
  phase: Phase;
  /** The index of the subtest that it is about, if it is about one. */
  subtest?: number;
  /** The word by which pytest counts and lists the report; it counts none without a word. */
  category: string;
  /** The text for the line of dots. */
  letter: string;
  /** The word for `-v` and the short summary. */
  word: string;
  /** pytest's names of the colors and looks of the letter and the word. */
  markup: string[];
  /** The reason that follows the word. */
  reason?: string;
}

/** `pytestLens.rerun`. */
export interface RerunSettings {
  /** Whether failures are repeated. */
  enabled: boolean;
  /** The most repeats of a test. */
  maxReruns: number;
  /** Repeat only tests known to be flaky. */
  onlyFlaky: boolean;
  /** Pause before each repeat, in milliseconds. */
  delayMs: number;
}

/** Tests by final outcome. `passed`, `failed`, `skipped` and `errors` add up to `total`. */
export interface RunCounts {
  /** Tests with an outcome. */
  total: number;
  /** Passed, or passed unexpectedly without a strict xfail. */
  passed: number;
  /** Failed or timed out. */
  failed: number;
  /** Skipped, or failed as expected. */
  skipped: number;
  /** Errors in set-up or teardown, and crashes. */
  errors: number;
  /** Selected but not run; not included in the other counts. */
  notRun: number;
}

/** A run ended. */
export interface RunEnd {
  /** The run. */
  runId: string;
  /** How it ended. */
  status: RunEndStatus;
  /** Numbers of tests by final outcome. */
  counts: RunCounts;
  /** Wall time since the run was accepted, in milliseconds. */
  durationMs: number;
  /** The reason, if the status alone does not explain it. */
  message?: string;
  /** The iterator of the debug data (`next_debug_data`), if the run measured coverage. */
  debugData?: string;
  /** Warnings of the collection and of the run, as in pytest's summary. */
  warnings?: Warning[];
  /** Where the time went, if the request asked for it. */
  timings?: RunTimings;
  /** The sections of plugins and conftests in pytest's summary, such as a table of coverage; in runs of commands. */
  summaries?: PluginSummary[];
  /** The exit status that a test or hook asked for (`pytest.exit(returncode=...)`, `session.exitstatus = ...`), or that pytest has if files that can't be collected reach the limit of failures. */
  exitStatus?: number;
}

/** The engine accepted a run. It comes again as more is known of nested projects. */
export interface RunStart {
  /** The run. */
  runId: string;
  /** Number of selected tests, as far as they are known. */
  total: number;
  /** The selected tests, when it comes again only the new ones; left out for the whole inventory. */
  ids?: string[];
  /** Number of requested tests that expressions or pytest's configuration deselected. */
  deselected?: number;
  /** pytest's reports of files that skip themselves as a whole, as JSON; only in a run with `full_reports`. */
  collectReports?: string[];
  /** Files that skip themselves as a whole, such as by `pytest.importorskip`. */
  skippedFiles?: FileSkip[];
  /** Selected files that the run's own collection could not collect, when it comes again only the new ones. Those of the inventory may be newer. */
  errors?: CollectError[];
  /** The lines with which pytest begins its output, such as `rootdir: ...` and those of plugins and conftests; empty for a run over several projects, and for one of an editor. */
  header?: string[];
  /** The lines of plugins and conftests on the collected tests, for the place after their number; empty as those of the heading, and if the run leaves some of those tests out. */
  onCollected?: string[];
  /** Number of tests that hooks took out of the collection without deselecting them: pytest counts them as collected. */
  dropped?: number;
  /** pytest's options for its output that code of the project has set, as words of the command line, such as `--verbosity=1`; empty for an editor's run, and for one over several projects. */
  outputOptions?: string[];
}

/** Where the time of a run went, in milliseconds. */
export interface RunTimings {
  /** Time in which the request waited for an interpreter to start. */
  startMs: number;
  /** Time in which tests were collected for the run. */
  collectMs: number;
  /** Duration of the collection, if tests had been collected before the request. */
  collectedBeforeMs?: number;
  /** Time from the run's start, after the collection, to its end. */
  runMs: number;
  /** Number of runners at a time. */
  runners: number;
  /** That time of all runners together: `runMs` times `runners`, for each project. */
  runnersMs: number;
  /** Number of projects, whose times are added up; they may run at the same time. */
  projects: number;
  /** The time of the collection, if it was measured. The sum of `ownMs` is the time of the process that collected. */
  collection: TimeSpent[];
  /** The time of the runners. Their idle time is what the sum of `ownMs` lacks of `runnersMs`. */
  run: TimeSpent[];
}

/** Every setting, with its default. Dotted keys of editors are nested objects here. */
export interface Settings {
  /** The interpreter; if it is not set, the engine searches for one. */
  pythonPath: string | null;
  /** `embedded`, `subprocess` or `auto`. */
  executionMode: string;
  /** Number of runners, or `auto`; if it is not set, 1, or `auto` if the project itself asks pytest-xdist for several. */
  workers: WorkerCount | null;
  /** Further arguments for pytest. */
  arguments: string[];
  /** Environment variables for the tests; they take precedence over `envFile`. */
  env: Record<string, string>;
  /** A file of `NAME=value` lines, relative to the root. */
  envFile: string | null;
  /** Folders with projects of their own, as globs relative to the root; if it is not set, those with a configuration of pytest's, and with an empty list none. */
  projects: string[] | null;
  /** Settings of code lenses. */
  codeLens: CodeLensSettings;
  /** Settings of inlay hints. */
  inlayHints: InlayHintSettings;
  /** The tests that saving a file runs. */
  runOnSave: RunOnSave;
  /** Limit for each test, in milliseconds. */
  timeoutMs: number | null;
  /** Limit for a collection, in milliseconds. */
  collectTimeoutMs: number;
  /** The time that a run waits for its debugger, in milliseconds. */
  debugTimeoutMs: number;
  /** Settings for repeating failures. */
  rerun: RerunSettings;
  /** Settings for keeping fixtures between runs. */
  fixtureReuse: FixtureReuseSettings;
  /** Settings of flakiness. */
  flaky: FlakySettings;
  /** The place where tests run. */
  executor: Executor;
  /** Settings of Ray. */
  ray: RayConfig;
  /** Settings of the selection of affected tests. */
  impact: ImpactSettings;
}

/** The children of an item, in order. */
export interface Siblings {
  /** The item that contains them. */
  parent: string;
  /** Ids of the children. Children that are not listed come after them. */
  ids: string[];
}

/** Outcomes became stale, older than a change that can reach their tests, or fresh again. */
export interface StaleOutcomes {
  /** Tests whose last outcome is stale from now on. */
  stale: string[];
  /** Tests whose last outcome is no longer stale, because the change was taken back. A new outcome needs no such event. */
  fresh: string[];
}

/** One subtest of a test. */
export interface Subtest {
  /** Message and parameters of the subtest. */
  label: string;
  /** `passed`, `failed` or `skipped`. */
  outcome: Outcome;
  /** The reason why it failed. */
  message?: string;
}

/** An item of the test tree. */
export interface TestItem {
  /** Node id; the path for a folder. */
  id: string;
  /** The item that contains it; left out at the top. */
  parent?: string;
  /** The kind of the item. */
  kind: ItemKind;
  /** The name to display. */
  label: string;
  /** URI of the file or folder. */
  uri: string;
  /** The range in the file, if known. */
  range?: Range;
  /** Marker names. */
  markers: string[];
  /** Marked to be skipped. */
  skip: boolean;
  /** Marked as expected to fail. */
  xfail: boolean;
  /** Number of cases of a parametrized function. */
  caseCount?: number;
  /** Read from the source and not yet confirmed by pytest. */
  provisional?: boolean;
}

/** The outcome of one test, with its details. */
export interface TestOutcome {
  /** Node id. */
  id: string;
  /** How it ended. */
  outcome: Outcome;
  /** Duration of set-up, call and teardown, in milliseconds. */
  durationMs: number;
  /** Number of the attempt, from 1. */
  attempt: number;
  /** Another attempt follows: this outcome is not final. */
  willRerun?: boolean;
  /** The phase that failed. */
  phase?: Phase;
  /** The reason why it failed, was skipped or was not run. */
  message?: string;
  /** The failing line, in the test's own file where the failure passed through it. */
  location?: Location;
  /** The expected value of a failed comparison (its right side). */
  expected?: string;
  /** The actual value of a failed comparison (its left side). */
  actual?: string;
  /** The traceback, outermost first. */
  frames?: Frame[];
  /** pytest's text of the failure. */
  longrepr?: string;
  /** Captured standard output. */
  stdout?: string;
  /** Captured standard error. */
  stderr?: string;
  /** Captured log. */
  log?: string;
  /** Subtests, in order. */
  subtests?: Subtest[];
  /** Set if the outcome comes from the history: the time of that run, Unix time in milliseconds. */
  asOf?: number;
  /** Set if the teardown failed, which makes any outcome an error: the outcome before it. */
  beforeTeardown?: Outcome;
  /** pytest's own reports of the test, as JSON, in order; only in a run with `full_reports`. */
  reports?: string[];
  /** The headings of the captured output, in pytest's order. */
  sections?: OutputSection[];
  /** pytest's failed reports of the test, in order, if `id` and `longrepr` are not all that pytest shows: those of its subtests, of its call and its teardown, or one with a heading of its own. */
  failedReports?: FailedReport[];
  /** The durations of the phases that ran; only in a run with `phase_durations`. */
  phaseDurations?: PhaseDurations;
  /** Set if the outcome comes from the history, and something that the test depends on has changed since. */
  stale?: boolean;
  /** The node of a cluster on which it ran. */
  node?: string;
  /** How pytest shows its reports, in order, if a hook of the project or of a plugin gives one another category, letter or word than pytest does. Usual ones of subtests are left out. Of a test that ended the session (`pytest.exit`, `KeyboardInterrupt`), those of its reports before that. */
  statuses?: ReportStatus[];
}

/** Tests have an outcome. */
export interface TestOutcomes {
  /** The run. */
  runId: string;
  /** One outcome per test. */
  outcomes: TestOutcome[];
}

/** Tests start. */
export interface TestsStarted {
  /** The run. */
  runId: string;
  /** Their node ids. */
  ids: string[];
}

/** The time that one thing took. Each moment of a process counts as the `ownMs` of one thing. */
export interface TimeSpent {
  /** Its kind. */
  kind: TimeKind;
  /** Its name, by its kind; empty for the rest after the slowest hundred of a kind. */
  name?: string;
  /** Number of times. */
  count: number;
  /** Time without the other things that went on meanwhile, in milliseconds. */
  ownMs: number;
  /** Time with them, in milliseconds. */
  totalMs: number;
}

/** A warning of a run. */
export interface Warning {
  /** The class of the warning, such as `DeprecationWarning`. */
  category: string;
  /** The text of the warning. */
  message: string;
  /** The line that the warning refers to. */
  location?: Location;
  /** Number of occurrences. */
  count: number;
  /** The tests that issued it, one for each of the first nine occurrences; empty if the collection issued it. */
  ids?: string[];
  /** Number of occurrences in the tests of each file, if there are ten or more in all. */
  files?: FileWarnings[];
}

/** The parameters of each notification, by its method. */
export interface Notifications {
  "pytestLens/inventory": InventoryDelta & Notice;
  "pytestLens/runStarted": RunStart & Notice;
  "pytestLens/testStarted": TestsStarted & Notice;
  "pytestLens/testOutcome": TestOutcomes & Notice;
  "pytestLens/output": Output & Notice;
  "pytestLens/runFinished": RunEnd & Notice;
  "pytestLens/flakinessHint": FlakinessHints & Notice;
  "pytestLens/staleOutcomes": StaleOutcomes & Notice;
}
