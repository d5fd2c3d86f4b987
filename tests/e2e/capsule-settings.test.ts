import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

const read = async (named: string): Promise<CapsuleBody> =>
  (await server.call<CapsuleBody>("GET", `/v1/capsules/${named}`)).body;
const change = async (named: string, body: object): Promise<number> =>
  (await server.call("PATCH", `/v1/capsules/${named}`, body)).status;
const becomes = async (named: string, status: string): Promise<void> => {
  await eventually(`${named} is ${status}`, async () => (await read(named)).status === status, {
    intervalMs: 50,
  });
};
const mebibytes = async (named: string): Promise<number> =>
  Number((await server.shell(named, "df -m --output=size / | tail -1")).stdout.trim());

test("a named capsule with defaults: commands and hooks have its environment, user and directory", async (t) => {
  const envs = { GREETING: "hello, world", PLACE: "here" };
  const id = await server.capsule(t, {
    name: "described",
    metadata: { stage: "test" },
    envs,
    user: "user",
    cwd: "/tmp",
  });
  const { metadata = {} } = await read("described");
  assert.equal(metadata["stage"], "test");
  assert.match(metadata["kernel_version"] ?? "", /^\d/, "the versions are there too");
  const line = 'echo "$GREETING/$(id -un)/$PWD"';
  assert.equal((await server.shell("described", line)).stdout, "hello, world/user//tmp\n");
  const named = await server.shell("described", line, { user: "root", cwd: "/", envs: { GREETING: "hi" } });
  assert.equal(named.stdout, "hi/root//\n");
  const hooks = "/etc/wrenn/on-restore.d";
  const hook = `mkdir -p ${hooks} && printf '%s\\n' '#!/bin/sh' '${line} >/tmp/hook' >${hooks}/1 && chmod +x ${hooks}/1`;
  assert.equal((await server.shell("described", hook, { user: "root" })).exit_code, 0);
  assert.equal((await server.call("POST", "/v1/capsules/described/pause")).status, 200);
  assert.equal((await server.call("POST", "/v1/capsules/described/resume")).status, 200);
  assert.equal((await server.shell("described", "cat /tmp/hook")).stdout, "hello, world/user//tmp\n");
  assert.equal((await server.shell(id, line)).stdout, "hello, world/user//tmp\n", "also after a resume");
  const client = await StreamClient.open(server, "/v1/capsules/described/pty");
  t.after(() => client.socket.terminate());
  client.send({ type: "start", cmd: "/bin/sh", args: ["-c", line] });
  await eventually("the terminal says it", () => client.text.includes("hello, world/user//tmp"));
});

test("the disk of a capsule has the size that was asked for, and keeps it through pause and fork", async (t) => {
  const id = await server.capsule(t, { name: "large", disk_mb: 8192 });
  const size = await mebibytes(id);
  assert.ok(size > 7500 && size <= 8192, `${size} MiB`);
  const filled = await server.shell(id, "fallocate -l 6G /big && sync && echo more >/more && ls -s /big");
  assert.equal(filled.exit_code, 0, filled.stderr);
  assert.equal((await server.call("POST", "/v1/capsules/large/pause")).status, 200);
  assert.equal((await server.call("POST", "/v1/capsules/large/resume")).status, 200);
  assert.equal(await mebibytes(id), size);
  assert.equal((await server.shell(id, "cat /more; rm /big")).stdout, "more\n");
  const { body: forks } = await server.call<CapsuleBody[]>("POST", "/v1/capsules/large/fork");
  const fork = forks[0]?.id ?? "";
  t.after(() => server.call("DELETE", `/v1/capsules/${fork}`));
  assert.equal(await mebibytes(fork), size);
  const ordinary = await mebibytes(await server.capsule(t));
  assert.ok(ordinary < 5120, `${ordinary} MiB`);
});

test("changed timeouts count at once: an idle capsule is paused, and auto_resume resumes it", async (t) => {
  await server.capsule(t, { name: "changing" });
  assert.equal(await change("changing", { timeout_sec: 1, auto_resume: true, name: "changed" }), 200);
  await becomes("changed", "paused");
  assert.equal((await server.shell("changed", "echo here")).stdout, "here\n");
  assert.equal(await change("changed", { timeout_sec: 0, max_lifetime_sec: 1 }), 200);
  await becomes("changed", "paused");
});

test("extend moves the end of a run; a capsule that is to be destroyed at its end is, and frees its name", async (t) => {
  const id = await server.capsule(t, { name: "short", max_lifetime_sec: 3, on_lifetime_end: "destroy" });
  assert.equal((await server.call("POST", "/v1/capsules/short/extend", { by_sec: 60 })).status, 200);
  await new Promise((resolve) => setTimeout(resolve, 4500));
  assert.equal((await read("short")).status, "running");
  assert.equal((await server.call("POST", "/v1/capsules/short/extend", { from_now_sec: 1 })).status, 200);
  await becomes(id, "stopped");
  assert.equal((await server.call("GET", "/v1/capsules/short")).status, 404);
  await server.capsule(t, { name: "short" });
});
