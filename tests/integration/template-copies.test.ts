import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { randomHex, systemClock, systemRandom, WrennError } from "@wrenn/core";
import type { HostAgent, TemplateManifest } from "@wrenn/protocol";
import { sendTemplate, SourceFailed } from "../../packages/control-plane/src/templates/send-template.ts";
import type { SentBytes } from "../../packages/control-plane/src/templates/send-template.ts";
import {
  RESERVE_BYTES,
  specOf,
  startAgentOnFakeMachines,
} from "../../packages/host-agent/test/support/agent-on-fake-machines.ts";
import type {
  AgentOnFakeMachines,
  AgentOnFakeMachinesOptions,
} from "../../packages/host-agent/test/support/agent-on-fake-machines.ts";
import { TestLink } from "../../packages/host-link/test/support/test-link.ts";
import { FaultProxy } from "../support/fault-proxy.ts";

/* Copies of templates between two real host agents, over real links: TLS, frames and backpressure. Their machines are fake. */

const MIB = 2 ** 20;
const signal = AbortSignal.timeout(5 * 60_000);

/** A host agent behind a link with a proxy that breaks connections. */
class Host implements AsyncDisposable {
  readonly fake: AgentOnFakeMachines;
  /** Through the proxy. */
  readonly agent: HostAgent;
  readonly direct: HostAgent;
  readonly proxy: FaultProxy;
  /** Blocks and headers that were read from this host, or written to it, in bytes. */
  readonly passed = { read: 0, written: 0 };
  /** What each piece that is written waits for. */
  gate: () => Promise<void> = async () => undefined;
  /** Changes pieces that are read. */
  damage: (piece: Uint8Array) => Uint8Array = (piece) => piece;
  readonly #link: TestLink;

  private constructor(
    fake: AgentOnFakeMachines,
    link: TestLink,
    proxy: FaultProxy,
    { agent, direct }: Pick<Host, "agent" | "direct">,
  ) {
    this.fake = fake;
    this.#link = link;
    this.proxy = proxy;
    this.agent = agent;
    this.direct = direct;
  }

  static async start(options: AgentOnFakeMachinesOptions = {}): Promise<Host> {
    const fake = await startAgentOnFakeMachines(options);
    const own: { host?: Host } = {};
    const link = await TestLink.open(watched(fake.agent, () => own.host));
    const proxy = await FaultProxy.start({ target: { host: "127.0.0.1", port: link.port } });
    const agent = await link.client({ port: proxy.port });
    return (own.host = new Host(fake, link, proxy, { agent, direct: await link.client() }));
  }

  /** Removes its templates, and forgets what passed. */
  async clear(): Promise<this> {
    Object.assign(this.passed, { read: 0, written: 0 });
    this.gate = async () => undefined;
    this.damage = (piece) => piece;
    for (const key of await this.names("templates")) await this.fake.agent.deleteSnapshot(key, signal);
    await this.fake.agent.removeUnusedTemplates();
    return this;
  }

  /** Names below one of its directories. */
  async names(directory: string): Promise<readonly string[]> {
    return await readdir(join(this.fake.root, directory));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#link[Symbol.asyncDispose]();
    await this.proxy[Symbol.asyncDispose]();
    await this.fake.close();
  }
}

/** The same agent, with what passes counted, held up and damaged as a test says. */
function watched(agent: HostAgent, hostOf: () => Host | undefined): HostAgent {
  return {
    ...agent,
    readTemplatePart: async (range, inner) => {
      const content = await agent.readTemplatePart(range, inner);
      return (async function* read() {
        for await (const piece of content) {
          const host = hostOf();
          if (host) host.passed.read += piece.length;
          yield host?.damage(piece) ?? piece;
        }
      })();
    },
    writeTemplatePart: async (range, content, inner) => {
      await agent.writeTemplatePart(
        range,
        (async function* write() {
          for await (const piece of content) {
            const host = hostOf();
            await host?.gate();
            if (host) host.passed.written += piece.length;
            yield piece;
          }
        })(),
        inner,
      );
    },
  };
}

let shared: { readonly from: Host; readonly to: Host } | undefined;
after(async () => {
  await shared?.from[Symbol.asyncDispose]();
  await shared?.to[Symbol.asyncDispose]();
});

/** Two hosts without templates, which tests share that start no others. */
async function pair(): Promise<{ readonly from: Host; readonly to: Host }> {
  shared ??= { from: await Host.start(), to: await Host.start() };
  return { from: await shared.from.clear(), to: await shared.to.clear() };
}

