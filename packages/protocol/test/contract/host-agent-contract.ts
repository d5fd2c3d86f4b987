import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import {
  CapsuleStatus,
  ConsoleLog,
  HostFacts,
  HostStorage,
  ListeningPorts,
  TemplateFacts,
  IdleMachines,
} from "@wrenn/protocol";
import { Value } from "typebox/value";
import { collect, ContractLab, rejects } from "./contract-lab.ts";
import type { ContractSubject } from "./contract-lab.ts";
import { fileContract } from "./file-contract.ts";
import { imageContract } from "./image-contract.ts";
import { pauseContract } from "./pause-contract.ts";
import { processContract } from "./process-contract.ts";
import { templateCopyContract } from "./template-copy-contract.ts";
import { uploadContract } from "./upload-contract.ts";

/** The definition of HostAgent: the real agent, a link to an agent, and the fake pass exactly this. */
export async function hostAgentContract(name: string, open: () => Promise<ContractSubject>): Promise<void> {
  const subject = await open();
  after(() => subject.close());
  const lab = new ContractLab(subject);
  const { agent, signal } = lab;
  const told: CapsuleStatus[] = [];
  after(agent.onChange((status) => told.push(status)));
  const statesOf = (id: string): readonly string[] =>
    told.filter((status) => status.id === id).map(({ state }) => state);

  test(`${name}: the host has facts and templates`, async () => {
    assert.ok(Value.Check(HostFacts, await agent.facts(signal)));
    const templates = await agent.listTemplates(signal);
    assert.ok(templates.every((template) => Value.Check(TemplateFacts, template)));
    assert.ok(templates.some((template) => template.name === subject.template));
  });

  test(`${name}: no machine waits for capsules where none may`, async () => {
    assert.ok(Value.Check(IdleMachines, await agent.allowWaiting(true, signal)));
    assert.equal((await agent.allowWaiting(false, signal)).count, 0);
    await agent.allowWaiting(true, signal);
  });

  test(`${name}: storage lists each capsule with its checkpoints and the layers that it needs`, async () => {
    const of = async (id: string) => {
      const storage = await agent.storage(signal);
      assert.ok(Value.Check(HostStorage, storage));
      const listed = new Set(storage.layers.map((layer) => layer.id));
      const own = storage.capsules.find((capsule) => capsule.id === id);
      for (const layer of own?.layers ?? []) assert.ok(listed.has(layer));
      assert.equal(listed.size, storage.layers.length, "each layer is listed once");
      return own;
    };
    const { id } = await agent.createCapsule(lab.spec(), signal);
    const first = await of(id);
    assert.ok(first && first.bytes > 0);
    assert.equal(first.checkpoints, 0);
    const checkpoint = await agent.checkpointCapsule(id, undefined, signal);
    await agent.pauseCapsule(id, signal);
    const saved = await of(id);
    assert.equal(saved?.checkpoints, 1, "a pause is not a checkpoint");
    assert.ok(saved.bytes > 0 && saved.layers.length > 0);
    await agent.deleteCheckpoint(id, checkpoint.id, signal);
    assert.equal((await of(id))?.checkpoints, 0);
    await agent.destroyCapsule(id, signal);
    assert.equal(await of(id), undefined);
  });

  test(`${name}: every method but destroy and hold rejects an unknown capsule`, async () => {
    const id = newId("capsule", systemRandom);
    const rules = { egress: "deny", allow: [], deny: [] } as const;
    const uses: readonly (() => unknown)[] = [
      () => agent.capsule(id, signal),
      () => agent.pauseCapsule(id, signal),
      () => agent.resumeCapsule(id, signal),
      () => agent.pauseToDisk(id, signal),
      () => agent.bootCapsule(id, signal),
      () => agent.checkpointCapsule(id, undefined, signal),
      () => agent.listCheckpoints(id, signal),
      () => agent.restoreCheckpoint(id, "g1", signal),
      () => agent.deleteCheckpoint(id, "g1", signal),
      () => agent.forkCapsule(id, [lab.spec()], signal),
      () => agent.forkEach(id, [lab.spec()], signal),
      () => agent.createSnapshot(id, { key: "key", ownPrograms: false }, signal),
      () => agent.setNetwork(id, rules, signal),
      () => agent.changeSettings(id, { timeoutSec: 1 }, signal),
      () => agent.networkDecisions(id, signal),
      () => agent.metrics(id, "5m", signal),
      () => agent.measurements(id, { after: 0, step: 1, watch: false }, signal),
      () => agent.listeners(id, signal),
      () => agent.consoleLog(id, 0, signal),
      () => agent.dial(id, 80, { halfOpen: false, signal }),
      () => agent.processes(id).list(signal),
      () => agent.processes(id).find("1", signal),
      () => agent.files(id).stat("/", { signal }),
    ];
    for (const use of uses) await rejects(use, "capsule_not_found");
    await agent.destroyCapsule(id, signal);
    agent.hold(id)();
  });

  test(`${name}: a created capsule runs, is listed and observed; its id is taken`, async () => {
    const spec = lab.spec();
    const status = await agent.createCapsule(spec, signal);
    assert.ok(Value.Check(CapsuleStatus, status));
    const { id, template, vcpus, memoryMib } = spec;
    assert.deepEqual(
      [status.id, status.state, status.template, status.vcpus, status.memoryMib],
      [id, "running", template, vcpus, memoryMib],
    );
    assert.equal((await agent.capsule(id, signal)).state, "running");
    assert.ok((await agent.listCapsules(signal)).some((one) => one.id === id && one.state === "running"));
    await eventually("observers hear of it", () => statesOf(id).at(-1) === "running");
    await rejects(() => agent.createCapsule(spec, signal), "capsule_busy");
    assert.equal((await agent.capsule(id, signal)).state, "running", "the first is unharmed");
  });

  test(`${name}: a create that fails or is aborted leaves nothing`, async () => {
    const isListed = async (id: string): Promise<boolean> =>
      (await agent.listCapsules(signal)).some((one) => one.id === id);
    const unknown = lab.spec({ template: "no-such-template" });
    await rejects(() => agent.createCapsule(unknown, signal), "template_not_found", /no-such-template/);
    assert.equal(await isListed(unknown.id), false);
    const aborted = lab.spec();
    await assert.rejects(agent.createCapsule(aborted, AbortSignal.abort(new Error("enough"))), /enough/);
    assert.equal(await isListed(aborted.id), false);
    const late = new AbortController();
    const { id } = lab.spec();
    const creating = agent.createCapsule(lab.spec({ id }), late.signal).catch((error: unknown) => error);
    setImmediate(() => late.abort(new Error("enough")));
    const outcome = await creating;
    if (outcome instanceof Error) {
      assert.match(outcome.message, /enough/);
      await eventually("nothing is left of it", async () => !(await isListed(id)));
    } else assert.equal((await agent.capsule(id, signal)).state, "running");
    await agent.destroyCapsule(id, signal);
    assert.equal(await isListed(id), false);
  });

  test(`${name}: a paused capsule has no machine to use, and can be resumed`, async () => {
    const id = await lab.capsule();
    await rejects(() => agent.resumeCapsule(id, signal), "capsule_not_paused", /running/);
    await rejects(
      () => agent.createSnapshot(id, { key: "key", ownPrograms: false }, signal),
      "capsule_not_paused",
      /running/,
    );
    assert.equal((await agent.pauseCapsule(id, signal)).state, "paused");
    const uses: readonly (() => unknown)[] = [
      () => agent.pauseCapsule(id, signal),
      () => agent.checkpointCapsule(id, undefined, signal),
      () => agent.forkCapsule(id, [lab.spec()], signal),
      () => agent.forkEach(id, [lab.spec()], signal),
      () => agent.networkDecisions(id, signal),
      () => agent.dial(id, 80, { halfOpen: false, signal }),
      () => agent.processes(id).list(signal),
      () => agent.files(id).stat("/", { signal }),
    ];
    for (const use of uses) await rejects(use, "capsule_not_running", /paused/);
    await agent.setNetwork(id, { egress: "deny", allow: [], deny: [] }, signal);
    assert.ok(Array.isArray(await agent.metrics(id, "5m", signal)));
    assert.ok(Array.isArray(await agent.measurements(id, { after: 0, step: 60, watch: true }, signal)));
    const listeners = await agent.listeners(id, signal);
    assert.ok(Value.Check(ListeningPorts, listeners) && listeners.id === id);
    const end = await agent.consoleLog(id, 12_345, signal);
    assert.ok(Value.Check(ConsoleLog, end), "a console log");
    assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
    await agent.processes(id).list(signal);
    await eventually("observers saw both", () => {
      const states = statesOf(id).filter((state) => state === "paused" || state === "running");
      return states.join().endsWith("running,paused,running");
    });
  });

  test(`${name}: checkpoints are listed newest first, restored and deleted`, async () => {
    const id = await lab.capsule();
    const first = await agent.checkpointCapsule(id, "first", signal);
    assert.deepEqual([first.kind, first.name, typeof first.stoppedMs], ["checkpoint", "first", "number"]);
    const second = await agent.checkpointCapsule(id, undefined, signal);
    await agent.pauseCapsule(id, signal);
    const listed = await agent.listCheckpoints(id, signal);
    assert.deepEqual(
      listed.map(({ kind }) => kind),
      ["pause", "checkpoint", "checkpoint"],
    );
    const [pause] = listed;
    assert.ok(pause);
    assert.deepEqual(
      listed.slice(1).map((one) => [one.id, one.name, one.stoppedMs]),
      [
        [second.id, undefined, undefined],
        [first.id, "first", undefined],
      ],
    );
    await rejects(() => agent.deleteCheckpoint(id, pause.id, signal), "checkpoint_in_use");
    await rejects(() => agent.deleteCheckpoint(id, "g99", signal), "checkpoint_not_found", /g99/);
    await rejects(() => agent.restoreCheckpoint(id, "g99", signal), "checkpoint_not_found", /g99/);
    assert.equal((await agent.restoreCheckpoint(id, first.id, signal)).state, "running");
    assert.equal((await agent.restoreCheckpoint(id, second.id, signal)).state, "running");
    await agent.deleteCheckpoint(id, first.id, signal);
    const left = await agent.listCheckpoints(id, signal);
    assert.ok(!left.some((one) => one.id === first.id) && left.some((one) => one.id === second.id));
  });

  test(`${name}: forks run next to their source; an aborted fork leaves none`, async () => {
    const id = await lab.capsule();
    const children = [lab.spec(), lab.spec()];
    const forks = await agent.forkCapsule(id, children, signal);
    assert.deepEqual(
      forks.map((fork) => [fork.id, fork.state]),
      children.map((child) => [child.id, "running"]),
    );
    assert.equal((await agent.capsule(id, signal)).state, "running");
    assert.deepEqual(await agent.listCheckpoints(id, signal), []);
    const never = lab.spec();
    await assert.rejects(agent.forkCapsule(id, [never], AbortSignal.abort(new Error("enough"))), /enough/);
    await rejects(() => agent.capsule(never.id, signal), "capsule_not_found");
    assert.equal((await agent.capsule(id, signal)).state, "running");
    const refused = lab.spec();
    const other = forks[0]?.id ?? "";
    await rejects(() => agent.forkCapsule(id, [refused, { ...refused, id: other }], signal), "capsule_busy");
    await rejects(() => agent.capsule(refused.id, signal), "capsule_not_found");
    assert.equal((await agent.capsule(other, signal)).state, "running", "it was not made by that fork");
  });

  test(`${name}: forks that are started each by itself run; aborted ones, and those with an id that is taken, leave none`, async () => {
    const id = await lab.capsule();
    const children = [lab.spec(), lab.spec()];
    const forks = await agent.forkEach(id, children, signal);
    assert.deepEqual(
      forks.map((fork) => [fork.id, fork.state]),
      children.map((child) => [child.id, "running"]),
    );
    const never = lab.spec();
    await assert.rejects(agent.forkEach(id, [never], AbortSignal.abort(new Error("enough"))), /enough/);
    await rejects(() => agent.forkEach(id, [never, ...children], signal), "capsule_busy");
    await rejects(() => agent.capsule(never.id, signal), "capsule_not_found");
    assert.equal((await agent.capsule(children[0]?.id ?? "", signal)).state, "running");
  });

  test(`${name}: a fork whose child's id is taken does nothing, and the capsule with that id is unharmed`, async () => {
    const [id, other] = [await lab.capsule(), await lab.capsule()];
    const never = lab.spec();
    for (const taken of [lab.spec({ id: other }), lab.spec({ id }), never])
      await rejects(() => agent.forkCapsule(id, [never, taken], signal), "capsule_busy");
    for (const unharmed of [id, other]) {
      assert.equal((await agent.capsule(unharmed, signal)).state, "running");
      await agent.processes(unharmed).list(signal);
    }
    await rejects(() => agent.capsule(never.id, signal), "capsule_not_found");
  });

  test(`${name}: a snapshot of a paused capsule is a template until it is deleted`, async () => {
    const id = await lab.capsule();
    await agent.pauseCapsule(id, signal);
    const key = `snapshot-${id}`;
    const template = await agent.createSnapshot(id, { key, ownPrograms: false }, signal);
    assert.deepEqual([template.name, template.vcpus, template.memoryMib], [key, 1, 64]);
    assert.equal((await agent.capsule(id, signal)).state, "paused");
    await rejects(
      () => agent.createSnapshot(id, { key, ownPrograms: false }, signal),
      "operation_failed",
      /it exists/,
    );
    const dependant = await lab.capsule({ template: key });
    await rejects(() => agent.deleteSnapshot(key, signal), "template_in_use", new RegExp(dependant));
    await agent.destroyCapsule(dependant, signal);
    await agent.deleteSnapshot(key, signal);
    await agent.deleteSnapshot(key, signal);
    await rejects(() => lab.capsule({ template: key }), "template_not_found");
  });

  test(`${name}: of two snapshots that take one key at once, one is a template and the other changes nothing`, async () => {
    const ids = [await lab.capsule(), await lab.capsule()];
    for (const id of ids) await agent.pauseCapsule(id, signal);
    const key = `snapshot-${ids.join("-")}`;
    const made = await Promise.allSettled(
      ids.map((id) => agent.createSnapshot(id, { key, ownPrograms: false }, signal)),
    );
    assert.deepEqual(made.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    const child = await lab.capsule({ template: key });
    await agent.destroyCapsule(child, signal);
    await agent.deleteSnapshot(key, signal);
  });

  test(`${name}: destroy ends a capsule in any state, and may be repeated`, async () => {
    const [running, paused] = [await lab.capsule(), await lab.capsule()];
    await agent.pauseCapsule(paused, signal);
    for (const id of [running, paused]) {
      await agent.destroyCapsule(id, signal);
      await agent.destroyCapsule(id, signal);
      await rejects(() => agent.capsule(id, signal), "capsule_not_found");
      await eventually("observers hear of the end", () => statesOf(id).at(-1) === "gone");
    }
    assert.ok((await agent.listCapsules(signal)).every((one) => one.id !== running && one.id !== paused));
  });

  test(`${name}: a capsule that is held stays awake, and one that is idle is paused`, async () => {
    const [held, idle] = [await lab.capsule({ timeoutSec: 1 }), await lab.capsule({ timeoutSec: 1 })];
    const release = agent.hold(held);
    const stateOf = async (id: string): Promise<string> => (await agent.capsule(id, signal)).state;
    await eventually("the idle one is paused", async () => (await stateOf(idle)) === "paused");
    assert.equal(await stateOf(held), "running");
    release();
    release();
    await eventually("the other follows", async () => (await stateOf(held)) === "paused");
  });

  test(`${name}: what a capsule may reach can be changed; what is no network is refused`, async () => {
    const id = await lab.capsule({ network: { egress: "deny", allow: ["198.51.100.0/24"], deny: [] } });
    await agent.setNetwork(id, { egress: "allow", allow: ["*.example.org"], deny: ["192.0.2.1"] }, signal);
    assert.ok(Array.isArray(await agent.networkDecisions(id, signal)));
    const wrong = { egress: "allow", allow: [], deny: ["not a network"] } as const;
    await rejects(() => agent.setNetwork(id, wrong, signal), "invalid_field", /deny must hold IPv4/);
    await agent.pauseCapsule(id, signal);
    await rejects(() => agent.setNetwork(id, wrong, signal), "invalid_field", /deny must hold IPv4/);
    assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
  });

  test(`${name}: settings change for a running and a paused capsule, all or none`, async () => {
    const id = await lab.capsule();
    const rules = { egress: "deny", allow: ["192.0.2.1"], deny: [] } as const;
    const settings = {
      timeoutSec: 3600,
      maxLifetimeSec: 7200,
      onLifetimeEnd: "destroy",
      network: rules,
    } as const;
    await agent.changeSettings(id, { ...settings, remainingSec: 600 }, signal);
    await agent.changeSettings(id, { remainingSec: null }, signal);
    const wrong = {
      timeoutSec: 1,
      network: { egress: "allow", allow: ["not a network"], deny: [] },
    } as const;
    await rejects(() => agent.changeSettings(id, wrong, signal), "invalid_field", /allow must hold IPv4/);
    await agent.pauseCapsule(id, signal);
    await agent.changeSettings(id, settings, signal);
    await rejects(
      () => agent.changeSettings(id, { remainingSec: 60 }, signal),
      "capsule_not_running",
      /paused/,
    );
    assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
  });

  test(`${name}: a port is dialled; each direction ends on its own, and a refusal keeps its code`, async () => {
    const id = await lab.capsule();
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const parts: Buffer[] = [];
      socket.on("data", (part: Buffer) => parts.push(part));
      // Answers only when the client has finished.
      socket.on("end", () => socket.end(`got ${Buffer.concat(parts).toString()}`));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const socket = await agent.dial(id, port, { halfOpen: true, signal });
    socket.end("question");
    assert.equal((await collect(socket)).toString(), "got question");
    server.close();
    await once(server, "close");
    await assert.rejects(agent.dial(id, port, { halfOpen: false, signal }), { code: "ECONNREFUSED" });
    await assert.rejects(
      agent.dial(id, port, { halfOpen: false, signal: AbortSignal.abort(new Error("enough")) }),
      /enough/,
    );
  });

  test(`${name}: an observer that unsubscribed hears nothing`, async () => {
    const heard: string[] = [];
    const unsubscribe = agent.onChange(({ id }) => heard.push(id));
    const first = await lab.capsule();
    await eventually("it hears of the first", () => heard.includes(first));
    unsubscribe();
    const second = await lab.capsule();
    await eventually("the other observer hears of the second", () => statesOf(second).length > 0);
    assert.ok(!heard.includes(second));
  });

  pauseContract(name, lab);
  processContract(name, lab);
  fileContract(name, lab);
  uploadContract(name, lab);
  imageContract(name, lab);
  templateCopyContract(name, lab);
}
