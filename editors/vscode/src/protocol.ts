/**
 * What the language server tells and takes, as types.
 *
 * Made by `cargo xtask codegen` from the Rust definitions in server/protocol: change those.
 */

/** What every notification carries besides its own. */
export interface Notice {
  /** The folder's URI. */
  workspace: string;
  /** Its number: gapless for each folder, from 1. */
  seq: number;
}

/** What a judgement on flakiness rests on. */
export type Evidence = "same_code" | "across_changes";

/** `pytestLens.executor`. */
export type Executor = "local" | "ray";

/** What an item of the tree is. */
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

/** How a run ended. */
export type RunEndStatus = "passed" | "failed" | "stopped" | "killed" | "timed_out" | "internal_error";

/** `pytestLens.runOnSave`. */
export type RunOnSave = "off" | "file" | "affected";

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
  /** The line at fault. */
  range: Range;
  /** What Python or pytest said. */
  message: string;
  /** pytest's own text of it, with the lines of the sources. */
  longrepr?: string;
}

/** `pytestLens.fixtureReuse`. */
export interface FixtureReuseSettings {
  /** Whether fixtures live on between runs. */
  enabled: boolean;
  /** How old one may become, in seconds: finite, not negative. */
  maxAgeSeconds: number;
  /** Whether a changed conftest.py tears them down at once. Else that waits for the run that needs its new code. */
  teardownOnConftestChange: boolean;
  /** Whether a changed test file tears them down. Else only what it defines itself goes. */
  teardownOnTestFileChange: boolean;
  /** Scopes that live on: `session`, `package`, `module`, `class`. What is wider than one of them lives on with it. */
  scopes: string[];
}

/** Flakiness changed. */
export interface FlakinessHints {
  /** One for each test. */
  hints: Hint[];
}

/** `pytestLens.flaky`. */
export interface FlakySettings {
  /** Runs of a test that count. */
  window: number;
}

/** One frame of a traceback. */
export interface Frame {
  /** The function. */
  name: string;
  /** The line. */
  location: Location;
  /** The line's text, if known. */
  text?: string;
}

/** What the history says of one test. */
export interface Hint {
  /** Node id. */
  id: string;
  /** Whether it passed and failed on the same code. */
  isFlaky: boolean;
  /** Share of failures, 0.0 to 1.0. */
  failureRate: number;
  /** Changes between pass and fail. */
  flips: number;
  /** Runs in the window. */
  totalRuns: number;
  /** Failures since the last pass. */
  consecutiveFailures: number;
  /** Passes since the last failure. */
  consecutivePasses: number;
  /** The last outcomes, oldest first. */
  recentOutcomes: Outcome[];
  /** What it rests on; left out where it neither is flaky nor suspected. */
  evidence?: Evidence;
}

/** `pytestLens.inlayHints`. */
export interface InlayHintSettings {
  /** Whether durations are shown behind tests. */
  enable: boolean;
}

/** What changed in the inventory. */
export interface InventoryDelta {
  /** Number of this state of the inventory. */
  revision: number;
  /** Items that are new or changed, parents before children, siblings in source order. */
  upserts: TestItem[];
  /** Items that are gone; their children go with them. */
  removed: string[];
  /** Where new items do not come last among their siblings, and where siblings changed places. Told of what lies in files; those and folders are put in order by their names. */
  order?: Siblings[];
  /** Every collection error that holds now. */
  errors: CollectError[];
  /** The upserts are the whole inventory: what a reader knew besides is gone. So begins what is told to a reader whose place in the log is not kept. */
  whole?: boolean;
  /** Files whose tests are all told here: what a reader knew in them besides is gone. Told by the language server to clients that ask for tests file by file, never by the engine. */
  wholeFiles?: string[];
}

/** A span of a file, as in LSP. */
export interface Location {
  /** `file:` URI. */
  uri: string;
  /** The span. */
  range: Range;
}

/** Something was printed outside of what pytest captured for a test. */
export interface Output {
  /** The run. */
  runId: string;
  /** The test, where that is known. */
  id?: string;
  /** Which stream. */
  stream: OutputStream;
  /** The text. */
  text: string;
}

/** A place in a text: 0-based line, 0-based offset in it, as in LSP. */
export interface Position {
  /** 0-based line. */
  line: number;
  /** 0-based offset in the line; engine events give 0 or UTF-16 units. */
  character: number;
}

/** A span of a text, its end exclusive, as in LSP. */
export interface Range {
  /** Where it begins. */
  start: Position;
  /** Where it ends. */
  end: Position;
}

/** `pytestLens.ray`. */
export interface RayConfig {
  /** The cluster's address. */
  address: string | null;
}

/** `pytestLens.rerun`. */
export interface RerunSettings {
  /** Whether failures are repeated. */
  enabled: boolean;
  /** How often at most. */
  maxReruns: number;
  /** Only tests known to be flaky. */
  onlyFlaky: boolean;
  /** Pause before each, in milliseconds. */
  delayMs: number;
}

/** Final outcomes, counted. `passed`, `failed`, `skipped` and `errors` add up to `total`. */
export interface RunCounts {
  /** Tests with an outcome. */
  total: number;
  /** Passed, or passed unexpectedly where that is no failure. */
  passed: number;
  /** Failed or timed out. */
  failed: number;
  /** Skipped, or failed as expected. */
  skipped: number;
  /** Errors in set-up or teardown, and crashes. */
  errors: number;
  /** Selected, but not run; in none of the above. */
  notRun: number;
}

