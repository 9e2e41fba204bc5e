/** A real VS Code for tests: its server half, and a browser that shows the window. Both end with `close`. */
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";

import { type Browser, chromium, type Page } from "playwright-core";

/** The paths of everything, from the chore that starts the tests. */
export const places = {
  /** VS Code's server. */
  vscode: need("LENS_VSCODE"),
  /** The node that it needs. */
  node: need("LENS_NODE"),
  chromium: need("LENS_CHROMIUM"),
  /** The pytest-lens binary under test. */
  binary: need("PYTEST_LENS_BIN"),
  /** An interpreter with pytest. */
  python: need("PYTEST_LENS_TEST_PYTHON"),
  extension: path.resolve(__dirname, "../.."),
};

/** The deadline for anything. */
export const DEADLINE_MS = 90_000;

function need(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set: start these tests by \`cargo xtask test vscode\``);
  }
  return value;
}

/** A folder that is removed in the end. */
export function scratch(name: string): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), `lens-vscode-${name}-`));
}

/** Removes a folder that ending processes may still write to. */
export async function remove(folder: string): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      fs.rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (Date.now() > end) {
        throw error;
      }
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

/** The properties of a window. */
export interface Options {
  /** Settings of the machine. */
  settings?: Record<string, unknown>;
  /** Extensions to install: VSIX files. */
  vsix?: string[];
  /** The environment of the extension host. */
  env?: Record<string, string>;
}

/** A running VS Code. */
export class VSCode {
  private constructor(
    private readonly server: ChildProcess,
    private readonly browser: Browser,
    private readonly home: string,
    readonly origin: string,
    readonly page: Page,
  ) {}

  static async start(options: Options): Promise<VSCode> {
    const home = scratch("home");
    const settings: Record<string, unknown> = {
      "pytestLens.serverPath": places.binary,
      "pytestLens.pythonPath": places.python,
      "security.workspace.trust.enabled": false,
      ...options.settings,
    };
    for (const folder of ["user/User", "user/Machine"]) {
      fs.mkdirSync(path.join(home, folder), { recursive: true });
      fs.writeFileSync(path.join(home, folder, "settings.json"), JSON.stringify(settings));
    }
    const folders = ["--user-data-dir", `${home}/user`, "--server-data-dir", `${home}/server`];
    const common = [...folders, "--extensions-dir", `${home}/extensions`, "--accept-server-license-terms"];
    const main = path.join(places.vscode, "out/server-main.js");
    const env = {
      ...process.env,
      XDG_STATE_HOME: `${home}/state`,
      XDG_CACHE_HOME: `${home}/cache`,
      ...options.env,
      PATH: `${path.dirname(places.node)}:${process.env["PATH"] ?? ""}`,
    };
    for (const vsix of options.vsix ?? []) {
      await finished(spawn(places.node, [main, ...common, "--install-extension", vsix, "--force"], { env }));
    }
    const port = await freePort();
    const listen = ["--host", "127.0.0.1", "--port", String(port), "--without-connection-token"];
    const rest = ["--enable-smoke-test-driver", "--telemetry-level", "off"];
    const server = spawn(places.node, [main, ...listen, ...rest, ...common], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    await listening(server);
    const browser = await chromium.launch({
      executablePath: places.chromium,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    const page = await browser.newPage({
      viewport: { width: 1360, height: 850 },
      deviceScaleFactor: 1.5,
      permissions: ["clipboard-read", "clipboard-write"],
    });
    page.setDefaultTimeout(DEADLINE_MS);
    return new VSCode(server, browser, home, `127.0.0.1:${port}`, page);
  }

  /** The address of a window on a folder or a workspace file. */
  url(target: string, payload: [string, string][] = []): string {
    const kind = target.endsWith(".code-workspace") ? "workspace" : "folder";
    const tail = payload.length > 0 ? `&payload=${encodeURIComponent(JSON.stringify(payload))}` : "";
    return `http://${this.origin}/?${kind}=${target}${tail}`;
  }

  async close(): Promise<void> {
    await this.browser.close();
    const gone = new Promise((done) => this.server.once("exit", done));
    this.server.kill();
    await gone;
    await remove(this.home);
  }
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = net.createServer();
    probe.once("error", failed);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as net.AddressInfo;
      probe.close(() => done(port));
    });
  });
}

function listening(server: ChildProcess): Promise<void> {
  return new Promise((done, failed) => {
    let told = "";
    const timer = setTimeout(() => failed(new Error(`VS Code's server did not start:\n${told}`)), DEADLINE_MS);
    const read = (chunk: Buffer): void => {
      told += chunk.toString();
      if (told.includes("Extension host agent listening")) {
        clearTimeout(timer);
        done();
      }
    };
    server.stdout?.on("data", read);
    server.stderr?.on("data", read);
    server.once("exit", (code) => failed(new Error(`VS Code's server ended with ${code ?? "a signal"}:\n${told}`)));
  });
}

/** Waits for a program; the error contains its output if it fails. */
export function finished(child: ChildProcess): Promise<void> {
  let told = "";
  child.stdout?.on("data", (chunk: Buffer) => (told += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (told += chunk.toString()));
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("exit", (code) => {
      if (code === 0) {
        done();
      } else {
        failed(new Error(`${child.spawnargs.join(" ")} ended with ${code ?? "a signal"}:\n${told}`));
      }
    });
  });
}