/** A template on a host, with `mib` MiB of memory that cannot be compressed, between holes. */
async function makeTemplate(
  { fake: { agent, root } }: Host,
  mib = 0,
  { memory = true, holes = true } = {},
): Promise<{ readonly key: string; readonly memory: string }> {
  const spec = { ...specOf("minimal"), envs: { MADE: "here" }, cwd: "/tmp" };
  await agent.createCapsule(spec, signal);
  await (memory ? agent.pauseCapsule(spec.id, signal) : agent.pauseToDisk(spec.id, signal));
  const key = `tpl-${randomHex(systemRandom, 8)}`;
  await agent.createSnapshot(spec.id, { key, ownPrograms: false }, signal);
  await agent.destroyCapsule(spec.id, signal);
  const path = join(root, "templates", key, "memory");
  await chmod(path, 0o644);
  await using file = await open(path, "r+");
  for (let at = 0; at < mib; at++)
    await file.write(randomBytes(MIB), 0, MIB, ((holes ? 2 : 1) * at + 1) * MIB + 12_288);
  return { key, memory: path };
}

const copied = (key: string) => ({ name: "copied", hostKey: key, vcpus: 1, memoryMib: 64, diskMib: 1024 });

/** Copies a template. @returns how far it was, again and again. */
async function send(key: string, from: Host, to: Host, inner = signal): Promise<readonly SentBytes[]> {
  const seen: SentBytes[] = [];
  const deps = { clock: systemClock, onProgress: (sent: SentBytes) => void seen.push(sent) };
  await sendTemplate(copied(key), from.agent, to.agent, deps, inner);
  return seen;
}

async function requireRuns({ fake: { agent } }: Host, key: string): Promise<void> {
  const { id } = specOf(key);
  const status = await agent.createCapsule({ ...specOf(key), id }, signal);
  assert.equal(status.state, "running");
  await agent.destroyCapsule(id, signal);
}

test("a template is the same on the other host: content, holes, settings; its image is shared and goes with the last", async () => {
  const { from, to } = await pair();
  const { key, memory } = await makeTemplate(from, 8);
  const seen = await send(key, from, to);
  const [last] = seen.slice(-1);
  assert.ok(last && last.doneBytes === last.totalBytes && last.totalBytes >= 8 * MIB);
  const target = join(to.fake.root, "templates", key, "memory");
  assert.ok((await readFile(memory)).equals(await readFile(target)));
  assert.ok((await stat(target)).blocks * 512 < 12 * MIB, "holes are not written");
  assert.ok(from.passed.read < 12 * MIB, `holes are not sent: ${from.passed.read}`);
  const [one, other] = [
    await from.agent.describeTemplate(key, signal),
    await to.agent.describeTemplate(key, signal),
  ];
  assert.deepEqual(
    { ...one, parts: one.parts.filter(({ role }) => role === "memory" || role === "device-state") },
    { ...other, parts: other.parts.filter(({ role }) => role === "memory" || role === "device-state") },
  );
  assert.deepEqual(one.defaults, { envs: { MADE: "here" }, cwd: "/tmp" });
  await requireRuns(to, key);

  const second = await makeTemplate(from);
  await send(second.key, from, to);
  assert.equal((await to.names("template-images")).length, 1);
  const { id } = specOf(key);
  await to.fake.agent.createCapsule({ ...specOf(second.key), id }, signal);
  await to.agent.deleteSnapshot(key, signal);
  await to.fake.agent.destroyCapsule(id, signal);
  assert.equal((await to.names("template-images")).length, 1, "the other template needs it");
  await to.agent.deleteSnapshot(second.key, signal);
  await to.fake.agent.removeUnusedTemplates();
  assert.deepEqual([await to.names("template-images"), await to.names("templates")], [[], []]);
});

test("links that break again and again: the copy continues where it ended, and is right", async () => {
  await using from = await Host.start();
  await using to = await Host.start();
  const { key, memory } = await makeTemplate(from, 12);
  to.proxy.plan({ kind: "cut", after: { requestBytes: 3 * MIB } }, 20);
  from.proxy.plan({ kind: "cut", after: { responseBytes: 5 * MIB } }, 20);
  for (;;)
    try {
      await send(key, from, to);
      break;
    } catch (error) {
      // A control plane asks the next host that has it, or again.
      assert.ok(error instanceof SourceFailed, String(error));
    }
  assert.ok(to.proxy.connections.filter(({ closed }) => closed).length >= 4, "it was cut");
  assert.ok((await readFile(memory)).equals(await readFile(join(to.fake.root, "templates", key, "memory"))));
  assert.ok(to.passed.written < 20 * MIB, `little is sent twice: ${to.passed.written}`);
  await requireRuns(to, key);
});

