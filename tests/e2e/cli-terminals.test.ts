/* Drawn: apps/client/test and packages/sdk/test show its parts. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "@wrenn/core/testing";
import { FaultProxy } from "../support/fault-proxy.ts";
import { programEnvironment } from "../support/program-environment.ts";
import { PtySession } from "../support/pty-session.ts";
import { ServerProcess } from "../support/server-process.ts";
import { projectRoot } from "../support/sources.ts";
import { Tmux } from "../support/tmux.ts";

/* Terminals of the command line as people use them: over networks that break, with servers and capsules that stop. */

const long = process.env["WRENN_TEST_LONG"] === "1";
/** A client is stopped for this long; in a long run longer than every keep-alive of server (15 s) and client (45 s). */
const STOPPED_MS = long ? 180_000 : 2000;
/** Leaving takes no longer. */
const LEAVE_MS = 1000;

let server: ServerProcess;
const target = { host: "127.0.0.1", port: 0 };
let proxy: FaultProxy;
let config: string;
let capsule: string;
const everOpened: PtySession[] = [];
let env: Readonly<Record<string, string>>;
before(async () => {
  server = await ServerProcess.start();
  useServer();
  proxy = await FaultProxy.start({ target });
  config = await mkdtemp("/tmp/wrenn-terminals-");
  env = programEnvironment(config, {
    TERM: "xterm-256color",
    LANG: "C.UTF-8",
    WRENN_URL: proxy.url,
    WRENN_API_KEY: server.api.apiKey,
  });
  capsule = await server.api.capsule(undefined);
});
after(async () => {
  for (const one of everOpened) one.close();
  await proxy[Symbol.asyncDispose]();
  await server.close();
  await rm(config, { recursive: true, force: true });
});

/** A command in a terminal, which a test that fails leaves to the end of the file. */
function openSession(command: readonly [string, ...string[]]): PtySession {
  const opened = new PtySession(command, { env });
  everOpened.push(opened);
  return opened;
}

/** The proxy leads to the server, which has another port after each start. */
function useServer(): void {
  target.port = Number(new URL(server.api.url).port);
}

const program = join(projectRoot, "wrenn");

