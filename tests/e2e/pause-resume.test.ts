import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.close());

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
  readonly host_ip?: string;
}
interface Refusal {
  readonly error: { readonly code: string; readonly reason: string };
}

const verb = <T = CapsuleBody>(id: string, name: string, body?: unknown) =>
  server.call<T>("POST", `/v1/capsules/${id}/${name}`, body);

async function must(id: string, name: string, status: string): Promise<CapsuleBody> {
  const answer = await verb(id, name);
  assert.deepEqual([answer.status, answer.body.status], [200, status], JSON.stringify(answer.body));
  return answer.body;
}

/** A program whose memory and counter tell whether it was ever restarted or damaged. */
const program = `
import hashlib, time
data = bytes(range(256)) * 1024
n = 0
while True:
    n += 1
    open('/tmp/count', 'w').write(f'{n} {hashlib.sha256(data).hexdigest()[:16]}')
    time.sleep(0.02)
`;

async function startProgram(id: string): Promise<void> {
  const { status } = await server.exec(id, "python3", ["-c", program], { background: true, tag: "counter" });
  assert.equal(status, 202);
  await reads(id, 1);
}

async function reads(id: string, atLeast: number): Promise<{ count: number; sum: string }> {
  const look = async (): Promise<{ count: number; sum: string } | undefined> => {
    const { stdout } = await server.shell(id, "cat /tmp/count 2>/dev/null || true");
    const [count = "0", sum = ""] = stdout.split(" ");
    return Number(count) >= atLeast && sum !== "" ? { count: Number(count), sum } : undefined;
  };
  return await eventually(`the program has counted to ${atLeast}`, look, { intervalMs: 100 });
}

test("a paused capsule holds no process; resumed, its program goes on where it was", async (t) => {
  const id = await server.capsule(t);
  await startProgram(id);
  await server.shell(id, "echo kept > /root/file");
  const before = await reads(id, 5);
  for (let cycle = 0; cycle < 6; cycle++) {
    const paused = await must(id, "pause", "paused");
    assert.equal(paused.host_ip, undefined);
    assert.deepEqual(await machinesOf(id), []);
    await must(id, "resume", "running");
    const now = await reads(id, before.count + cycle);
    assert.equal(now.sum, before.sum);
  }
  assert.equal((await server.shell(id, "cat /root/file")).stdout, "kept\n");
  const skew = Math.abs(Number((await server.shell(id, "date +%s%N")).stdout) / 1e6 - Date.now());
  assert.ok(skew < 2000, `the clock is ${skew} ms off`);
});

test("open streams stay open across a pause and lose nothing", async (t) => {
  const id = await server.capsule(t);
  const exec = await StreamClient.open(server, `/v1/capsules/${id}/exec/stream`, {
    type: "start",
    cmd: "sh",
    args: ["-c", "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line $i; sleep 0.01; done; exit 5"],
  });
  const terminal = await StreamClient.open(server, `/v1/capsules/${id}/pty`, { type: "start", cmd: "bash" });
  await terminal.next("started");
  terminal.type("echo before-$((1+1))\r");
  await terminal.shows("before-2");
  await exec.next("stdout");
  for (let round = 0; round < 3; round++) {
    await must(id, "pause", "paused");
    terminal.type(`echo typed-while-paused-$((${round}+10))\r`);
    await must(id, "resume", "running");
    await terminal.shows(`typed-while-paused-${round + 10}`);
  }
  assert.equal(await exec.ended(), 1000);
  const expected = Array.from({ length: 200 }, (_, i) => `line ${i + 1}\n`).join("");
  assert.equal(exec.joined("stdout"), expected);
  assert.equal(exec.messages.at(-1)?.["exit_code"], 5);
  terminal.type("exit 3\r");
  assert.equal((await terminal.next("exit"))["exit_code"], 3);
});

test("verbs in the wrong state are refused and change nothing", async (t) => {
  const id = await server.capsule(t);
  const resume = await verb<Refusal>(id, "resume");
  assert.deepEqual([resume.status, resume.body.error.code], [409, "invalid_state"]);
  await must(id, "pause", "paused");
  for (const [name, body] of [
    ["pause", undefined],
    ["fork", { count: 1 }],
    ["checkpoints", {}],
    ["exec", { cmd: "true" }],
    ["ping", undefined],
  ] as const) {
    const answer = await verb<Refusal>(id, name, body);
    assert.deepEqual([name, answer.status, answer.body.error.code], [name, 409, "invalid_state"]);
  }
  const [first, second] = await Promise.all([verb(id, "resume"), verb(id, "resume")]);
  assert.deepEqual(
    [first.status, second.status].toSorted((a, b) => a - b),
    [200, 409],
  );
  assert.equal((await server.shell(id, "echo fine")).stdout, "fine\n");
  for (const count of [0, 10_000]) {
    const answer = await verb<Refusal>(id, "fork", { count });
    assert.deepEqual([answer.status, answer.body.error.reason], [400, "invalid_field"]);
  }
});