test("a host that reads slowly slows the other one down: nothing piles up between them", async () => {
  const { from, to } = await pair();
  const { key } = await makeTemplate(from, 56, { holes: false });
  const gate = Promise.withResolvers<void>();
  to.gate = async () => {
    if (to.passed.written > MIB) await gate.promise;
  };
  const before = process.memoryUsage().arrayBuffers;
  const deps = { clock: systemClock, onProgress: () => undefined };
  const sending = sendTemplate(copied(key), from.direct, to.direct, deps, signal);
  let read = -1;
  while (from.passed.read === 0 || from.passed.read !== read) {
    ({ read } = from.passed);
    await systemClock.sleep(400);
  }
  // The kernel's buffers of two connections take most of it.
  assert.ok(read < 40 * MIB, `${(read / MIB).toFixed(1)} MiB were read while 1 MiB was taken`);
  const grown = process.memoryUsage().arrayBuffers - before;
  assert.ok(grown < 32 * MIB, `${(grown / MIB).toFixed(1)} MiB in memory`);
  gate.resolve();
  await sending;
  await requireRuns(to, key);
});

test("damaged content is discarded and sent again; content that stays damaged is an error and leaves nothing", async () => {
  const { from, to } = await pair();
  const { key, memory } = await makeTemplate(from, 2);
  let damages = 0;
  const damageOnce = (piece: Uint8Array): Uint8Array => {
    if (piece.length < MIB / 8 || damages++ > 0) return piece;
    const changed = Uint8Array.from(piece);
    changed[1000] = (changed[1000] ?? 0) ^ 1;
    return changed;
  };
  from.damage = damageOnce;
  await send(key, from, to);
  assert.ok(damages > 1);
  assert.ok((await readFile(memory)).equals(await readFile(join(to.fake.root, "templates", key, "memory"))));
  await to.agent.deleteSnapshot(key, signal);
  from.damage = (piece) => {
    damages = 0;
    return damageOnce(piece);
  };
  await assert.rejects(send(key, from, to), { reason: "template_copy_invalid" });
  await to.agent.abandonTemplateCopy(key, signal);
  assert.deepEqual(await to.names("templates"), []);
});

test("two copies at once are one: the second waits, and nothing is sent twice", async () => {
  const { from, to } = await pair();
  const { key } = await makeTemplate(from, 6);
  to.gate = async () => await systemClock.sleep(20);
  await Promise.all([send(key, from, to), send(key, from, to)]);
  assert.ok(to.passed.written < 8 * MIB, `${to.passed.written}`);
  await requireRuns(to, key);
});

test("a copy counts against the host's disk, respects its reserve, and releases what it claimed", async () => {
  await using from = await Host.start();
  let freeBytes = RESERVE_BYTES + 6 * MIB;
  await using to = await Host.start({ space: () => ({ totalBytes: 1e12, freeBytes }) });
  const { key } = await makeTemplate(from, 8);
  await assert.rejects(send(key, from, to), { reason: "disk_full" });
  assert.deepEqual(await to.names("templates"), []);
  freeBytes = RESERVE_BYTES + 24 * MIB;
  const manifest = await from.agent.describeTemplate(key, signal);
  await to.agent.beginTemplateCopy(manifest, signal);
  const twin = await makeTemplate(from, 8);
  const second = await from.agent.describeTemplate(twin.key, signal);
  await assert.rejects(to.agent.beginTemplateCopy({ ...second, parts: doubled(second) }, signal), {
    reason: "disk_full",
  });
  await to.agent.abandonTemplateCopy(key, signal);
  await send(twin.key, from, to);
});

/** Parts that say twice as much of themselves. */
function doubled({ parts }: TemplateManifest): TemplateManifest["parts"] {
  return parts.map((part) => ({ ...part, dataBytes: Math.min(2 * part.dataBytes, part.sizeBytes) }));
}

