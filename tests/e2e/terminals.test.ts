import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { defined } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

const open = (first: Readonly<Record<string, unknown>>, protocols?: string[]): Promise<StreamClient> =>
  StreamClient.open(server, `/v1/capsules/${id}/pty`, first, defined({ protocols }));

const shell = { type: "start", cmd: "bash", args: ["--norc", "--noprofile"], envs: { PS1: "$ " } };

test("a terminal is a terminal: size, TERM, Ctrl-C, job control, exit code", async () => {
  const terminal = await open({ ...shell, cols: 100, rows: 30 });
  const started = await terminal.next("started");
  assert.match(String(started["tag"]), /^pty-[0-9a-f]{8}$/);
  terminal.type("stty size; echo $TERM; test -t 0 && echo is-a-$((1))tty\r");
  await terminal.shows("30 100");
  await terminal.shows(/xterm-256color/);
  await terminal.shows("is-a-1tty");
  terminal.type("sleep 1001\r");
  await runs("sleep 1001");
  terminal.type("\u0003");
  await terminal.shows("^C");
  terminal.type("echo code $?\r");
  await terminal.shows("code 130");
  terminal.type("sleep 1002\r");
  await runs("sleep 1002");
  terminal.type("\u001A");
  await terminal.shows("Stopped");
  // The shell refuses to leave while it believes in a stopped job: it waits for the end of the job first.
  terminal.type("kill %1; wait -f %1; exit 7\r");
  assert.equal((await terminal.next("exit"))["exit_code"], 7);
  assert.equal(await terminal.ended(), 1000);
});

/** Waits until the command is executed: a key that comes before belongs to the shell. */
async function runs(command: string): Promise<void> {
  await eventually(
    `${command} runs`,
    async () => (await server.exec(id, "pgrep", ["-xf", command])).body.exit_code === 0,
  );
}

test("a resize reaches the program; sizes of zero are ignored", async () => {
  const terminal = await open(shell);
  await terminal.next("started");
  terminal.send({ type: "resize", cols: 0, rows: 0 });
  terminal.send({ type: "resize", cols: 120, rows: 40 });
  terminal.send({ type: "resize", cols: 132, rows: 50 });
  terminal.type("stty size\r");
  await terminal.shows("50 132");
  terminal.send({ type: "kill" });
  assert.equal((await terminal.next("exit"))["signal"], 9);
});

test("a terminal outlives its viewer; who connects again sees the screen and what came meanwhile", async () => {
  const first = await open(shell);
  const tag = String((await first.next("started"))["tag"]);
  first.type("echo before-$((40+2)); (sleep 1; echo mean-$((40+3))-while) &\r");
  await first.shows("before-42");
  first.close();
  await first.ended();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const second = await open({ type: "connect", tag });
  assert.equal((await second.next("started"))["tag"], tag);
  await second.shows("before-42");
  await second.shows("mean-43-while");
  const third = await open({ type: "connect", tag, from: 0 });
  await third.shows("mean-43-while");
  assert.equal(third.messages.find(({ type }) => type === "output")?.["offset"], 0);
  assert.deepEqual(
    third.messages.find(({ type }) => type === "resized"),
    { type: "resized", cols: 80, rows: 24 },
  );
  // Both type, both see.
  second.type("echo two-$((1+1))\r");
  await third.shows("two-2");
  third.type("exit\r");
  await Promise.all([second.next("exit"), third.next("exit")]);
});

test("Backspace erases whole characters in programs that read lines, and a terminal is set up as a login has it", async () => {
  const readers: Readonly<Record<string, readonly string[]>> = {
    cat: ["cat"],
    read: ["bash", "-c", "while read -r line; do printf '%s\\n' \"$line\"; done"],
    python: ["python3", "-c", "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"],
  };
  for (const [name, [cmd = "", ...args]] of Object.entries(readers)) {
    const terminal = await open({
      type: "start",
      cmd: "bash",
      args: ["-c", 'stty -echo; echo go; exec "$@"', "bash", cmd, ...args],
    });
    await terminal.shows("go\r\n");
    for (const character of ["\u00E9", "\u65E5", "\u{1F600}", "\u0301"]) {
      const at = terminal.text.length;
      terminal.type(`a${character}\u007Fb\r`);
      await terminal.until(() => terminal.text.includes("\n", at) || undefined, `a line of ${name}`, 60);
      assert.equal(terminal.text.slice(at), "ab\r\n", `${name}, ${character}`);
    }
    terminal.type("\u0004");
    await terminal.next("exit");
  }
  const modes = await open({ type: "start", cmd: "stty", args: ["-a"], cols: 91, rows: 27 });
  await modes.next("exit");
  for (const mode of [
    "rows 27",
    "columns 91",
    " iutf8",
    " icrnl",
    " onlcr",
    " echoe",
    "erase = ^?",
    "intr = ^C",
  ])
    assert.ok(modes.text.includes(mode), `${mode} in ${modes.text}`);
});