test("forks have their parent's memory and disk, and then lives of their own", async (t) => {
  const id = await server.capsule(t);
  await startProgram(id);
  await server.shell(id, "echo common > /root/file");
  const before = await reads(id, 5);
  const forked = await verb<CapsuleBody[]>(id, "fork", { count: 3 });
  assert.equal(forked.status, 201, JSON.stringify(forked.body));
  const children = forked.body.map((child) => child.id);
  for (const child of children) t.after(() => server.call("DELETE", `/v1/capsules/${child}`));
  const all = [id, ...children];
  const identities = new Set<string>();
  for (const one of all) {
    const now = await reads(one, before.count);
    assert.equal(now.sum, before.sum);
    assert.equal((await server.shell(one, "cat /root/file")).stdout, "common\n");
    await server.shell(one, `echo ${one} >> /root/file`);
    identities.add(
      (await server.shell(one, "cat /etc/machine-id; hostname; head -c 16 /dev/urandom | base64")).stdout,
    );
  }
  assert.equal(identities.size, all.length);
  for (const one of all) assert.equal((await server.shell(one, "cat /root/file")).stdout, `common\n${one}\n`);
  // A child outlives its parent, and can itself be paused and forked.
  await server.call("DELETE", `/v1/capsules/${id}`);
  const [child = ""] = children;
  await must(child, "pause", "paused");
  await must(child, "resume", "running");
  assert.equal((await server.shell(child, "cat /root/file")).stdout, `common\n${child}\n`);
  const grandchild = await verb<CapsuleBody[]>(child, "fork", {});
  const grandchildId = grandchild.body[0]?.id ?? "";
  t.after(() => server.call("DELETE", `/v1/capsules/${grandchildId}`));
  assert.equal((await server.shell(grandchildId, "cat /root/file")).stdout, `common\n${child}\n`);
});

test("a checkpoint keeps a moment; the capsule goes on and can go back to it", async (t) => {
  const id = await server.capsule(t);
  await server.shell(id, "echo one > /root/state; mkdir -p /dev/shm; echo one > /dev/shm/state");
  const kept = await verb<{ id: string; stopped_ms: number; name: string }>(id, "checkpoints", {
    name: "first",
  });
  assert.equal(kept.status, 201, JSON.stringify(kept.body));
  assert.equal(kept.body.name, "first");
  await server.shell(id, "echo two > /root/state; echo two > /dev/shm/state; touch /root/later");
  const listed = await server.call<{ id: string }[]>("GET", `/v1/capsules/${id}/checkpoints`);
  assert.deepEqual(
    listed.body.map((one) => one.id),
    [kept.body.id],
  );
  await must(id, `checkpoints/${kept.body.id}/restore`, "running");
  const state = await server.shell(id, "cat /root/state /dev/shm/state; ls /root/later 2>/dev/null; true");
  assert.equal(state.stdout, "one\none\n");
  await must(id, "pause", "paused");
  await must(id, `checkpoints/${kept.body.id}/restore`, "running");
  assert.equal((await server.shell(id, "cat /root/state")).stdout, "one\n");
  assert.equal((await server.call("DELETE", `/v1/capsules/${id}/checkpoints/${kept.body.id}`)).status, 204);
  const missing = await verb<Refusal>(id, `checkpoints/${kept.body.id}/restore`);
  assert.deepEqual([missing.status, missing.body.error.reason], [404, "checkpoint_not_found"]);
});

test("a template made of a capsule starts capsules with its memory and disk", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  await startProgram(id);
  const before = await reads(id, 3);
  await server.shell(id, "echo baked > /root/file");
  const create = (name: string, query = "") =>
    server.call<Refusal & { name: string; type: string; memory_mb: number }>(
      "POST",
      `/v1/snapshots${query}`,
      {
        sandbox_id: id,
        name,
      },
    );
  const made = await create("warm");
  assert.deepEqual(
    [made.status, made.body.type, made.body.memory_mb],
    [201, "snapshot", 256],
    JSON.stringify(made.body),
  );
  const source = await server.call<CapsuleBody>("GET", `/v1/capsules/${id}`);
  assert.equal(source.body.status, "paused");
  assert.equal((await create("warm")).body.error.code, "template_name_taken");
  assert.equal((await create("minimal")).body.error.code, "name_reserved");
  const child = await server.capsule(t, { template: "warm", memory_mb: 1024 });
  const now = await reads(child, before.count);
  assert.equal(now.sum, before.sum);
  assert.equal((await server.shell(child, "cat /root/file")).stdout, "baked\n");
  const shown = await server.call<{ memory_mb: number }>("GET", `/v1/capsules/${child}`);
  assert.equal(shown.body.memory_mb, 256);
  const inUse = await server.call<Refusal>("DELETE", "/v1/snapshots/warm");
  assert.deepEqual([inUse.status, inUse.body.error.reason], [409, "template_in_use"]);
  // Replaced: new capsules get the new one, and the child of the old one lives on.
  await must(id, "resume", "running");
  await server.shell(id, "echo baked-again > /root/file");
  assert.equal((await create("warm", "?overwrite=true")).status, 201);
  const second = await server.capsule(t, { template: "warm" });
  assert.equal((await server.shell(second, "cat /root/file")).stdout, "baked-again\n");
  await must(child, "pause", "paused");
  await must(child, "resume", "running");
  assert.equal((await server.shell(child, "cat /root/file")).stdout, "baked\n");
  for (const one of [child, second]) await server.call("DELETE", `/v1/capsules/${one}`);
  assert.equal((await server.call("DELETE", "/v1/snapshots/warm")).status, 204);
  assert.equal((await server.call("DELETE", "/v1/snapshots/warm")).status, 404);
  assert.equal((await server.call("DELETE", "/v1/snapshots/minimal")).status, 403);
});

