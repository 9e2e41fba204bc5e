/**
 * The server's commands, with their arguments and answers: the one typed interface for everything but the
 * notifications.
 */
import type { Position, TestItem } from "./protocol";

/** The options of a run. */
export interface RunOptions {
  workers?: number;
  maxfail?: number;
  rerun?: boolean;
  keyword?: string;
  marker?: string;
  runDisabled?: boolean;
  timeoutMs?: number;
  arguments?: string[];
  /** Measure coverage. */
  coverage?: boolean;
  /** Repeat tests that pass, at most this many times, until one fails. */
  untilFailure?: number;
}

/** The selected tests: some ids, those at a cursor, those of a file, or all. */
export interface Selection {
  ids?: string[];
  workspace?: string;
  textDocument?: { uri: string };
  position?: Position;
}

/** A run that the server accepted; over several folders `runs` has each. */
export interface RunAnswer {
  runId: string;
  total: number;
  runs?: { workspace: string; runId: string; total: number }[];
}

/** The address at which debugpy listens. */
export interface DebugAnswer {
  runId: string;
  host: string;
  port: number;
}

/** A page of the inventory. */
export interface TestsPage {
  items: TestItem[];
  next?: string;
}

/** The output of a test. */
export interface OutputAnswer {
  id: string;
  outcome?: string;
  message?: string;
  longrepr?: string;
  stdout?: string;
  stderr?: string;
  log?: string;
}

/** A test in the flakiness report. */
export interface FlakyTest {
  id: string;
  failureRate: number;
  flips: number;
  totalRuns: number;
  consecutiveFailures: number;
  consecutivePasses: number;
}

/** The flakiness report. */
export interface FlakinessReport {
  flaky: FlakyTest[];
  unstable: FlakyTest[];
  stableCount: number;
  totalTracked: number;
}

/** How a folder's tests run. */
export interface FolderStatus {
  workspace: string;
  mode: string;
  modeReason: string;
  pythonPath: string;
  pythonVersion: string;
  pytestVersion: string;
  hazards: string[];
}

/** Lines and branches of one file, as a coverage run measured them; lines from 1, as coverage.py counts. */
export interface FileLines {
  uri: string;
  executed: number[];
  missing: number[];
  /** Pairs of lines, from and to; a negative line leaves the function. */
  executedBranches?: [number, number][];
  missingBranches?: [number, number][];
  /** For each executed line the tests that ran it, if contexts were recorded. */
  contexts?: Partial<Record<string, string[]>>;
}

/** Argument and answer of each command. */
export interface Commands {
  "pytestLens.run": [Selection & RunOptions, RunAnswer];
  "pytestLens.runFailed": [{ workspace?: string }, RunAnswer];
  "pytestLens.runLast": [{ workspace?: string }, RunAnswer];
  "pytestLens.debug": [Selection & RunOptions, DebugAnswer];
  "pytestLens.stop": [{ runId?: string }, { stopped: string[] }];
  "pytestLens.kill": [{ runId?: string }, { stopped: string[] }];
  "pytestLens.collect": [{ force?: boolean; workspace?: string }, { nodeCount: number }];
  "pytestLens.tests": [{ workspace?: string; parent?: string; cursor?: string; outline?: boolean }, TestsPage];
  "pytestLens.resolve": [{ ids: string[]; workspace?: string }, { files: string[] }];
  "pytestLens.output": [{ id: string; workspace?: string }, OutputAnswer];
  "pytestLens.flakiness": [{ workspace?: string }, FlakinessReport];
  "pytestLens.status": [{ workspace?: string }, { folders: FolderStatus[] }];
  "pytestLens.affected": [{ uris: string[]; workspace?: string }, { folders: { workspace: string; ids: string[] }[] }];
  "pytestLens.coverage": [{ runId: string; workspace?: string }, { files: FileLines[] }];
}

/** Sends a command to the server; an error's message is a sentence for the user. */
export interface Server {
  execute<C extends keyof Commands>(command: C, argument: Commands[C][0]): Promise<Commands[C][1]>;
}
