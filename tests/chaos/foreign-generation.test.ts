/* Drawn: packages/host-agent/test shows the same on fake machines. */
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ServerProcess } from "../support/server-process.ts";

/*
 * A frozen moment fits the virtual machine monitor that it was saved by and no other: after an upgrade of QEMU, or with another
 * machine type, a resume is refused before anything is started, and works again where it was saved.
 */

let server: ServerProcess;
before(async () => {
  server = await ServerProcess.start();
});
after(() => server.close());

interface Body {
  readonly status?: string;
  readonly error?: { readonly reason: string; readonly message: string };
}

const call = (method: string, path: string) => server.api.call<Body>(method, path);

/** Names of hypervisors that saved something else than this one, and what the error says of each. */
const foreign: readonly {
  readonly what: string;
  readonly change: (hypervisor: string) => string;
  readonly named: RegExp;
}[] = [
  {
    what: "another version of QEMU",
    change: (text) => text.replace(/version [\d.]+/, "version 99.0.0"),
    named: /fit this host: QEMU: .*99\.0\.0/,
  },
  {
    what: "another machine type",
    change: (text) => text.replace("microvm", "q35"),
    named: /fit this host: machine type: .*q35/,
  },
  {
    what: "another CPU",
    change: (text) => text.replace(/(kvm|tcg)\/[^/]*\//, "$1/Penryn/"),
    named: /fit this host: CPU: it was saved with Penryn/,
  },
  {
    what: "another list of devices",
    change: (text) => text.replace("blk,net", "blk,net,balloon"),
    named: /fit this host: devices: .*balloon/,
  },
];

interface CapsuleRecord {
  readonly generations: readonly { readonly hypervisor: string }[];
}
interface TemplateRecord {
  readonly hypervisor: string;
}

/** A capsule with a file in its memory, paused. */
async function pausedCapsule(): Promise<string> {
  const id = await server.api.capsule(undefined, { memory_mb: 256 });
  await server.api.shell(id, "echo kept > /dev/shm/file");
  assert.equal((await call("POST", `/v1/capsules/${id}/pause`)).status, 200);
  return id;
}

const capsuleFile = (id: string): string => join(server.dataDirectory, "capsules", id, "capsule.json");

/** Writes records while no server runs. */
async function rewrite(records: ReadonlyMap<string, unknown>): Promise<void> {
  await server.kill();
  for (const [path, record] of records) await writeFile(path, JSON.stringify(record));
  await server.start();
}

test("a generation of a foreign machine is refused, and the capsule keeps its state", async () => {
  const ids: string[] = [];
  for (const _ of foreign) ids.push(await pausedCapsule());
  const snapshot = { sandbox_id: ids[0], name: "foreign" };
  assert.equal((await server.api.call("POST", "/v1/snapshots", snapshot)).status, 201);
  const templates = join(server.dataDirectory, "templates");
  const [key = ""] = await readdir(templates);
  const templateFile = join(templates, key, "template.json");

  const genuine = new Map<string, unknown>();
  const changed = new Map<string, unknown>();
  for (const [index, { what, change }] of foreign.entries()) {
    const path = capsuleFile(ids[index] ?? "");
    const record = JSON.parse(await readFile(path, "utf8")) as CapsuleRecord;
    const generations = record.generations.map((generation) => ({
      ...generation,
      hypervisor: change(generation.hypervisor),
    }));
    assert.ok(generations.length > 0);
    assert.notDeepEqual(generations, record.generations, what);
    genuine.set(path, record);
    changed.set(path, { ...record, generations });
  }
  const template = JSON.parse(await readFile(templateFile, "utf8")) as TemplateRecord;
  genuine.set(templateFile, template);
  changed.set(templateFile, { ...template, hypervisor: template.hypervisor.replace("microvm", "q35") });

  await rewrite(changed);
  for (const [index, { what, named }] of foreign.entries()) {
    const id = ids[index] ?? "";
    const { status, body } = await call("POST", `/v1/capsules/${id}/resume`);
    assert.deepEqual([what, status, body.error?.reason], [what, 502, "snapshot_incompatible"]);
    assert.match(body.error?.message ?? "", named);
    assert.equal((await call("GET", `/v1/capsules/${id}`)).body.status, "paused");
  }
  const refused = await server.api.call<Body>("POST", "/v1/capsules", { template: "foreign" });
  assert.deepEqual([refused.status, refused.body.error?.reason], [502, "snapshot_incompatible"]);

  await rewrite(genuine);
  const copy = await server.api.capsule(undefined, { template: "foreign" });
  assert.equal((await server.api.shell(copy, "cat /dev/shm/file")).stdout, "kept\n");
  for (const id of ids) {
    assert.equal((await call("POST", `/v1/capsules/${id}/resume`)).status, 200);
    assert.equal((await server.api.shell(id, "cat /dev/shm/file")).stdout, "kept\n");
  }
});
