import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { findLeftovers, identifyProcess } from "@wrenn/system";
import { leftSince } from "../support/left-of-capsules.ts";
import { ServerProcess } from "../support/server-process.ts";
import { StreamClient } from "../support/stream-client.ts";

const CAPSULES = process.env["WRENN_TEST_LONG"] === "1" ? 10 : 3;

let server: ServerProcess;
let found: readonly string[];
before(async () => {
  found = await findLeftovers();
  server = await ServerProcess.start();
});
after(async () => {
  await server.close();
  assert.deepEqual(await leftSince(found), []);
});

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
}
interface Logs {
  readonly stdout: { readonly data: string; readonly offset: number };
  readonly exit?: { readonly exit_code: number };
}

test("capsules outlive the server: after kill -9 all answer, and every stream goes on at its offset", async () => {
  const ids = await Promise.all(
    Array.from({ length: CAPSULES }, () => server.api.capsule(undefined, { memory_mb: 256 })),
  );
  const terminals = await Promise.all(
    ids.map(async (id) => {
      const client = await StreamClient.open(server.api, `/v1/capsules/${id}/pty`, {
        type: "start",
        cmd: "bash",
        args: ["--norc"],
        extended: true,
      });
      const tag = String((await client.next("started"))["tag"]);
      client.type(`echo here-is-$((40+2))\r`);
      await client.shows("here-is-42");
      return { id, client, tag };
    }),
  );
  for (const id of ids) {
    // Counts through the crash, and ends by itself while no server runs or soon after.
    await server.api.exec(
      id,
      "sh",
      ["-c", "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo tick $i; sleep 0.1; done; exit 6"],
      {
        background: true,
        tag: "ticker",
      },
    );
  }
  const [first = ""] = ids;
  await server.api.shell(first, "head -c 200M /dev/zero > /root/big");
  const download = fetch(new URL(`/v1/capsules/${first}/files/content?path=/root/big`, server.api.url), {
    headers: { "x-api-key": server.api.apiKey },
  }).catch(() => undefined);
  await server.kill();
  await download;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await server.start();

  const listed = await server.api.call<CapsuleBody[]>("GET", "/v1/capsules");
  assert.deepEqual(
    listed.body.map(({ id, status }) => `${id} ${status}`).toSorted(),
    ids.map((id) => `${id} running`).toSorted(),
  );
  for (const { id, client, tag } of terminals) {
    const seen = client.output().length;
    const again = await StreamClient.open(server.api, `/v1/capsules/${id}/pty`, {
      type: "connect",
      tag,
      from: seen,
    });
    await again.next("started");
    again.type("echo still-$((1+1))\r");
    await again.shows("still-2");
    const whole = Buffer.concat([client.output(), again.output()]).toString("utf8");
    assert.equal(
      whole.match(/here-is-42/g)?.length,
      1,
      "what was seen before comes neither twice nor is it lost",
    );
    const replay = await StreamClient.open(server.api, `/v1/capsules/${id}/pty`, { type: "connect", tag });
    await replay.shows("here-is-42");
    again.type("exit 4\r");
    assert.equal((await again.next("exit"))["exit_code"], 4);
  }
  for (const id of ids) {
    const logs = await eventually("the ticker ends", async () => {
      const { body } = await server.api.call<Logs>("GET", `/v1/capsules/${id}/processes/ticker/logs`);
      return body.exit && { exit: body.exit, stdout: body.stdout };
    });
    assert.equal(logs.exit.exit_code, 6);
    assert.equal(logs.stdout.data, Array.from({ length: 40 }, (_, n) => `tick ${n + 1}\n`).join(""));
  }
  for (const id of ids) await server.api.call("DELETE", `/v1/capsules/${id}`);
});

test("a machine that died while no server ran is a failed capsule, and gives everything back", async () => {
  const dead = await server.api.capsule(undefined, { memory_mb: 256 });
  const alive = await server.api.capsule(undefined, { memory_mb: 256 });
  const record = join(server.dataDirectory, "capsules", dead, "run", "machine.json");
  const { pid } = JSON.parse(await readFile(record, "utf8")) as { pid: number };
  await server.kill();
  process.kill(pid, "SIGKILL");
  await eventually("the machine is gone", async () => (await identifyProcess(pid)) === undefined);
  await server.start();
  assert.equal((await server.api.call<CapsuleBody>("GET", `/v1/capsules/${dead}`)).body.status, "error");
  assert.equal((await server.api.shell(alive, "echo fine")).stdout, "fine\n");
  const left = await findLeftovers();
  assert.deepEqual(
    left.filter((item) => item.includes(dead)),
    [],
  );
  for (const id of [dead, alive])
    assert.equal((await server.api.call("DELETE", `/v1/capsules/${id}`)).status, 204);
});

test("a machine that is killed under a running server fails its capsule and nothing else", async () => {
  const dead = await server.api.capsule(undefined, { memory_mb: 256 });
  const record = join(server.dataDirectory, "capsules", dead, "run", "machine.json");
  const { pid } = JSON.parse(await readFile(record, "utf8")) as { pid: number };
  const stream = await StreamClient.open(server.api, `/v1/capsules/${dead}/exec/stream`, {
    type: "start",
    cmd: "sleep",
    args: ["1000"],
  });
  await stream.next("start");
  process.kill(pid, "SIGKILL");
  const error = await stream.next("error");
  assert.match(String(error["data"]), /machine|guest/);
  await eventually(
    "the capsule is shown as failed",
    async () => (await server.api.call<CapsuleBody>("GET", `/v1/capsules/${dead}`)).body.status === "error",
  );
  const refused = await server.api.exec(dead, "true");
  assert.equal(refused.status, 409);
  assert.equal((await server.api.call("DELETE", `/v1/capsules/${dead}`)).status, 204);
});
