/**
 * An engine that is shared with the command line, and the Python extension besides: runs from elsewhere, its choices.
 */
import * as assert from "node:assert/strict";
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";

import { debugging } from "../../src/launch";
import type { RunAnswer } from "../../src/requests";
import type { FolderSettings } from "../../src/settings";
import { confirmed, enter, folder, type Lab, type Recorded, until, verdict } from "./lab";

/** The controls of the stand-in for the Python extension. */
interface StandIn {
  choose(path: string): void;
}

/** The settings in force in a folder without a file of its own. */
interface Effective {
  arguments: string[];
  env: Record<string, string>;
  envFile: string | null;
}

function effective(sent: unknown): Effective {
  const { defaults, ...given } = sent as FolderSettings;
  return { ...defaults, ...given, env: { ...defaults.env, ...given.env } } as Effective;
}

const RECEIPT = "tests/test_prices.py::test_receipt";
const DISCOUNT = "tests/test_prices.py::test_discount";

export function shared(): void {
  let lab: Lab;
  const python = vscode.Uri.joinPath(vscode.Uri.parse(folder()), ".venv/bin/python").fsPath;
  before(async () => {
    lab = await enter();
    await confirmed(lab, RECEIPT);
  });

  /** Runs the binary under test in the folder, as a person does in a terminal. */
  const terminal = (...words: string[]): void => {
    const cwd = vscode.Uri.parse(folder()).fsPath;
    // A person's terminal, also where a CI service runs these tests: its runs are not shown.
    const env = { ...process.env };
    delete env["CI"];
    execFile(process.env["PYTEST_LENS_BIN"] ?? "pytest-lens", words, { cwd, env }, () => undefined);
  };

  /** The run that appears, with the end that it has. */
  const appears = (before: number): Promise<Recorded> =>
    until("a run appeared and ended", () =>
      lab.recorded.slice(before).find(({ told }) => told.some(({ what }) => what === "end")),
    );

  describe("runs from elsewhere", () => {
    it("appear when they are the daemon's", async () => {
      const before = lab.recorded.length;
      const socket = vscode.workspace.getConfiguration("pytestLens").get("daemonSocket", "");
      terminal("run", "--connect", socket, RECEIPT, DISCOUNT);
      const recorded = await appears(before);
      assert.deepEqual(recorded.request.include?.map(({ id }) => id).sort(), [DISCOUNT, RECEIPT]);
      assert.equal(verdict(recorded, RECEIPT)?.what, "passed");
      assert.equal(verdict(recorded, DISCOUNT)?.what, "failed");
      assert.equal(verdict(recorded, DISCOUNT)?.message?.expectedOutput, "399");
    });

    it("appear when another engine ran them, by what it recorded", async () => {
      const before = lab.recorded.length;
      terminal("run", RECEIPT, DISCOUNT);
      const recorded = await appears(before);
      assert.equal(verdict(recorded, RECEIPT)?.what, "passed");
      assert.equal(verdict(recorded, DISCOUNT)?.what, "failed");
    });
  });

  describe("debugging", () => {
    it("offers to install the debugger where there is none", async () => {
      const offers: string[] = [];
      const warn = vscode.window.showWarningMessage;
      vscode.window.showWarningMessage = (text: string, ...choices: unknown[]) => {
        offers.push(`${text} [${choices.join("] [")}]`);
        return Promise.resolve(undefined);
      };
      try {
        await vscode.commands.executeCommand("pytestLens.debug", { ids: [RECEIPT], workspace: folder() });
      } finally {
        vscode.window.showWarningMessage = warn;
      }
      assert.deepEqual(offers, ["To debug tests, the Python Debugger extension is needed. [Install]"]);
      assert.equal(lab.api.session.runs.isRunning, false);
    });

    it("v6: leaves no run behind where there is no debugger and nobody answers", async () => {
      const before = lab.recorded.length;
      const warn = vscode.window.showWarningMessage;
      vscode.window.showWarningMessage = () => new Promise(() => undefined);
      const { debug } = lab.api.profiles;
      const request = new vscode.TestRunRequest([await confirmed(lab, RECEIPT)], undefined, debug);
      await debug.runHandler(request, new vscode.CancellationTokenSource().token);
      vscode.window.showWarningMessage = warn;
      assert.ok(lab.recorded.slice(before).every(({ told }) => told.some(({ what }) => what === "end")));
    });
  });

  describe("the Python extension's settings", () => {
    it("v11: are followed when that is wanted, asked once, and never copied", async () => {
      const questions: string[] = [];
      const ask = vscode.window.showInformationMessage;
      vscode.window.showInformationMessage = (text: string, ...choices: unknown[]) => {
        questions.push(text);
        return Promise.resolve(choices[0]);
      };
      const root = vscode.Uri.parse(folder());
      const open = vscode.workspace.getWorkspaceFolder(root);
      const config = (): vscode.WorkspaceConfiguration => vscode.workspace.getConfiguration("python", root);
      const settings = (): Effective => effective(lab.api.session.settings(open));
      fs.writeFileSync(vscode.Uri.joinPath(root, ".env").fsPath, "CAFE=open\n");
      try {
        await config().update("testing.pytestArgs", ["tests", "--strict-markers"], vscode.ConfigurationTarget.Global);
        await until("they are followed", () => settings().arguments.length > 0);
        assert.deepEqual(questions.length, 1);
        assert.match(questions[0] ?? "", /python\.testing\.pytestArgs and python\.envFile \(\.env\)/);
        assert.deepEqual(settings().arguments, ["-o", "testpaths=tests", "--strict-markers"]);
        assert.equal(settings().envFile, vscode.Uri.joinPath(root, ".env").fsPath);
        const { total } = await lab.api.session.client.execute("pytestLens.run", { workspace: folder() });
        assert.equal(total, 17);
        await config().update("testing.pytestArgs", ["-v"], vscode.ConfigurationTarget.Global);
        await until("a change is followed", () => settings().arguments[0] === "-v");
        assert.equal(questions.length, 1);
      } finally {
        await config().update("testing.pytestArgs", undefined, vscode.ConfigurationTarget.Global);
        vscode.window.showInformationMessage = ask;
      }
    });

    it("v11: a launch configuration for tests says how to debug", async () => {
      const configurations = [
        { name: "app", type: "debugpy", request: "launch", program: "a.py", justMyCode: true },
        { name: "tests", type: "debugpy", request: "launch", purpose: ["debug-test"], justMyCode: false, django: true },
      ];
      const root = vscode.Uri.parse(folder());
      const place = vscode.Uri.joinPath(root, ".vscode/launch.json").fsPath;
      fs.mkdirSync(path.dirname(place), { recursive: true });
      fs.writeFileSync(place, JSON.stringify({ version: "0.2.0", configurations }));
      const told = (): Record<string, unknown> => debugging(vscode.workspace.getWorkspaceFolder(root));
      await until("it is read", () => Object.keys(told()).length > 0);
      assert.deepEqual(told(), { justMyCode: false, django: true });
    });

    it("v11: the variables of a launch configuration for tests are followed as well", async () => {
      const root = vscode.Uri.parse(folder());
      const open = vscode.workspace.getWorkspaceFolder(root);
      const place = vscode.Uri.joinPath(root, ".vscode/launch.json").fsPath;
      const env = { CAFE: "closed", HOME_OF: "${workspaceFolder}/tests", NUMBER: 3, NONE: null };
      const own = { name: "tests", type: "debugpy", request: "launch", purpose: "debug-test" };
      fs.writeFileSync(vscode.Uri.joinPath(root, "launch.env").fsPath, "TEA=green\n");
      const write = (more: object): void => {
        fs.writeFileSync(place, JSON.stringify({ version: "0.2.0", configurations: [{ ...own, ...more }] }));
      };
      const settings = (): Effective => effective(lab.api.session.settings(open));
      const config = vscode.workspace.getConfiguration("pytestLens");
      try {
        write({ env, envFile: "${workspaceFolder}/launch.env" });
        await until("they are followed", () => settings().env["CAFE"] === "closed");
        assert.deepEqual(settings().env, { CAFE: "closed", HOME_OF: `${root.fsPath}/tests`, NUMBER: "3" });
        assert.equal(settings().envFile, vscode.Uri.joinPath(root, "launch.env").fsPath);
        await config.update("env", { CAFE: "ours" }, vscode.ConfigurationTarget.Global);
        await until("our own say more", () => settings().env["CAFE"] === "ours");
        assert.equal(settings().env["NUMBER"], "3");
      } finally {
        await config.update("env", undefined, vscode.ConfigurationTarget.Global);
        write({});
        await until("they are gone", () => Object.keys(settings().env).length === 0);
      }
    });
  });

  describe("the Python extension", () => {
    const standIn = (): StandIn | undefined => vscode.extensions.getExtension<StandIn>("ms-python.python")?.exports;

    it("is followed in its choice of an interpreter", async () => {
      const { session } = lab.api;
      assert.equal(vscode.workspace.getConfiguration("pytestLens").get("pythonPath"), "");
      const running = (): Promise<RunAnswer> =>
        session.client.execute("pytestLens.run", { ids: [RECEIPT], workspace: folder() });
      await until("the status is known", () => session.status.get(folder())?.pythonPath === python);
      standIn()?.choose("/nowhere/python");
      const refused = await until("its choice is refused", () =>
        running().then(
          () => undefined,
          (error: unknown) => (error as Error).message,
        ),
      );
      assert.match(refused, /\/nowhere\/python/);
      await session.collect(false);
      assert.equal(session.state, "noPython");
      standIn()?.choose(python);
      await until("tests run again", () =>
        running().then(
          ({ total }) => total === 1,
          () => false,
        ),
      );
      await session.collect(false);
      assert.equal(session.state, "ready");
    });

    it("is asked to leave pytest to us, once, where both are on", async () => {
      const questions: string[] = [];
      const ask = vscode.window.showInformationMessage;
      vscode.window.showInformationMessage = (text: string, ...choices: unknown[]) => {
        questions.push(text);
        return Promise.resolve(choices[0]);
      };
      const config = (): vscode.WorkspaceConfiguration => vscode.workspace.getConfiguration("python.testing");
      const on = (): boolean => config().get("pytestEnabled", false);
      const { Global, Workspace } = vscode.ConfigurationTarget;
      try {
        await config().update("pytestEnabled", true, Global);
        await until("it was switched off", () => questions.length > 0 && !on());
        assert.match(questions[0] ?? "", /Python extension shows the same pytest tests/);
        await config().update("pytestEnabled", true, Workspace);
        await until("it is on again", on);
        assert.equal(questions.length, 1, "v9: the repository's settings are left alone");
        await config().update("pytestEnabled", undefined, Workspace);
      } finally {
        vscode.window.showInformationMessage = ask;
      }
    });
  });
}