test("a host agent that ends in the middle of a copy leaves nothing half-made, and the next one begins again", async () => {
  await using from = await Host.start();
  const { key } = await makeTemplate(from, 4);
  const first = await startAgentOnFakeMachines();
  const manifest = await from.agent.describeTemplate(key, signal);
  const { missing } = await first.agent.beginTemplateCopy(manifest, signal);
  const memory = manifest.parts.find(({ role }) => role === "memory") ?? assert.fail();
  const range = { digest: memory.digest, fromBlock: 0 };
  assert.ok(missing.some(({ digest }) => digest === memory.digest));
  const half = async function* half() {
    let left = 6;
    for await (const piece of await from.agent.readTemplatePart({ key, ...range }, signal)) {
      if (left-- === 0) throw new WrennError("host_unavailable", {});
      yield piece;
    }
  };
  await assert.rejects(first.agent.writeTemplatePart({ key, ...range }, half(), signal), {
    reason: "host_unavailable",
  });
  const continued = await first.agent.beginTemplateCopy(manifest, signal);
  assert.ok((continued.missing.find(({ digest }) => digest === memory.digest)?.fromBlock ?? 0) > 0);
  // Killed: nothing of it is told to end.
  await using to = await Host.start({ root: first.root });
  assert.deepEqual([await to.names("templates"), await to.names("template-images")], [[], []]);
  await assert.rejects(to.agent.finishTemplateCopy(key, signal), { reason: "template_not_found" });
  await send(key, from, to);
  await requireRuns(to, key);
  await first.agent.close("leave");
});

test("where the memory of the other host does not run, a disk is booted and frozen anew; memory of users is refused", async () => {
  await using from = await Host.start();
  await using to = await Host.start({
    identity: "QEMU emulator version 9.0 microvm/kvm/host@1/blk,net,serial2,rng/1",
  });
  // Kernel and first file system are there.
  const { id } = specOf("minimal");
  await to.fake.agent.createCapsule({ ...specOf("minimal"), id }, signal);
  const withProcesses = await makeTemplate(from);
  await assert.rejects(send(withProcesses.key, from, to), { reason: "snapshot_incompatible" });
  const { key } = await makeTemplate(from, 0, { memory: false });
  await send(key, from, to);
  const made = await to.agent.describeTemplate(key, signal);
  assert.match(made.hypervisor, /kvm/);
  assert.equal(made.frozenProcesses, false);
  await requireRuns(to, key);
  assert.deepEqual(await to.names("templates"), [key]);
});

test("manifests that lie are refused, and change nothing", async () => {
  const { from, to } = await pair();
  const { key } = await makeTemplate(from);
  const manifest = await from.agent.describeTemplate(key, signal);
  const begin = async (change: object): Promise<unknown> =>
    await to.agent.beginTemplateCopy({ ...manifest, ...change }, signal);
  const parts = (change: object) => ({ parts: manifest.parts.map((part) => ({ ...part, ...change })) });
  await assert.rejects(begin({ key: "../outside" }), { reason: "invalid_field" });
  await assert.rejects(begin(parts({ digest: "../../outside" })), { reason: "invalid_field" });
  await assert.rejects(begin(parts({ role: "disk" })), { reason: "template_copy_invalid" });
  await assert.rejects(begin(parts({ sizeBytes: 2 ** 50 })), { reason: "template_copy_invalid" });
  await assert.rejects(begin({ parts: manifest.parts.slice(1) }), { reason: "template_copy_invalid" });
  await assert.rejects(begin({ architecture: "riscv64" }), { reason: "snapshot_incompatible" });
  assert.deepEqual([await to.names("templates"), await to.names("template-images")], [[], []]);
  await assert.rejects(
    sendTemplate(
      { ...copied(key), memoryMib: 128 },
      from.agent,
      to.agent,
      {
        clock: systemClock,
        onProgress: () => undefined,
      },
      signal,
    ),
    SourceFailed,
  );
});

test("an aborted copy ends at once on both hosts", async () => {
  const { from, to } = await pair();
  const { key } = await makeTemplate(from, 4);
  const aborting = new AbortController();
  to.gate = async () => {
    if (to.passed.written > MIB) aborting.abort(new Error("enough"));
  };
  await assert.rejects(send(key, from, to, AbortSignal.any([signal, aborting.signal])), /enough/);
  to.gate = async () => undefined;
  await to.agent.abandonTemplateCopy(key, signal);
  assert.deepEqual(await to.names("templates"), []);
  await send(key, from, to);
  await requireRuns(to, key);
});
