import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { programEnvironment } from "../support/program-environment.ts";
import { PtySession } from "../support/pty-session.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Programs in capsules from the command line: pipes, signals and real terminals. */

const SIZES = process.env["WRENN_TEST_LONG"] === "1" ? 100 : 20;
const AT_ONCE = 2;

let server: TestServer;
let config: string;
let capsule: string;
let env: Readonly<Record<string, string>>;
before(async () => {
  // Sooner than an interrupted create gives up waiting for the answer, also on a busy machine.
  server = await startTestServer({ config: { createAnswerMs: 8000 } });
  config = await mkdtemp("/tmp/wrenn-runs-");
  env = programEnvironment(config, {
    TERM: "xterm-256color",
    WRENN_URL: server.url,
    WRENN_API_KEY: server.apiKey,
  });
  capsule = await server.capsule(undefined);
});
after(async () => {
  await server.close();
  await rm(config, { recursive: true, force: true });
});

const program = join(projectRoot, "wrenn");

function start(args: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(program, args, { env });
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function end(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const exit = once(child, "close") as Promise<[number | null]>;
  const [[code], stdout, stderr] = await Promise.all([
    exit,
    text(child.stdout.setEncoding("latin1")),
    text(child.stderr),
  ]);
  return { code, stdout, stderr };
}

async function wrenn(args: readonly string[], input: Uint8Array | string = ""): Promise<Ended> {
  const child = start(args);
  child.stdin.on("error", () => undefined);
  child.stdin.end(input);
  return await end(child);
}

function terminal(
  args: readonly string[],
  size: { readonly cols?: number; readonly rows?: number } = {},
): PtySession {
  return new PtySession([program, ...args], { ...size, env });
}

test("exec -i is binary exact in both directions, and passes streams and exit code", async () => {
  assert.equal(
    (await wrenn(["exec", "-i", capsule, "wc", "-c"], Buffer.from("a\0\u00ff", "latin1"))).stdout,
    "3\n",
  );
  const bytes = randomBytes(3_000_000);
  const echoed = await wrenn(["exec", capsule, "-i", "--", "cat"], bytes);
  const hash = (data: Buffer): string => createHash("sha256").update(data).digest("hex");
  assert.equal(hash(Buffer.from(echoed.stdout, "latin1")), hash(bytes), echoed.stderr);
  const line = 'echo "$A $(pwd)"; echo oops >&2; exit 7';
  const failed = await wrenn(["exec", "-e", "A=1 2", "-w", "/tmp", capsule, "sh", "-c", line]);
  assert.deepEqual(failed, { code: 7, stdout: "1 2 /tmp\n", stderr: "oops\n" });
});

test("without -i the input is empty, and exec returns within a second of the end while our input stays open", async () => {
  for (const [options, line] of [
    [[], "cat; echo end"],
    [["-i"], "head -c 1; echo end"],
  ] as const) {
    const child = start(["exec", ...options, capsule, "sh", "-c", line]);
    child.stdin.write("x");
    let saidAt = 0;
    child.stdout.on("data", (part: Buffer) => {
      if (String(part).includes("end")) saidAt = performance.now();
    });
    const { code, stdout } = await end(child);
    assert.deepEqual([code, stdout], [0, `${options.length > 0 ? "x" : ""}end\n`]);
    assert.ok(performance.now() - saidAt < 1000, `${performance.now() - saidAt} ms`);
  }
});

test("exec --json is one document; a time-out is 124, a refusal 125 with its remedy", async () => {
  const { stdout, code } = await wrenn([
    "exec",
    "--json",
    capsule,
    "sh",
    "-c",
    String.raw`echo é; printf '\377' >&2; exit 3`,
  ]);
  const { durationMs, ...document } = JSON.parse(Buffer.from(stdout, "latin1").toString()) as Record<
    string,
    unknown
  >;
  assert.equal(typeof durationMs, "number");
  assert.deepEqual(document, {
    exitCode: 3,
    signal: null,
    timedOut: false,
    stdout: "é\n",
    stdoutEncoding: "utf-8",
    stderr: "/w==",
    stderrEncoding: "base64",
    droppedBytes: { stdout: 0, stderr: 0 },
    truncatedBytes: { stdout: 0, stderr: 0 },
  });
  assert.equal(code, 3);
  const late = await wrenn(["exec", "--timeout", "1", capsule, "sh", "-c", "echo begun; sleep 60"]);
  assert.deepEqual(late, { code: 124, stdout: "begun\n", stderr: "wrenn: ended after 1 s (--timeout)\n" });
  const missing = await wrenn(["exec", "-w", "/no/such", capsule, "true"]);
  assert.equal(missing.code, 125);
  assert.match(missing.stderr, /^wrenn: .*\/no\/such.*\n {7}\S/);
});

test("exec -d prints pid and tag; attach follows it to its end, and gives it input", async () => {
  const started = await wrenn([
    "exec",
    "-d",
    "--tag",
    "worker",
    capsule,
    "sh",
    "-c",
    "echo begun; sleep 1; exit 4",
  ]);
  assert.match(started.stdout, /^\d+ worker\n$/);
  const followed = await wrenn(["attach", capsule, "worker"]);
  assert.deepEqual(followed, { code: 4, stdout: "begun\n", stderr: "" });
  const unknown = await wrenn(["attach", capsule, "nobody"]);
  assert.equal(unknown.code, 125);
});

test("a first Ctrl-C is for the program, a second one leaves it", async () => {
  const child = start([
    "exec",
    capsule,
    "sh",
    "-c",
    "trap 'echo interrupted' INT; echo ready; sleep 1000 & while :; do wait; done",
  ]);
  child.stderr.on("data", () => undefined);
  const seen = (what: string): Promise<unknown> =>
    new Promise<void>((resolve) => {
      child.stdout.on("data", (part: Buffer) => String(part).includes(what) && resolve());
    });
  const ended = end(child);
  await seen("ready");
  const interrupted = seen("interrupted");
  child.kill("SIGINT");
  await interrupted;
  const at = performance.now();
  child.kill("SIGINT");
  const { code, stderr } = await ended;
  assert.equal(code, 130);
  assert.ok(performance.now() - at < 1000);
  const [, tag = ""] = /wrenn attach \S+ (\S+)`/.exec(stderr) ?? assert.fail(stderr);
  await server.call("DELETE", `/v1/capsules/${capsule}/processes/${tag}`);
  const ending = start(["exec", capsule, "sleep", "1000"]);
  const over = end(ending);
  await eventually(
    "it runs",
    async () => (await server.shell(capsule, "pgrep -x sleep || true")).stdout !== "",
  );
  ending.kill("SIGTERM");
  assert.equal((await over).code, 143);
});

test("a reader that goes away ends exec and its program quietly", async () => {
  const child = spawn(
    "/bin/bash",
    ["-c", `${program} exec ${capsule} yes | head -1; echo \${PIPESTATUS[0]}`],
    { env },
  );
  assert.deepEqual(await end(child), { code: 0, stdout: "y\n141\n", stderr: "" });
  assert.equal((await server.shell(capsule, "pgrep -x yes || true")).stdout, "");
});

test("Ctrl-C during run ends the program and removes the capsule, also while it is created", async () => {
  const others = async (): Promise<number> =>
    (await server.call<unknown[]>("GET", "/v1/capsules")).body.length - 1;
  const child = start(["run", "--", "sh", "-c", "echo begun; exec sleep 1000"]);
  await once(child.stdout, "data");
  const ended = end(child);
  child.kill("SIGINT");
  assert.equal((await ended).code, 130);
  assert.equal(await others(), 0);
  // Of a size that is not prepared: its create takes longer.
  const creating = start(["run", "--memory", "320", "--", "sleep", "1000"]);
  const over = end(creating);
  await eventually("it is being created", async () => (await others()) > 0);
  creating.kill("SIGINT");
  assert.equal((await over).code, 130);
  await eventually("it is removed", async () => (await others()) === 0);
});

test("a terminal has the size of ours from the beginning, and follows it", async () => {
  const sizes = Array.from({ length: SIZES }, (_, at) => [100 + at, 30 + at] as const);
  const measure = async (): Promise<void> => {
    for (let size = sizes.pop(); size; size = sizes.pop()) {
      const [cols, rows] = size;
      const session = terminal(["exec", "-it", capsule, "stty", "size"], { cols, rows });
      assert.deepEqual(await session.ended, { code: 0, isSane: true }, session.output);
      assert.equal(session.output, `${rows} ${cols}\r\n`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, measure));
  const session = terminal(["shell", capsule], { cols: 187, rows: 43 });
  await session.shows("# ");
  session.type("stty size\r");
  await session.shows("43 187\r\n");
  session.resize(91, 17);
  session.type("stty size\r");
  await session.shows("17 91\r\n");
  session.type("exit 9\r");
  assert.deepEqual(await session.ended, { code: 9, isSane: true });
});

test("a terminal that is ended inside a full-screen program is sane again", async () => {
  const draw = String.raw`printf '\033[?1049h\033[?1000h\033[?25ldrawn'; sleep 1000`;
  for (const [signal, code] of [
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    const session = terminal(["exec", "-it", capsule, "sh", "-c", draw]);
    await session.shows("drawn");
    session.signal(signal);
    assert.deepEqual(await session.ended, { code, isSane: true }, session.output);
    // Its end can be known before its last output.
    await eventually("it leaves the full screen", () =>
      session.output.includes("\u001b[?1000l\u001b[?1049l\u001b[?25h"),
    );
    assert.match(session.output, /wrenn attach \S+ \S+`/);
  }
});

