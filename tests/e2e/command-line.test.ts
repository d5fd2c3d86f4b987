import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { findLeftovers, tryCommand } from "@wrenn/system";
import { projectRoot } from "../support/sources.ts";

/** Knows nothing but its environment. */
const e2bProgram = `import { Sandbox } from "e2b";
const sandbox = await Sandbox.create("minimal", { timeoutMs: 60_000 });
const { stdout } = await sandbox.commands.run("python3 -c 'print(6*7)'");
process.stdout.write(stdout);
await sandbox.kill();
process.exit(0);
`;

/* Alone: it lists what is left on the whole machine. */

const dataDirectory = await mkdtemp("/tmp/wrenn-cli-");
after(() => rm(dataDirectory, { recursive: true, force: true }));

const wrenn = join(projectRoot, "wrenn");
const environment = {
  ...process.env,
  WRENN_DATA_DIR: dataDirectory,
  XDG_CONFIG_HOME: join(dataDirectory, "config"),
} as Record<string, string>;

const runWrenn = (args: readonly string[], input = ""): ReturnType<typeof tryCommand> =>
  tryCommand([wrenn, ...args], { env: environment, input });

test("run without a server starts one, streams, passes the exit code on, and leaves nothing", async () => {
  const before = await findLeftovers();
  const result = await runWrenn(["run", "--", "python3", "-c", "print(6*7)"]);
  assert.deepEqual([result.stdout, result.code], ["42\n", 0], result.stderr);
  assert.deepEqual(
    (await findLeftovers()).filter((item) => !before.includes(item)),
    [],
  );
});

test("up ends with a remedy where another program listens at its address, and leaves nothing", async () => {
  const before = await findLeftovers();
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const { code, stderr } = await runWrenn(["up", "--listen", address]);
  other.close();
  assert.notEqual(code, 0);
  assert.match(stderr, new RegExp(`another program listens on ${address}[^]*--listen`));
  assert.doesNotMatch(stderr, /\n +at /, "it is no fault of the program");
  assert.deepEqual(
    (await findLeftovers()).filter((item) => !before.includes(item)),
    [],
  );
});

/** The newest key of the first team, which only the operator can read. */
async function keyOfFile(text: string): Promise<string> {
  const file = /API key +in (\S+)/.exec(text)?.[1] ?? assert.fail(text);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  return (JSON.parse(await readFile(file, "utf8")) as { apiKey: string }).apiKey;
}

