import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());
const id = await server.capsule(undefined);

test("every command has a cgroup of its own", async () => {
  const [first, second] = await Promise.all([
    server.shell(id, "cat /proc/self/cgroup"),
    server.shell(id, "cat /proc/self/cgroup"),
  ]);
  assert.match(first.stdout, /^0::\/p\d+\n$/);
  assert.notEqual(first.stdout, second.stdout);
});

test("a timeout ends descendants that left session and parents", async () => {
  const daemon = "setsid setsid sh -c '(sleep 1000 >/dev/null 2>&1 & echo $! >/tmp/daemon)'";
  const { body } = await server.exec(id, "sh", ["-c", `${daemon}; sleep 1000`], { timeout_sec: 2 });
  assert.ok(body.timed_out === true && body.exit_code === 124, JSON.stringify(body));
  const state = await server.shell(id, "kill -0 $(cat /tmp/daemon) 2>/dev/null && echo lives || echo gone");
  assert.equal(state.stdout, "gone\n");
});

test("a hundred commands leave no cgroup, zombie or process behind", async () => {
  // Without the kernel's own threads, which come and go by themselves.
  const count =
    "ls -d /sys/fs/cgroup/p* | wc -l; ps --ppid 2 -p 2 --deselect -o pid= | wc -l; ps -eo stat | grep -c ^Z";
  const counted = async (): Promise<string> => (await server.shell(id, count)).stdout;
  const before = await counted();
  for (let round = 0; round < 10; round++)
    await Promise.all(Array.from({ length: 10 }, () => server.shell(id, "true")));
  // What has just ended is cleared away a moment later.
  let last = "";
  await eventually("everything is cleared away", async () => (last = await counted()) === before, {
    details: () => ({ before, last }),
  });
});
