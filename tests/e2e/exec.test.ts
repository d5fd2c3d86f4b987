import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());
const id = await server.capsule(undefined);

test("standard output, standard error and exit code come back exactly", async () => {
  const { status, body } = await server.exec(id, "sh", ["-c", "printf out; printf err >&2; exit 3"]);
  assert.equal(status, 200);
  assert.deepEqual(
    { ...body, duration_ms: 0 },
    {
      sandbox_id: id,
      cmd: "sh",
      stdout: "out",
      stderr: "err",
      exit_code: 3,
      duration_ms: 0,
      encoding: "utf-8",
    },
  );
  assert.ok(body.duration_ms > 0);
});

test("python runs", async () => {
  const { body } = await server.exec(id, "python3", ["-c", "print(6*7)"]);
  assert.deepEqual([body.stdout, body.exit_code], ["42\n", 0]);
});

test("arguments are passed on as they are, without a shell", async () => {
  const { body } = await server.exec(id, "printf", ["%s|", "a b", "$HOME", "*", "ü"]);
  assert.equal(body.stdout, "a b|$HOME|*|ü|");
});

test("environment and working directory apply; the default is root's home", async () => {
  assert.equal((await server.shell(id, "pwd; whoami; echo $HOME")).stdout, "/root\nroot\n/root\n");
  const { stdout } = await server.shell(id, 'pwd; echo "$GREETING"', {
    cwd: "/tmp",
    envs: { GREETING: "hello world" },
  });
  assert.equal(stdout, "/tmp\nhello world\n");
});

test("what the kernel cannot be told is an error of the request", async () => {
  for (const words of [
    { envs: { "A=B": "1" } },
    { envs: { "": "1" } },
    { args: ["a\0b"] },
    { cmd: "a\0b" },
  ]) {
    const { status, body } = await server.call<{ error?: { reason: string } }>(
      "POST",
      `/v1/capsules/${id}/exec`,
      { cmd: "env", ...words },
    );
    assert.deepEqual([status, body.error?.reason], [400, "invalid_field"], JSON.stringify(words));
  }
  const { status, body } = await server.exec(id, "env", [], { envs: { "A B": "1", é: "ü", EMPTY: "" } });
  assert.equal(status, 200);
  assert.match(body.stdout, /^A B=1\né=ü\nEMPTY=$/m);
});

test("output that is not UTF-8 comes back as base64 on both streams", async () => {
  const body = await server.shell(id, "printf '\\377\\000'; printf plain >&2");
  assert.equal(body.encoding, "base64");
  assert.deepEqual(Buffer.from(body.stdout, "base64"), Buffer.from([0xff, 0]));
  assert.equal(Buffer.from(body.stderr, "base64").toString(), "plain");
});

test("a program that does not exist is 127 with a reason, a directory is 126", async () => {
  const missing = await server.exec(id, "no-such-program");
  assert.deepEqual([missing.status, missing.body.exit_code], [200, 127]);
  assert.match(missing.body.stderr, /no-such-program/);
  assert.equal((await server.exec(id, "/tmp")).body.exit_code, 126);
});

test("death by signal is 128 + n", async () => {
  assert.equal((await server.shell(id, "kill -TERM $$")).exit_code, 143);
});

test("a timeout kills the whole group and returns what was printed, marked", async () => {
  const body = await server.shell(id, "echo started; sleep 600 & sleep 600", { timeout_sec: 1 });
  assert.equal(body.stdout, "started\n");
  assert.equal(body.timed_out, true);
  assert.equal(body.exit_code, 124);
  const { stdout } = await server.shell(id, "ps -eo args | grep -c '^sleep 600' || true");
  assert.equal(stdout, "0\n");
});

test("a megabyte of output is complete", async () => {
  const body = await server.shell(id, "head -c 1000000 /dev/zero | tr '\\0' x");
  assert.equal(body.stdout.length, 1_000_000);
  assert.match(body.stdout, /^x+$/);
});

test("a missing cwd, an empty cmd and a capsule that is not there are told apart", async () => {
  const cwd = await server.exec(id, "true", [], { cwd: "/nowhere" });
  assert.deepEqual(
    [cwd.status, (cwd.body as never as { error: { code: string; reason: string } }).error.reason],
    [400, "cwd_not_found"],
  );
  assert.equal((await server.exec(id, "")).status, 400);
  assert.equal((await server.exec(`cl-${"0".repeat(25)}`, "true")).status, 404);
  assert.equal((await server.exec("cl-short", "true")).status, 400);
});

test("resource limits hold for the command", async () => {
  const files = await server.exec(id, "sh", ["-c", "ulimit -n; ulimit -f"], {
    limits: { open_files: 17, file_bytes: 51_200 },
  });
  assert.equal(files.body.stdout, "17\n100\n");
  const cpu = await server.exec(id, "sh", ["-c", "while :; do :; done"], {
    limits: { cpu_seconds: 1 },
    timeout_sec: 60,
  });
  assert.ok([137, 152].includes(cpu.body.exit_code), `ended with ${cpu.body.exit_code}`);
  const wrong = await server.exec(id, "true", [], { limits: { open_files: -1 } });
  assert.equal(wrong.status, 400);
});

test("an argument list that is too large is refused, and the capsule does not notice", async () => {
  const answer = await server.exec(id, "true", ["x".repeat(5_000_000)]);
  assert.equal(answer.status, 413);
  const longest = await server.exec(id, "sh", ["-c", 'echo "${#1}"', "sh", "x".repeat(120_000)]);
  assert.deepEqual([longest.status, longest.body.stdout], [200, "120000\n"]);
  const beyond = await server.exec(id, "true", ["x".repeat(400_000)]);
  assert.equal(beyond.status, 400, JSON.stringify(beyond.body));
});

test("the promised programs are there and work", async () => {
  const line =
    "git --version; curl --version | head -1; wget --version | head -1; sudo -n true && echo sudo; ip -V; less --version | head -1; ps --version; nano --version | head -1";
  const { stdout } = await server.shell(id, line);
  const version = /git version (\d+)\.(\d+)/.exec(stdout);
  assert.ok(version && Number(version[1]) * 1000 + Number(version[2]) >= 2028, stdout);
  for (const word of ["curl", "Wget", "sudo", "iproute2", "less", "procps", "nano"])
    assert.match(stdout, new RegExp(word), word);
  assert.equal((await server.shell(id, "su user -c 'sudo -n id -u; id -u'")).stdout, "0\n1000\n");
});
