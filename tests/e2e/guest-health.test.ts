/* Drawn: packages/host-agent/test/guest-health.test.ts shows the same on fake machines. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { ExecBody } from "../support/api-caller.ts";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

interface CapsuleBody {
  readonly status: string;
  readonly health?: string;
  readonly disk_full?: boolean;
}
interface ListedEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** On a host with other work everything takes longer, also what the guest has to do. */
const patience = { timeoutMs: 90_000 };
let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.close());

const read = async (id: string): Promise<CapsuleBody> =>
  (await server.call<CapsuleBody>("GET", `/v1/capsules/${id}`)).body;

/** Events of these kinds of a capsule, the oldest first. */
async function eventsOf(id: string, ...kinds: string[]): Promise<readonly ListedEvent[]> {
  const path = `/v1/events/history?capsule=${id}&types=${kinds.join(",")}`;
  return (await server.call<readonly ListedEvent[]>("GET", path)).body.toReversed();
}

async function becomes(id: string, health: string): Promise<void> {
  await eventually(`it is ${health}`, async () => (await read(id)).health === health, patience);
}

/** A program of the guest that gets no answer from the shell that started it. */
const later = (line: string): string => `(sleep 0.5; ${line}) >/dev/null 2>&1 & sleep 0.1`;
const eatMemory = "x = []\nwhile True: x.append(b'x' * (4 << 20))";
/** Puts PID 1 into a cgroup that can be frozen, and freezes it until a file appears. */
const freezeAgent =
  "cd /sys/fs/cgroup; mkdir frozen; echo 1 > frozen/cgroup.procs; echo 1 > frozen/cgroup.freeze; " +
  "while ! [ -e /thaw ]; do sleep 0.5; [ $((i = i + 1)) -lt ${SECONDS_FROZEN:-30} ] || break; done; " +
  "echo 0 > frozen/cgroup.freeze; echo 1 > cgroup.procs";

for (const memory of [128, 512]) {
  test(
    `a program that eats all of ${memory} MiB is killed alone, and reported`,
    { timeout: 300_000 },
    async (t) => {
      const id = await server.capsule(t, { memory_mb: memory });
      const terminal = await StreamClient.open(server, `/v1/capsules/${id}/pty`, {
        type: "start",
        cmd: "bash",
        args: ["--norc", "--noprofile"],
        envs: { PS1: "$ " },
      });
      await terminal.next("started");
      await server.exec(id, "sleep", ["600"], { background: true, tag: "bystander" });
      const { body }: { readonly body: ExecBody & { readonly signal?: number } } = await server.exec(
        id,
        "python3",
        ["-c", eatMemory],
        { timeout_sec: 240 },
      );
      assert.deepEqual([body.exit_code, body.signal], [137, 9], JSON.stringify(body));
      // The terminal's shell, the other command and the agent live.
      terminal.type("echo still-$((1 + 1))\r");
      await terminal.shows("still-2");
      assert.equal((await server.shell(id, "pgrep -xc sleep")).stdout, "1\n");
      assert.equal((await server.exec(id, "true")).body.exit_code, 0);
      const [event] = await eventually(
        "it is reported",
        async () => {
          const events = await eventsOf(id, "capsule.out_of_memory");
          return events.length > 0 && events;
        },
        patience,
      );
      assert.equal(event?.data["process"], "python3");
      assert.ok(Number(event.data["memory_bytes"]) > 16 << 20, JSON.stringify(event));
      assert.equal((await read(id)).health, "ok");
    },
  );
}

test(
  "a full disk is reported once for each crossing, and can be cleared",
  { timeout: 300_000 },
  async (t) => {
    const id = await server.capsule(t, { memory_mb: 256 });
    const kinds = ["capsule.disk_full", "capsule.disk_freed"] as const;
    // Space is taken without being written: the file is as large for the file system, and the host keeps its disk.
    const fill = await server.shell(
      id,
      "fallocate -l 100G /big; fallocate -l $(($(stat -f -c '%f*%S' /))) /big; echo x > /x; echo $?",
      {
        timeout_sec: 120,
      },
    );
    assert.match(fill.stderr, /No space left/);
    await eventually("it is reported", async () => (await read(id)).disk_full === true, patience);
    assert.equal((await server.shell(id, "cat /etc/hostname | wc -l; rm /big")).stdout, "1\n");
    await eventually("it is free again", async () => (await read(id)).disk_full === undefined, patience);
    const names = (await eventsOf(id, ...kinds)).map(
      ({ event, data }) => `${event} ${String(data["resource"])}`,
    );
    assert.deepEqual(names, ["capsule.disk_full space", "capsule.disk_freed space"]);
  },
);