test("a full-screen editor, Ctrl-C, resizes, a cut network, leaving and coming back", async () => {
  await using tmux = await Tmux.start(env, 100, 30);
  await tmux.press(`${program} shell ${capsule}`, "Enter");
  await tmux.shows(/root@\S+#$/m);
  await tmux.press("stty size; nano /tmp/poem", "Enter");
  await tmux.shows("GNU nano");
  await eventually("the editor has drawn", async () => (await tmux.modes()) === "1 0 1");
  await tmux.press("roses", "Enter", "violets");
  // The editor draws each line where it belongs: nothing translates line feeds on the way.
  await tmux.shows(/^roses\nviolets\n/m);
  await tmux.press("C-o");
  await tmux.shows("File Name to Write: /tmp/poem");
  await tmux.press("Enter");
  await tmux.shows("^X Exit");
  await tmux.press("C-x");
  await tmux.shows("30 100");
  await tmux.resize(90, 20);
  await tmux.press("clear; sh -c 'cat /tmp/poem; stty size; exec sleep 1000'", "Enter");
  await tmux.shows("roses\nviolets\n20 90\n");
  // It reaches a program that runs. Between two commands of its own a slow bash may take it for neither.
  await tmux.press("C-c");
  await tmux.shows(/\^C\n\S+#$/m);
  await tmux.press("clear; for n in {1..40}; do echo line $n; sleep 0.1; done", "Enter");
  await tmux.shows(/^line [5-9]$/m);
  proxy.cutAll();
  await tmux.press("echo typed-$((6*7))", "Enter");
  await tmux.shows("typed-42");
  const lines = (await tmux.screen(true)).match(/^line \d+$/gm) ?? [];
  assert.deepEqual(
    lines.slice(-40),
    Array.from({ length: 40 }, (_, at) => `line ${at + 1}`),
  );
  await proxy.refuse();
  await tmux.shows("the connection broke; connecting again (Ctrl-C or ctrl-p,ctrl-q leaves)");
  await proxy.resume();
  await tmux.shows("connected again");
  await tmux.press("clear; nano /tmp/poem", "Enter");
  await tmux.shows("GNU nano");
  await tmux.press("C-p", "C-q");
  await tmux.shows("which runs on");
  assert.equal(await tmux.modes(), "0 0 1", "the screen is the user's again");
  const [, again = ""] = /`(wrenn attach \S+ \S+)`/.exec(await tmux.screen()) ?? [];
  await tmux.press(`clear; ${again.replace("wrenn", program)}`, "Enter");
  await tmux.shows("violets");
  await tmux.press("C-x");
  await tmux.press("exit", "Enter");
  await tmux.shows(/exit\nlocal\$$/m);
  await tmux.press("echo left with $?; stty -a | grep -o ' -\\?echo '", "Enter");
  await tmux.shows(/left with 0\n echo/);
});

test("attach shows what was printed without asking the terminal again what programs asked then", async () => {
  const ask = "stty -echo; printf 'before\\033[c\\033[6n'; read -r -n 1 x; printf 'now\\033[c'; sleep 60";
  const shell = openSession([program, "shell", capsule, "--", "bash", "-c", ask]);
  await shell.shows("before\u001B[c\u001B[6n");
  const path = `/v1/capsules/${capsule}/processes`;
  const listed = await server.api.call<{ processes: { tag: string }[] }>("GET", path);
  const tag = listed.body.processes.at(-1)?.tag ?? assert.fail("there is no process");
  const attached = openSession([program, "attach", capsule, tag]);
  await attached.shows("before");
  attached.type("x");
  // What is asked now is asked.
  await attached.shows("now\u001B[c");
  assert.equal(attached.output.split("\u001B[c").length, 2, JSON.stringify(attached.output));
  assert.ok(!attached.output.includes("\u001B[6n"));
  await closePair({ tag, sessions: [shell, attached], typed: [] });
});

/** Counts, and answers each line that is typed, so that whatever is lost or repeated is seen. */
const COUNTER = [
  "stty -echo; n=0; part=",
  'while :; do n=$((n+1)); echo "line $n"',
  // A read that ends in the middle of a line gives what it has.
  'if read -r -t 0.2 x; then echo "got $part$x"; part=; else part="$part$x"; fi; done',
].join("; ");

/** One terminal that two commands use: `shell` started it, and `attach` joined it. */
interface Pair {
  readonly tag: string;
  readonly sessions: readonly [shell: PtySession, attach: PtySession];
  /** Lines that were typed and have to be answered. */
  readonly typed: string[];
}

async function openPair(): Promise<Pair> {
  const shell = openSession([program, "shell", capsule, "--", "bash", "-c", COUNTER]);
  await shell.shows("line 1\r\n");
  const path = `/v1/capsules/${capsule}/processes`;
  const listed = await server.api.call<{ processes: { tag: string; terminal: boolean }[] }>("GET", path);
  const { tag } = listed.body.processes.at(-1) ?? assert.fail("there is no process");
  return { tag, sessions: [shell, await attachTo(tag)], typed: [] };
}

async function attachTo(tag: string): Promise<PtySession> {
  const session = openSession([program, "attach", capsule, tag]);
  await session.shows("line 1\r\n");
  return session;
}

/** Ends the terminal; the commands that use it end with it. */
async function closePair({ tag, sessions }: Pair): Promise<void> {
  await server.api.call("DELETE", `/v1/capsules/${capsule}/processes/${tag}`);
  for (const session of sessions) session.close();
}

/** Types a line into each, and waits until each shows both. Then nothing of the whole output is missing or repeated. */
async function holds({ sessions, typed }: Pair): Promise<void> {
  for (const session of sessions) {
    typed.push(`word-${typed.length}`);
    session.type(`${typed.at(-1)}\r`);
  }
  for (const session of sessions) {
    for (const word of typed) await session.shows(`got ${word}\r\n`, 40_000);
    const [lines, answers] = outputOf(session);
    assert.deepEqual(
      lines,
      Array.from({ length: lines.length }, (_, at) => `line ${at + 1}`),
    );
    assert.deepEqual(answers.sort(), typed.map((word) => `got ${word}`).sort());
  }
}

/** Whole lines that the program printed, without what the command says itself. */
function outputOf({ output }: PtySession): [lines: string[], answers: string[]] {
  const printed = output.replaceAll(/\r\nwrenn: [^\r\n]*\r\n/g, "");
  const whole = printed.split("\r\n").slice(0, -1);
  return [
    whole.filter((line) => line.startsWith("line ")),
    whole.filter((line) => !line.startsWith("line ")),
  ];
}

function lastLine(session: PtySession): number {
  return outputOf(session)[0].length;
}

/** Leaves all by the detach keys, behind input that nothing answers. */
async function leave(sessions: readonly PtySession[]): Promise<void> {
  const took = await Promise.all(
    sessions.map(async (session) => {
      const at = performance.now();
      session.type("unheard\u0010\u0011");
      assert.deepEqual(await session.ended, { code: 0, isSane: true }, session.output);
      return performance.now() - at;
    }),
  );
  // One may wait for a processor.
  assert.ok(Math.min(...took) < LEAVE_MS && Math.max(...took) < 4 * LEAVE_MS, `${took.join(", ")} ms`);
}

/** How many bytes the commands have sent. */
const sentBytes = (): number => proxy.connections.reduce((sum, { passed }) => sum + passed.request, 0);

test("shell and attach hold when their process is stopped, and can be left while the server is", async () => {
  const pair = await openPair();
  for (const session of pair.sessions) session.signal("SIGSTOP");
  await sleep(STOPPED_MS);
  // What a server or a network does with a client that is silent for too long.
  if (!long) proxy.cutAll();
  for (const session of pair.sessions) session.signal("SIGCONT");
  await holds(pair);
  const other = openSession([program, "exec", "-it", capsule, "cat"]);
  other.type("seen\r");
  await other.shows("seen\r\nseen\r\n");
  process.kill(server.pid, "SIGSTOP");
  try {
    await leave(pair.sessions);
    other.type("unheard");
    other.signal("SIGTERM");
    assert.deepEqual(await other.ended, { code: 143, isSane: true }, other.output);
  } finally {
    process.kill(server.pid, "SIGCONT");
  }
  await closePair(pair);
});

test("shell and attach hold while another client pauses and resumes their capsule", async () => {
  const pair = await openPair();
  const path = `/v1/capsules/${capsule}`;
  for (const isCut of [false, true]) {
    await server.api.call("POST", `${path}/pause`);
    // Connected again, they have to find the paused capsule again.
    if (isCut) proxy.cutAll();
    const held = holds(pair);
    held.catch(() => undefined);
    await server.api.call("POST", `${path}/resume`);
    await held;
  }
  await server.api.call("POST", `${path}/pause`);
  await leave(pair.sessions);
  await server.api.call("POST", `${path}/resume`);
  await closePair(pair);
});

test("shell and attach hold when the network is cut, and can be left while it is", async () => {
  const pair = await openPair();
  const [shell] = pair.sessions;
  await proxy.refuse();
  let before = 0;
  await eventually("what was on its way has come, and nothing else does", async () => {
    const at = lastLine(shell);
    await sleep(1000);
    before = lastLine(shell);
    return before === at;
  });
  await proxy.resume();
  await holds(pair);
  assert.ok(lastLine(shell) > before + 2, "the program went on meanwhile");
  await proxy.refuse();
  await leave(pair.sessions);
  await proxy.resume();
  await closePair(pair);
});

test("shell and attach hold when the server is killed and started again, and can be left meanwhile", async () => {
  const pair = await openPair();
  const leaving = [await attachTo(pair.tag), await attachTo(pair.tag)];
  // What was sent to a server that took it no further is not sent again, and what follows arrives.
  const sent = sentBytes();
  process.kill(server.pid, "SIGSTOP");
  for (const session of pair.sessions) session.type("unheard\r");
  await eventually("both have sent it", () => sentBytes() >= sent + 2 * "unheard\r".length);
  await server.kill();
  try {
    await leave(leaving);
  } finally {
    await server.start();
    useServer();
  }
  for (const session of pair.sessions) await session.shows("may not have arrived", 40_000);
  await holds(pair);
  await closePair(pair);
});
