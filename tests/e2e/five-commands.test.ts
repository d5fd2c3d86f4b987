import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { findLeftovers, reservePort, runCommand, tryCommand } from "@wrenn/system";
import { noBrowser, TestBrowser } from "../support/browser.ts";
import { needsRoot } from "../support/network-lab.ts";
import { projectRoot } from "../support/sources.ts";

/* Alone: it lists what is left on the whole machine. */

/* From a clone to a page on the web by the five commands of the README, which `up` prints as well. */

const UP = "./wrenn up";
const NAMESPACE = "wrenn-five";
/** Ends of a cable between this machine and another: TEST-NET-2. */
const HERE = "198.51.100.1";
const THERE = "198.51.100.2";

/** The commands of the README's first steps, and their first one. */
async function documented(): Promise<readonly string[]> {
  const readme = await readFile(join(projectRoot, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block.trim());
  const steps =
    blocks.find((block) => block.includes(" exec -d ")) ?? assert.fail("README has no first steps");
  assert.ok(blocks.includes(UP), "README starts the server");
  return [UP, ...steps.split("\n")];
}

interface Up extends AsyncDisposable {
  /** What it printed until it was ready. */
  readonly output: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** Runs the first command, with these variables and options in addition. */
async function up(variables: Readonly<Record<string, string>>, options = ""): Promise<Up> {
  const dataDirectory = await mkdtemp("/tmp/wrenn-five-");
  const environment = {
    ...(process.env as Record<string, string>),
    WRENN_DATA_DIR: dataDirectory,
    XDG_CONFIG_HOME: join(dataDirectory, "config"),
    ...variables,
  };
  const server = spawn("bash", ["-c", `exec ${UP}${options}`], {
    cwd: projectRoot,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [output, log] = ["", ""];
  server.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const ready = Promise.withResolvers<void>();
  server.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes("Ctrl-C")) ready.resolve();
  });
  const gone = once(server, "exit");
  server.once("exit", (code) => ready.reject(new Error(`up ended with ${code}: ${log}`)));
  await ready.promise;
  return {
    output,
    environment,
    [Symbol.asyncDispose]: async () => {
      await tryCommand(["./wrenn", "rm", "web"], { cwd: projectRoot, env: environment });
      server.kill("SIGINT");
      await gone;
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** Types the other commands one after the other. @returns the address that the last one prints. */
async function typeIn({ environment, output }: Up): Promise<string> {
  const [, ...commands] = await documented();
  assert.equal(commands.length, 4);
  const printed = output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("./wrenn "));
  assert.deepEqual(printed, commands, "up prints what the README has");
  let last = "";
  for (const command of commands) {
    const { code, stdout, stderr } = await tryCommand(["bash", "-c", command], {
      cwd: projectRoot,
      env: environment,
    });
    assert.equal(code, 0, `${command}: ${stdout}${stderr}`);
    last = stdout.trim();
  }
  return last;
}

const before = await findLeftovers();
after(async () =>
  assert.deepEqual(
    (await findLeftovers()).filter((item) => !before.includes(item)),
    [],
  ),
);

const TEXT = "document.querySelector('h1')?.textContent.startsWith('Hello from cl-')";

test("five commands lead to a page that two browsers of different profiles show", async (t) => {
  await using server = await up({ WRENN_LISTEN: "127.0.0.1:0" });
  const url = await typeIn(server);
  assert.match(url, /^http:\/\/8000-cl-[0-9a-z]+\.localhost:\d+\/?$/);
  if (noBrowser !== false) return t.diagnostic(noBrowser);
  await using browser = await TestBrowser.start();
  for (let profile = 0; profile < 2; profile++) await (await browser.visit(url)).until(TEXT, true);
});

test("with --listen and --domain another machine opens the page", { skip: needsRoot }, async () => {
  await using _ = await otherMachine();
  const port = await reservePort(systemRandom);
  await using server = await up({}, ` --listen 0.0.0.0:${port} --domain apps.example.com`);
  const url = new URL(await typeIn(server));
  assert.match(url.hostname, /^8000-cl-[0-9a-z]+\.apps\.example\.com$/);
  assert.equal(url.port, String(port));
  // The DNS record that the README asks for.
  const record = `${url.hostname}:${port}:${HERE}`;
  // The service may not listen yet; a browser's user reloads.
  const again = ["--retry", "20", "--retry-all-errors", "--retry-delay", "1", "--max-time", "60"];
  const page = await runCommand(
    // prettier-ignore
    ["ip", "netns", "exec", NAMESPACE, "curl", "--silent", "--show-error", "--fail", ...again, "--resolve", record, url.href],
  );
  assert.match(page.stdout, /^<h1>Hello from cl-/);
});

/** A network namespace that reaches this machine by a cable. */
async function otherMachine(): Promise<AsyncDisposable> {
  await runCommand(["ip", "netns", "add", NAMESPACE]);
  const remove = async (): Promise<void> => void (await tryCommand(["ip", "netns", "del", NAMESPACE]));
  try {
    await runCommand(["ip", "-batch", "-"], {
      input: [
        `link add ${NAMESPACE} type veth peer name eth0 netns ${NAMESPACE}`,
        `addr add ${HERE}/30 dev ${NAMESPACE}`,
        `link set ${NAMESPACE} up`,
        "",
      ].join("\n"),
    });
    await runCommand(["ip", "-n", NAMESPACE, "-batch", "-"], {
      input: `addr add ${THERE}/30 dev eth0\nlink set eth0 up\n`,
    });
  } catch (error) {
    await remove();
    throw error;
  }
  return { [Symbol.asyncDispose]: remove };
}