test(
  "a fork bomb leaves room for another command, and ends with its command",
  { timeout: 300_000 },
  async (t) => {
    for (const bomb of [
      "bomb() { bomb | bomb & }; bomb",
      'bomb() { setsid bash -c "$(declare -f bomb); bomb; bomb" & }; bomb; bomb',
    ]) {
      const id = await server.capsule(t, { memory_mb: 256 });
      await server.exec(id, "bash", ["-c", `${bomb}; sleep 600`], { background: true, tag: "bomb" });
      /** Not a number where the bomb holds the command up for longer than its time. */
      const count = async (): Promise<number> => {
        const { status, body } = await server.exec(id, "cat", ["/sys/fs/cgroup/pids.current"], {
          timeout_sec: 60,
        });
        return status === 200 && body.exit_code === 0 ? Number(body.stdout) : Number.NaN;
      };
      await eventually("it has grown", async () => (await count()) > 25, patience);
      const began = performance.now();
      assert.ok((await count()) > 0);
      const tookMs = performance.now() - began;
      assert.ok(tookMs < 10_000, `another command took ${tookMs} ms: it has its share of the processor`);
      const { status } = await server.call("DELETE", `/v1/capsules/${id}/processes/bomb`);
      assert.ok(status < 300, `the kill answered ${status}`);
      await eventually("nothing of it is left", async () => (await count()) < 20, patience);
      await server.call("DELETE", `/v1/capsules/${id}`);
    }
  },
);

test(
  "root cannot kill or stop the guest agent, and takes nothing away that commands need",
  { timeout: 300_000 },
  async (t) => {
    const id = await server.capsule(t, { memory_mb: 256 });
    assert.equal(
      (await server.shell(id, "kill -STOP 1; kill -KILL 1; kill -9 -1; echo here")).stdout,
      "here\n",
    );
    assert.equal((await server.shell(id, "echo on")).stdout, "on\n");
    for (const place of ["/dev", "/sys", "/proc"]) await server.shell(id, `mount -t tmpfs none ${place}`);
    assert.equal((await server.shell(id, "ls /proc /sys; echo on")).stdout, "/proc:\n\n/sys:\non\n");
    const terminal = await StreamClient.open(server, `/v1/capsules/${id}/pty`, {
      type: "start",
      cmd: "bash",
    });
    terminal.type("test -t 0 && echo is-a-$((1))tty; exit\r");
    await terminal.shows("is-a-1tty");
    await server.shell(id, "umount /proc /sys /dev");
    const unbind = "cd /sys/bus/virtio/drivers/virtio_console; for v in virtio*; do echo $v > unbind; done";
    await server.shell(id, later(unbind));
    await eventually(
      "it is back",
      async () => (await server.exec(id, "dmesg")).body.exit_code === 0,
      patience,
    );
    assert.equal((await read(id)).status, "running");
  },
);

test(
  "a guest agent that is held is reported, and its capsule can be paused to disk",
  { timeout: 300_000 },
  async (t) => {
    const id = await server.capsule(t, { memory_mb: 256 });
    await server.shell(id, "echo kept > /kept; sync");
    await server.shell(id, later(`SECONDS_FROZEN=40; ${freezeAgent}`));
    await becomes(id, "not_answering");
    await becomes(id, "ok");
    const turns = await eventsOf(id, "capsule.not_answering", "capsule.answering");
    assert.deepEqual(
      turns.slice(0, 2).map(({ event }) => event),
      ["capsule.not_answering", "capsule.answering"],
    );
    await server.shell(id, later(`SECONDS_FROZEN=1000; ${freezeAgent.replace("mkdir frozen; ", "")}`));
    await becomes(id, "not_answering");
    assert.equal((await server.call("GET", `/v1/capsules/${id}/logs?source=console`)).status, 200);
    const paused = await server.call("POST", `/v1/capsules/${id}/pause`, { memory: false });
    assert.equal(paused.status, 200, JSON.stringify(paused.body));
    assert.equal((await read(id)).health, undefined);
    assert.equal((await server.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
    await becomes(id, "ok");
    assert.equal((await server.shell(id, "cat /kept")).stdout, "kept\n");
  },
);
