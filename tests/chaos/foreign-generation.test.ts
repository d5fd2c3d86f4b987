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

/** Rewrites what the capsule's record says about who saved its generations, while no server runs. */
async function saidToBeSavedBy(id: string, change: (hypervisor: string) => string): Promise<void> {
  const path = join(server.dataDirectory, "capsules", id, "capsule.json");
  const record = JSON.parse(await readFile(path, "utf8")) as { generations: { hypervisor: string }[] };
  for (const generation of record.generations) generation.hypervisor = change(generation.hypervisor);
  await server.kill();
  await writeFile(path, JSON.stringify(record));
  await server.start();
}

const foreign: Readonly<Record<string, (hypervisor: string) => string>> = {
  "another version of QEMU": (text) => text.replace(/version [\d.]+/, "version 99.0.0"),
  "another machine type": (text) => text.replace("microvm", "q35"),
  "another CPU": (text) => text.replace(/(kvm|tcg)\/[^/]*\//, "$1/Penryn/"),
  "another list of devices": (text) => text.replace("blk,net", "blk,net,balloon"),
};

/** What the error names. */
const named: Readonly<Record<string, RegExp>> = {
  "another version of QEMU": /fit this host: QEMU: .*99\.0\.0/,
  "another machine type": /fit this host: machine type: .*q35/,
  "another CPU": /fit this host: CPU: it was saved with Penryn/,
  "another list of devices": /fit this host: devices: .*balloon/,
};

/** The same for a template that was made of a capsule. */
async function templateSaidToBeSavedBy(change: (hypervisor: string) => string): Promise<void> {
  const root = join(server.dataDirectory, "templates");
  const [key = ""] = await readdir(root);
  const path = join(root, key, "template.json");
  const record = JSON.parse(await readFile(path, "utf8")) as { hypervisor: string };
  await server.kill();
  await writeFile(path, JSON.stringify({ ...record, hypervisor: change(record.hypervisor) }));
  await server.start();
}

test("a generation of a foreign machine is refused, and the capsule keeps its state", async () => {
  const id = await server.api.capsule(undefined, { memory_mb: 256 });
  await server.api.shell(id, "echo kept > /dev/shm/file");
  assert.equal((await call("POST", `/v1/capsules/${id}/pause`)).status, 200);
  let genuine = "";
  for (const [what, change] of Object.entries(foreign)) {
    await saidToBeSavedBy(id, (text) => {
      genuine ||= text;
      const other = change(genuine);
      assert.notEqual(other, genuine, what);
      return other;
    });
    const { status, body } = await call("POST", `/v1/capsules/${id}/resume`);
    assert.deepEqual([what, status, body.error?.reason], [what, 502, "snapshot_incompatible"]);
    assert.match(body.error?.message ?? "", named[what] ?? /^$/);
    assert.equal((await call("GET", `/v1/capsules/${id}`)).body.status, "paused");
  }
  await saidToBeSavedBy(id, () => genuine);
  const snapshot = { sandbox_id: id, name: "foreign" };
  assert.equal((await server.api.call("POST", "/v1/snapshots", snapshot)).status, 201);
  await templateSaidToBeSavedBy((text) => text.replace("microvm", "q35"));
  const refused = await server.api.call<Body>("POST", "/v1/capsules", { template: "foreign" });
  assert.deepEqual([refused.status, refused.body.error?.reason], [502, "snapshot_incompatible"]);
  await templateSaidToBeSavedBy(() => genuine);
  const copy = await server.api.capsule(undefined, { template: "foreign" });
  assert.equal((await server.api.shell(copy, "cat /dev/shm/file")).stdout, "kept\n");
  assert.equal((await call("POST", `/v1/capsules/${id}/resume`)).status, 200);
  assert.equal((await server.api.shell(id, "cat /dev/shm/file")).stdout, "kept\n");
});
