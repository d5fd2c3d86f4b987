import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { after, before, test } from "node:test";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.close());

test("a create, pause, resume and fork start no program from the server's process, whose event loop that holds up", async (t) => {
  const started: ChildProcess[] = [];
  const note = (message: unknown): void => void started.push((message as { process: ChildProcess }).process);
  subscribe("child_process", note);
  try {
    const id = await server.capsule(t);
    const verb = (name: string, body?: unknown) =>
      server.call<readonly { readonly id: string }[]>("POST", `/v1/capsules/${id}/${name}`, body);
    assert.equal((await verb("pause")).status, 200);
    assert.equal((await verb("resume")).status, 200);
    // More than the slots that are kept ready, so that some are made.
    const fork = await verb("fork", { count: 5 });
    assert.equal(fork.status, 201, JSON.stringify(fork.body));
    for (const child of fork.body) await server.call("DELETE", `/v1/capsules/${child.id}`);
  } finally {
    unsubscribe("child_process", note);
  }
  assert.deepEqual(
    started.map(({ spawnargs }) => spawnargs),
    [],
  );
});