test("a lone detach key is the program's at once; the sequence leaves, and attach shows all once without asking the terminal again", async () => {
  const session = terminal([
    "exec",
    "-it",
    capsule,
    "sh",
    "-c",
    String.raw`stty raw -echo; printf 'asked\033[6n'; cat -v`,
  ]);
  await session.shows("asked\u001b[6n");
  session.type("\u0010");
  await session.shows("^P");
  session.type("x\u0010\u0011");
  assert.deepEqual(await session.ended, { code: 0, isSane: true }, session.output);
  const [, tag = ""] = /wrenn attach \S+ (\S+)`/.exec(session.output) ?? assert.fail(session.output);
  assert.ok(!session.output.includes("^Q"));
  const again = terminal(["attach", "--detach-keys", "none", capsule, tag]);
  await again.shows("asked^Px^P");
  assert.ok(!again.output.includes("\u001b[6n"));
  again.type("\u0010\u0011y");
  await again.shows("^P^Qy");
  await server.call("DELETE", `/v1/capsules/${capsule}/processes/${tag}`);
  assert.deepEqual(await again.ended, { code: 137, isSane: true }, again.output);
});

test("shell makes a capsule, and says what becomes of it; without a terminal it names the remedy", async () => {
  for (const [options, said] of [
    [[], /capsule (\S+) keeps running/],
    [["--rm"], /removed capsule (\S+)\r/],
  ] as const) {
    const session = terminal(["shell", ...options, "--", "sh", "-c", "exit 3"]);
    assert.deepEqual(await session.ended, { code: 3, isSane: true }, session.output);
    const [, id = ""] = said.exec(session.output) ?? assert.fail(session.output);
    const { body } = await server.call<readonly { readonly id: string }[]>("GET", "/v1/capsules");
    assert.equal(
      body.some((one) => one.id === id),
      options.length === 0,
    );
    await server.call("DELETE", `/v1/capsules/${id}`);
  }
  const piped = await wrenn(["shell", capsule], "ls\n");
  assert.equal(piped.code, 125);
  assert.match(piped.stderr, /not a terminal\n.*wrenn exec -i/);
});