test("up prints URL, commands and where the key is; run uses that server; Ctrl-C ends it and leaves nothing", async () => {
  const before = await findLeftovers();
  const server = spawn(wrenn, ["up", "--e2b"], {
    env: { ...environment, WRENN_LISTEN: "127.0.0.1:0" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let log = "";
  server.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  const ready = Promise.withResolvers<void>();
  server.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes("Ctrl-C")) ready.resolve();
  });
  server.once("exit", (code) => ready.reject(new Error(`up ended with ${code}: ${log}`)));
  await ready.promise;
  assert.match(output, /URL +http:\/\/localhost:\d+/);
  assert.doesNotMatch(output, /:8080/, "the environment says where it listens");
  const key = await keyOfFile(output);
  assert.match(key, /^wrn_[0-9a-f]{32}$/);
  const tokenFile = /the token in (\S+)/.exec(output)?.[1] ?? assert.fail(output);
  assert.equal((await stat(tokenFile)).mode & 0o777, 0o600);
  const token = (await readFile(tokenFile, "utf8")).trim();
  for (const secret of [key, token]) assert.ok(!(output + log).includes(secret), "a log is read by others");

  await test("options reach the command", async () => {
    const result = await runWrenn([
      "run",
      "--env",
      "A=1 2",
      "--env",
      "B==",
      "--cwd",
      "/tmp",
      "--memory",
      "256",
      "--",
      "sh",
      "-c",
      'echo "$A $B $(pwd)"; echo oops >&2; exit 7',
    ]);
    assert.deepEqual([result.stdout, result.stderr, result.code], ["1 2 = /tmp\n", "oops\n", 7]);
  });

  await test("standard input is piped through, binary exact", async () => {
    const result = await runWrenn(["run", "--", "sha256sum"], "hello");
    assert.match(result.stdout, /^2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/);
  });

  await test("a timeout ends the command with 124", async () => {
    const result = await runWrenn(["run", "--timeout", "1", "--", "sh", "-c", "echo begun; sleep 60"]);
    assert.deepEqual([result.stdout, result.code], ["begun\n", 124], result.stderr);
  });

  await test("shell opens a terminal of the caller's size, and ends with its exit code", async () => {
    const url = /URL +(http:\S+)/.exec(output)?.[1] ?? "";
    const created = await fetch(`${url}/v1/capsules`, {
      method: "POST",
      headers: { "x-api-key": key, "content-type": "application/json" },
      body: "{}",
    });
    const { id } = (await created.json()) as { id: string };
    // script(1) gives the command a terminal, whose size stty sets first.
    const terminal = await tryCommand(
      ["script", "-qec", `stty cols 91 rows 17; exec ${wrenn} shell ${id}`, "/dev/null"],
      { env: environment, input: "stty size; exit 9\n" },
    );
    assert.match(terminal.stdout, /17 91/, terminal.stdout + terminal.stderr);
    assert.equal(terminal.code, 9, terminal.stdout);
    const last = await runWrenn(["exec", "-", "--", "hostname"]);
    assert.equal(last.stdout, `${id}\n`, "- is the last capsule, also without a profile");
  });

  await test("what e2b env prints lets the published client in, and holds no key", async () => {
    assert.match(output, /E2B +eval "\$\(\.\/wrenn e2b env\)"/);
    const { stdout: variables } = await runWrenn(["e2b", "env"]);
    assert.doesNotMatch(variables + output + log, /e2b_[0-9a-f]/, "the key stays in its file");
    const setAnd = (command: string): ReturnType<typeof tryCommand> =>
      tryCommand(["bash", "-ec", `eval "$('${wrenn}' e2b env)"; ${command}`, "bash"], {
        env: environment,
        cwd: projectRoot,
        input: e2bProgram,
      });
    const program = await setAnd(`exec '${process.execPath}' --input-type=module`);
    assert.deepEqual([program.stdout, program.code], ["42\n", 0], program.stderr);
    const { stdout: checked, code } = await setAnd(`exec '${wrenn}' e2b env --check`);
    assert.deepEqual([checked, code], ["Clients of E2B work with this environment.\n", 0]);
    const wrong = await setAnd(
      `E2B_API_KEY=e2b_00 E2B_SANDBOX_URL=localhost:1 exec '${wrenn}' e2b env --check`,
    );
    assert.equal(wrong.code, 1);
    assert.match(wrong.stdout, /E2B_SANDBOX_URL/);
    assert.match(wrong.stdout, /E2B_API_KEY/);
  });

  await test("a template that does not exist is explained", async () => {
    const result = await runWrenn(["run", "--template", "nope", "--", "true"]);
    assert.equal(result.code, 125, "other codes are those of programs");
    assert.match(result.stderr, /template not found: nope/);
  });

  server.kill("SIGINT");
  const [code] = (await once(server, "exit")) as [number | null];
  assert.equal(code, 0, log);
  assert.deepEqual(
    (await findLeftovers()).filter((item) => !before.includes(item)),
    [],
  );
});

test("up prints key and the link for the first administrator to a terminal", async () => {
  // script(1) gives the command a terminal, and ends it when its input does.
  const server = spawn("/usr/bin/script", ["-qec", `exec ${wrenn} up --no-host 2>/dev/null`, "/dev/null"], {
    env: { ...environment, WRENN_LISTEN: "127.0.0.1:0" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let output = "";
  for await (const chunk of server.stdout.iterator({ destroyOnReturn: false })) {
    output += String(chunk);
    if (output.includes("Ctrl-C")) break;
  }
  server.stdin.write("\x03");
  const [code] = (await once(server, "exit")) as [number | null];
  assert.equal(code, 0, output);
  assert.match(output, /API key +wrn_[0-9a-f]{32}\r?\n/);
  assert.match(output, /Open +http:\/\/localhost:\d+\/welcome#[0-9a-f]{64}\r?\n/);
});

test("doctor --json reports checks and boots a real machine", async () => {
  const result = await runWrenn(["doctor", "--json"]);
  const report = JSON.parse(result.stdout) as { ok: boolean; checks: { id: string; status: string }[] };
  assert.equal(report.ok, result.code === 0);
  assert.equal(result.code, 0, result.stdout);
  assert.equal(report.checks.find((check) => check.id === "boot")?.status, "ok");
});
