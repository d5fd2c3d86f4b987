/* Drawn: every start of a server from the sources makes a bundle. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { exists, reservePort } from "@wrenn/system";
import { projectRoot } from "../support/sources.ts";
import { programEnvironment } from "../support/program-environment.ts";

const WITHIN_MS = 240_000;

/** `./wrenn up` without a host, which needs no machines. */
class Server implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#child = child;
  }

  static async start(home: string, variables: Readonly<Record<string, string>> = {}): Promise<Server> {
    const port = await reservePort(systemRandom);
    const env = programEnvironment(home, { WRENN_DATA_DIR: join(home, "data"), ...variables });
    const child = spawn(join(projectRoot, "wrenn"), ["up", "--no-host", "--listen", `127.0.0.1:${port}`], {
      env,
      stdio: "ignore",
    });
    const server = new Server(`http://127.0.0.1:${port}`, child);
    const answers = async (): Promise<boolean> => {
      assert.equal(child.exitCode, null, "the server ended");
      return await fetch(`${server.url}/health`).then(
        (answer) => answer.ok,
        () => false,
      );
    };
    await eventually("the server answers", answers, { timeoutMs: WITHIN_MS });
    return server;
  }

  async text(path: string): Promise<string> {
    const answer = await fetch(`${this.url}${path}`);
    assert.equal(answer.status, 200, path);
    return await answer.text();
  }

  /** Whether its code is a bundle, which it holds. */
  async isBundled(): Promise<boolean> {
    const folder = `/proc/${String(this.#child.pid)}/fd`;
    const targets = await Promise.all(
      (await readdir(folder)).map(async (name) => await readlink(join(folder, name)).catch(() => "")),
    );
    return targets.some((target) => target.includes("/node_modules/.bundled/code-"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await gone;
  }
}

test("a server bundles its code for the next start, which serves the same API", async () => {
  const home = await mkdtemp("/tmp/wrenn-bundled-");
  // The database runs as a user of its own and passes through here.
  await chmod(home, 0o711);
  const manifest = join(projectRoot, "node_modules/.bundled/manifest.json");
  try {
    await rm(manifest, { force: true });
    let described: string;
    {
      await using server = await Server.start(home);
      assert.equal(await server.isBundled(), false);
      described = await server.text("/openapi.json");
      await eventually("there is a bundle", async () => await exists(manifest), { timeoutMs: WITHIN_MS });
    }
    {
      await using server = await Server.start(home);
      assert.equal(await server.isBundled(), true);
      assert.equal(withoutAddress(await server.text("/openapi.json")), withoutAddress(described));
      // Loaded at its first use, with files of its own.
      assert.match(await server.text("/docs"), /swagger-ui/);
    }
    await using server = await Server.start(home, { WRENN_RUN_SOURCES: "1" });
    assert.equal(await server.isBundled(), false);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

const withoutAddress = (text: string): string => text.replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS");