test("who connects is told where the present begins", async () => {
  const first = await open({
    ...shell,
    cmd: "sh",
    args: ["-c", "printf 0123456789; read line; printf now; read line"],
  });
  const { tag, live_offset: begin } = await first.next("started");
  assert.equal(begin, 0);
  await first.shows("0123456789");
  const second = await open({ type: "connect", tag: String(tag), extended: true });
  assert.equal((await second.next("started"))["live_offset"], 10);
  first.type("\r");
  await second.shows("now");
  const url = `/v1/capsules/${id}/processes/${String(tag)}/stream?from=oldest`;
  const followed = await StreamClient.open(server, url);
  assert.equal((await followed.next("start"))["live_offset"], "0123456789\r\nnow".length);
  first.send({ type: "kill" });
  await first.next("exit");
});

test("Ctrl-C is answered before much more of the output that waits", async (t) => {
  const flood = {
    ...shell,
    cmd: "bash",
    args: [
      "--norc",
      "-c",
      "trap 'stty -echo; echo; echo interrupted; exit' INT; while :; do printf '%01000d\\n' 1; done",
    ],
  };
  for (const acknowledges of [true, false]) {
    const terminal = await open(flood);
    await terminal.next("started");
    let shown = 0;
    const acknowledge = (): void => {
      const bytes = terminal.output().length - shown;
      if (!acknowledges || bytes === 0) return;
      terminal.send({ type: "ack", bytes: Math.min(bytes, 20_000) });
      shown += Math.min(bytes, 20_000);
    };
    if (acknowledges) terminal.send({ type: "ack", bytes: 0 });
    // A viewer that shows 100 kB a second.
    const pump = setInterval(acknowledge, 200);
    try {
      await terminal.until(() => terminal.output().length > 300_000 || undefined, "a flood", 60);
      const before = acknowledges ? shown : terminal.output().length;
      terminal.type("\u0003");
      await terminal.shows("interrupted", 120);
      const after = terminal.output().length - before;
      t.diagnostic(`${after} bytes after the key, ${acknowledges ? "with" : "without"} acknowledgements`);
      if (acknowledges) assert.ok(after <= 256 << 10, `${after} bytes`);
    } finally {
      clearInterval(pump);
      terminal.send({ type: "kill" });
    }
    await terminal.next("exit");
  }
});

test("pasting a lot loses nothing and reorders nothing", async () => {
  const terminal = await open({
    ...shell,
    cmd: "sh",
    args: ["-c", "stty raw -echo; echo go; head -c 400000 | sha256sum; exit"],
  });
  await terminal.shows("go");
  const text = Array.from({ length: 50_000 }, (_, i) => String(i).padStart(8, "0")).join("");
  for (let at = 0; at < text.length; at += 1000) terminal.type(text.slice(at, at + 1000));
  const { createHash } = await import("node:crypto");
  await terminal.shows(createHash("sha256").update(text).digest("hex"));
  assert.equal((await terminal.next("exit"))["exit_code"], 0);
});

test("binary frames both ways, asked for by sub-protocol", async () => {
  const terminal = await open({ ...shell, cmd: "sh", args: ["-c", "stty raw -echo; echo go; head -c 256"] }, [
    "wrenn.pty.binary",
  ]);
  await terminal.shows("go");
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  terminal.socket.send(all);
  await terminal.next("exit");
  assert.ok(terminal.output().subarray(-256).equals(all));
});

test("a client that acknowledges is never sent too much ahead; one that does not still gets everything", async () => {
  const size = 2_000_000;
  const start = { ...shell, cmd: "sh", args: ["-c", `stty raw; head -c ${size} /dev/zero | tr '\\0' x`] };
  const acknowledging = await open(start);
  await acknowledging.next("started");
  acknowledging.send({ type: "ack", bytes: 0 });
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const ahead = acknowledging.output().length;
  assert.ok(ahead < 1_500_000, `${ahead} bytes came without an acknowledgement`);
  let acknowledged = 0;
  const pump = setInterval(() => {
    const seen = acknowledging.output().length;
    if (seen > acknowledged) acknowledging.send({ type: "ack", bytes: seen - acknowledged });
    acknowledged = seen;
  }, 20);
  await acknowledging.next("exit");
  clearInterval(pump);
  assert.equal(acknowledging.output().length, size);
  const plain = await open(start);
  await plain.next("exit");
  assert.equal(plain.output().length, size);
});

test("full-screen programs work: top draws, quits on q", async () => {
  const terminal = await open({ ...shell, cmd: "top", args: [] });
  await terminal.shows("Tasks:");
  terminal.type("q");
  assert.equal((await terminal.next("exit"))["exit_code"], 0);
});

test("input to a terminal whose program has ended is no failure of the server", async () => {
  const terminal = await open({ ...shell, cmd: "true", args: [] });
  await terminal.next("exit");
  terminal.type("anyone?");
  await terminal.ended();
  assert.equal((await server.shell(id, "echo alive")).stdout, "alive\n");
});

test("a kill and a resize do not wait behind input that nothing reads", async () => {
  const script = "stty raw -echo; trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done";
  const terminal = await open({ type: "start", cmd: "sh", args: ["-c", script] });
  await terminal.shows("ready");
  const data = Buffer.alloc(48_000).toString("base64");
  for (let n = 0; n < 90; n++) terminal.send({ type: "input", data });
  terminal.send({ type: "resize", cols: 77, rows: 22 });
  await terminal.shows("22 77", 5);
  terminal.send({ type: "kill" });
  assert.equal((await terminal.next("exit", 5))["exit_code"], 137);
});