test("an idle capsule is paused; what is in use is not; with auto_resume use wakes it", async (t) => {
  const idle = await server.capsule(t, { timeout_sec: 1, auto_resume: true });
  const busy = await server.capsule(t, { timeout_sec: 1 });
  const working = server.shell(busy, "sleep 6; echo done");
  await eventually(
    "the idle capsule is paused",
    async () => (await server.call<CapsuleBody>("GET", `/v1/capsules/${idle}`)).body.status === "paused",
    { intervalMs: 100 },
  );
  assert.equal((await working).stdout, "done\n");
  const answers = await Promise.all([1, 2, 3].map((n) => server.shell(idle, `echo awake ${n}`)));
  assert.deepEqual(
    answers.map(({ stdout }) => stdout),
    ["awake 1\n", "awake 2\n", "awake 3\n"],
  );
});

async function machinesOf(id: string): Promise<readonly string[]> {
  const { findLeftovers } = await import("@wrenn/system");
  return (await findLeftovers()).filter((item) => item.includes(id));
}

test("operations on a real machine say where their time went", async (t) => {
  const timed = async (
    path: string,
    body?: unknown,
  ): Promise<{ body: unknown; phases: readonly string[] }> => {
    const answer = await server.call("POST", path, body);
    assert.ok(answer.status < 300, JSON.stringify(answer.body));
    const times = new Map(
      (answer.headers.get("server-timing") ?? "").split(", ").map((entry): [string, number] => {
        const [name = "", ms = ""] = entry.split(";dur=");
        return [name, Number(ms)];
      }),
    );
    const total = times.get("total") ?? Number.NaN;
    const sum = [...times].reduce((before, [name, ms]) => (name === "total" ? before : before + ms), 0);
    assert.ok(Math.abs(sum - total) <= 1, JSON.stringify([...times]));
    return { body: answer.body, phases: [...times.keys()] };
  };
  const made = await timed("/v1/capsules", {});
  const { id } = made.body as { id: string };
  t.after(() => server.call("DELETE", `/v1/capsules/${id}`));
  const started = ["queue", "network", "disk", "machine", "memory", "guest", "other", "total"];
  assert.deepEqual(made.phases, ["placement", "template", ...started]);
  const path = `/v1/capsules/${id}`;
  const ran = await timed(`${path}/exec`, { cmd: "/bin/true" });
  assert.deepEqual(ran.phases, ["capsule", "guest", "first_byte", "run", "other", "total"]);
  const forked = await timed(`${path}/fork`, {});
  for (const child of forked.body as { id: string }[])
    await server.call("DELETE", `/v1/capsules/${child.id}`);
  assert.deepEqual(forked.phases, ["placement", ...started]);
  const paused = await timed(`${path}/pause`);
  assert.deepEqual(paused.phases, ["machine", "memory", "guest", "other", "total"]);
  assert.deepEqual((await timed(`${path}/resume`)).phases, started);
  const checkpoint = await server.call<{ id: string }>("POST", `${path}/checkpoints`, {});
  assert.deepEqual((await timed(`${path}/checkpoints/${checkpoint.body.id}/restore`)).phases, started);
  const history = await server.call<{ event: string; data: { phases?: object } }[]>(
    "GET",
    `/v1/events/history?capsule=${id}&types=capsule.*`,
  );
  // A real host reports a pause before it has released the machine, and pauses a capsule on the way of a restore.
  assert.deepEqual(
    history.body.map(({ event, data }) => [event, Object.keys(data.phases ?? {}).toSorted()]),
    [
      ["capsule.running", ["disk", "guest", "machine", "memory", "network", "queue"]],
      ["capsule.paused", ["guest", "machine", "memory"]],
      ["capsule.forked", []],
      [
        "capsule.created",
        ["disk", "guest", "machine", "memory", "network", "placement", "queue", "template"],
      ],
    ],
  );
});
