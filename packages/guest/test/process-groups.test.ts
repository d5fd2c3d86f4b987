import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleProcess } from "@wrenn/protocol";
import { collect, request, shell } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";
import { TestCgroup } from "./support/test-cgroup.ts";

const signal = AbortSignal.timeout(60_000);
const cgroup = await TestCgroup.make();
const agent = await NativeAgent.start(cgroup?.path);
const link = await agent.connect();
after(async () => {
  await link.detach();
  await agent[Symbol.asyncDispose]();
  await cgroup?.remove();
});
const needsCgroups = { skip: cgroup ? false : "no cgroup version 2 to use here" };

const lives = async (pid: number): Promise<boolean> => {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/\) [ZX] /.test(stat);
};

/** Starts a shell line that prints pids, and reads the given number of them. */
async function startPrinting(
  line: string,
  count: number,
): Promise<{ process: CapsuleProcess; pids: number[] }> {
  const process = await link.processes.start(request("sh", ["-c", line]), signal);
  let text = "";
  for await (const event of process.output("oldest", signal)) {
    if (event.type === "data") text += Buffer.from(event.bytes).toString();
    if (text.split("\n").length > count) break;
  }
  return { process, pids: text.split("\n").slice(0, count).map(Number) };
}

test("a kill of the tree reaches descendants that left session and parents", needsCgroups, async () => {
  const { process, pids } = await startPrinting(
    "setsid sh -c 'sleep 1000 & echo $!; exit' & setsid setsid sh -c '(sleep 1000 & echo $!) ; exit' & wait; sleep 1000",
    2,
  );
  assert.deepEqual(await Promise.all(pids.map(lives)), [true, true]);
  await process.kill(9, "tree", signal);
  assert.deepEqual(await process.wait(signal), { exitCode: 137, signal: 9 });
  await eventually(
    "all descendants have ended",
    async () => !(await Promise.all(pids.map(lives))).includes(true),
  );
});

test("a gentle signal to the tree reaches descendants that left the session", needsCgroups, async () => {
  const { process, pids } = await startPrinting("setsid sleep 1000 & echo $!; wait", 1);
  await process.kill(15, "tree", signal);
  assert.deepEqual(await process.wait(signal), { exitCode: 143, signal: 15 });
  await eventually("the descendant has ended", async () => !(await lives(pids[0] ?? 0)));
});

test("the tree can be killed when the process itself has long ended", needsCgroups, async () => {
  const { process, pids } = await startPrinting("setsid sleep 1000 & echo $!; exit 0", 1);
  assert.deepEqual(await process.wait(signal), { exitCode: 0 });
  await process.kill(9, "tree", signal);
  await eventually("the descendant has ended", async () => !(await lives(pids[0] ?? 0)));
});

test("a signal right after the start is not lost", async () => {
  await using plain = await NativeAgent.start();
  const other = await plain.connect();
  for (const { processes } of [link, other]) {
    for (const scope of ["group", "tree"] as const) {
      for (let round = 0; round < 50; round++) {
        const process = await processes.start(request("sleep", ["1000"]), signal);
        await process.kill(15, scope, signal);
        assert.deepEqual(await process.wait(AbortSignal.timeout(5000)), { exitCode: 143, signal: 15 });
      }
    }
  }
  await other.detach();
});

test("a signal to the group reaches the rest of it when its leader has ended", async () => {
  const { process, pids } = await startPrinting("sleep 1000 & echo $!; exit 4", 1);
  assert.deepEqual(await process.wait(signal), { exitCode: 4 });
  assert.equal(await lives(pids[0] ?? 0), true);
  await process.kill(15, "group", signal);
  await eventually("the rest of the group has ended", async () => !(await lives(pids[0] ?? 0)));
});

test("without cgroups, too", async () => {
  await using plain = await NativeAgent.start();
  const other = await plain.connect();
  const process = await other.processes.start(request("sh", ["-c", "sleep 1000 & echo $!; exit 4"]), signal);
  await process.wait(signal);
  await process.kill(15, "group", signal);
  // The pipe reaches its end only when the last of the group is gone.
  const { stdout } = await collect(process);
  await eventually("the rest of the group has ended", async () => !(await lives(Number(stdout.toString()))));
  await other.detach();
});

test(
  "freezing stops everything until it is thawed; without cgroups it is refused",
  needsCgroups,
  async () => {
    const process = await link.processes.start(
      request("sh", ["-c", "while :; do echo tick; sleep 0.01; done"]),
      signal,
    );
    await link.quiesce({ sync: false, dropCache: false, freeze: true }, signal);
    const end = async (): Promise<number> => {
      for await (const event of process.output("now", AbortSignal.timeout(300))) {
        if (event.type === "data") return event.offset + event.bytes.length;
      }
      return 0;
    };
    await new Promise((resolve) => setTimeout(resolve, 100));
    await assert.rejects(end(), { name: "TimeoutError" }, "nothing may be printed while frozen");
    await link.thaw(signal);
    assert.ok((await end()) > 0);
    await process.kill(9, "tree", signal);

    await using plain = await NativeAgent.start();
    const other = await plain.connect();
    await assert.rejects(
      other.quiesce({ sync: false, dropCache: false, freeze: true }, signal),
      (error) => error instanceof WrennError && /without cgroups/.test(error.message),
    );
    await other.detach();
  },
);

test(
  "a command that starts while everything is frozen is answered, and runs once it is thawed",
  needsCgroups,
  async () => {
    await link.quiesce({ sync: false, dropCache: false, freeze: true }, signal);
    const process = await link.processes.start(request("echo", ["thawed"]), AbortSignal.timeout(10_000));
    assert.ok((await link.info(AbortSignal.timeout(10_000))).uptimeMs > 0, "the agent answers");
    await link.thaw(signal);
    assert.equal((await collect(process)).stdout.toString(), "thawed\n");
  },
);

test("a cgroup goes with its last process", needsCgroups, async () => {
  await Promise.all(Array.from({ length: 20 }, () => shell(link, "exit 0")));
  const { pids } = await startPrinting("setsid sleep 1000 >/dev/null 2>&1 & echo $!", 1);
  // Those that still held a descendant when they were given up are looked after at each start.
  const onlyOne = async (): Promise<boolean> => {
    await shell(link, "exit 0");
    return (await cgroup?.groups())?.length === 2;
  };
  await eventually("only the daemon's cgroup is left, and one for the next command", onlyOne);
  process.kill(pids[0] ?? 0, "SIGKILL");
  await eventually("the daemon has ended", async () => !(await lives(pids[0] ?? 0)));
  const none = async (): Promise<boolean> => {
    await shell(link, "exit 0");
    return (await cgroup?.groups())?.length === 1;
  };
  await eventually("the daemon's cgroup is gone", none);
});