/** A run is over. */
export interface RunEnd {
  /** The run. */
  runId: string;
  /** How it ended. */
  status: RunEndStatus;
  /** Final outcomes, counted. */
  counts: RunCounts;
  /** Wall time from its acceptance. */
  durationMs: number;
  /** Why, where the status alone does not say it. */
  message?: string;
  /** The iterator of its debug data (`next_debug_data`), where coverage was measured. */
  debugData?: string;
  /** What Python warned of while tests were collected and run, as pytest's summary has it. */
  warnings?: Warning[];
}

/** A run was accepted. */
export interface RunStart {
  /** The run. */
  runId: string;
  /** Tests selected. */
  total: number;
  /** The selected tests; left out where that is the whole inventory. */
  ids?: string[];
  /** Tests of what was asked for that expressions or pytest's configuration took out. */
  deselected?: number;
}

/** Every setting, with its default. Dotted keys of editors are nested objects here. */
export interface Settings {
  /** The interpreter; `None` searches for one. */
  pythonPath: string | null;
  /** `embedded`, `subprocess` or `auto`. */
  executionMode: string;
  /** Runners at a time, or `auto`; `None` is 1, but `auto` where the project itself asks pytest-xdist for several. */
  workers: WorkerCount | null;
  /** Further arguments for pytest. */
  arguments: string[];
  /** Environment variables for the tests; they win over `env_file`. */
  env: Record<string, string>;
  /** A file of `NAME=value` lines, relative to the root. */
  envFile: string | null;
  /** Code lenses. */
  codeLens: CodeLensSettings;
  /** Inlay hints. */
  inlayHints: InlayHintSettings;
  /** What saving a file runs. */
  runOnSave: RunOnSave;
  /** Limit for each test, in milliseconds. */
  timeoutMs: number | null;
  /** Limit for a collection, in milliseconds. */
  collectTimeoutMs: number;
  /** How long a run that is to be debugged waits for its debugger, in milliseconds. */
  debugTimeoutMs: number;
  /** Repeating failures. */
  rerun: RerunSettings;
  /** Keeping fixtures between runs. */
  fixtureReuse: FixtureReuseSettings;
  /** Flakiness. */
  flaky: FlakySettings;
  /** Where runners live. */
  executor: Executor;
  /** Ray. */
  ray: RayConfig;
}

/** The children of an item, in order. */
export interface Siblings {
  /** The item that they lie in. */
  parent: string;
  /** Their ids. A child that is not among them comes behind them. */
  ids: string[];
}

/** One subtest of a test. */
export interface Subtest {
  /** Its message and parameters. */
  label: string;
  /** `passed`, `failed` or `skipped`. */
  outcome: Outcome;
  /** Why it failed. */
  message?: string;
}

/** An item of the test tree. */
export interface TestItem {
  /** Node id; of a folder its path. */
  id: string;
  /** The item it lies in; none at the top. */
  parent?: string;
  /** What it is. */
  kind: ItemKind;
  /** What to show. */
  label: string;
  /** File or folder. */
  uri: string;
  /** Where in the file, if known. */
  range?: Range;
  /** Marker names. */
  markers: string[];
  /** Marked to be skipped. */
  skip: boolean;
  /** Marked as expected to fail. */
  xfail: boolean;
  /** Of a parametrized function: its cases. */
  caseCount?: number;
  /** Read from the source, not yet confirmed by pytest. */
  provisional?: boolean;
}

/** One test's outcome, with all that is known of it. */
export interface TestOutcome {
  /** Node id. */
  id: string;
  /** How it ended. */
  outcome: Outcome;
  /** Set-up, call and teardown together. */
  durationMs: number;
  /** Which attempt this was, from 1. */
  attempt: number;
  /** Another attempt follows: this outcome is not the last. */
  willRerun?: boolean;
  /** Where it failed: `setup`, `call` or `teardown`. */
  phase?: string;
  /** Why it failed, was skipped or was not run. */
  message?: string;
  /** The failing line, in the test's own file where the failure passed through it. */
  location?: Location;
  /** Of a failed comparison: what was expected (its right side). */
  expected?: string;
  /** Of a failed comparison: what there was (its left side). */
  actual?: string;
  /** The traceback, outermost first. */
  frames?: Frame[];
  /** pytest's own text of the failure. */
  longrepr?: string;
  /** Captured standard output. */
  stdout?: string;
  /** Captured standard error. */
  stderr?: string;
  /** Captured log. */
  log?: string;
  /** Subtests, in order. */
  subtests?: Subtest[];
  /** It is no news, but what the history remembers of a run at this time, Unix time in milliseconds. */
  asOf?: number;
}

/** Tests have an outcome. */
export interface TestOutcomes {
  /** The run. */
  runId: string;
  /** One for each test. */
  outcomes: TestOutcome[];
}

/** Tests are about to run. */
export interface TestsStarted {
  /** The run. */
  runId: string;
  /** Which tests. */
  ids: string[];
}

/** A warning of a run. */
export interface Warning {
  /** Its class: `DeprecationWarning`. */
  category: string;
  /** What it says. */
  message: string;
  /** The line that is warned of. */
  location?: Location;
  /** How often it came. */
  count: number;
  /** Tests that it came in, the first few; none where it came while tests were collected. */
  ids?: string[];
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
}
