import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runCommand } from "@wrenn/system";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Disks of real machines that are flattened: what QEMU wrote keeps its content, and what code in QEMU's place could write is refused. */

const SECRET = "TOP-SECRET-1795827707";
let server: TestServer;
let directory = "";
before(async () => {
  directory = await mkdtemp("/tmp/wrenn-hostile-disk-");
  server = await startTestServer();
});
after(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const post = <T>(path: string, body?: unknown) => server.call<T>("POST", path, body);
const layerPath = (id: string): string => join(server.dataDirectory, "layers", `${id}.qcow2`);
const templates = (): Promise<readonly string[]> => readdir(join(server.dataDirectory, "templates"));

/** Layers of a paused capsule's disk, lowest first. */
async function layersOf(id: string): Promise<readonly string[]> {
  const text = await readFile(join(server.capsulesDirectory, id, "capsule.json"), "utf8");
  const record = JSON.parse(text) as {
    readonly current: string;
    readonly generations: readonly { readonly id: string; readonly layers: readonly string[] }[];
  };
  return record.generations.find((generation) => generation.id === record.current)?.layers ?? [];
}

test("a disk of ten layers becomes one, from which the capsule goes on with all its files", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  for (let layer = 0; layer < 9; layer++) {
    // Files that grow, shrink and go: data, zeros and what the guest discards.
    await server.shell(
      id,
      `head -c ${(layer + 1) * 150_000} /dev/urandom > /root/f${layer}; truncate -s 3M /root/f${layer}; rm -f /root/f${layer - 3};
       dd if=/dev/zero of=/root/f${Math.max(0, layer - 2)} bs=4096 seek=3 count=9 conv=notrunc 2>/dev/null; sync; fstrim / 2>/dev/null || true`,
    );
    assert.equal((await post(`/v1/capsules/${id}/checkpoints`, {})).status, 201);
  }
  const sums =
    "cd /root && sync && echo 3 > /proc/sys/vm/drop_caches; sha256sum f*; sha256sum /usr/bin/* | sha256sum";
  const { stdout: expected } = await server.shell(id, sums);
  assert.match(expected, / f8\n/);
  assert.equal((await post(`/v1/capsules/${id}/pause`)).status, 200);
  const [layer = ""] = await eventually("the layers are one", async () => {
    const layers = await layersOf(id);
    return layers.length === 1 ? layers : undefined;
  });
  await runCommand(["qemu-img", "check", "-f", "qcow2", layerPath(layer)]);
  assert.equal((await post(`/v1/capsules/${id}/resume`)).status, 200);
  assert.equal((await server.shell(id, sums)).stdout, expected);
  const snapshot = await post(`/v1/snapshots`, { sandbox_id: id, name: "flat" });
  assert.equal(snapshot.status, 201, JSON.stringify(snapshot.body));
  const child = await server.capsule(t, { template: "flat" });
  assert.equal((await server.shell(child, sums)).stdout, expected);
});

test("a disk that names a file of the host or a server makes no template, and its capsule stays", async (t) => {
  const secret = join(directory, "key");
  await writeFile(secret, SECRET.repeat(4000), { mode: 0o600 });
  let connections = 0;
  const listener = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  t.after(() => listener.close());
  await new Promise<void>((resolve) => {
    listener.listen(0, "127.0.0.1", resolve);
  });
  const { port } = listener.address() as AddressInfo;

  const id = await server.capsule(t, { memory_mb: 256 });
  await server.shell(id, "echo kept > /root/file");
  assert.equal((await post(`/v1/capsules/${id}/pause`)).status, 200);
  const layer = layerPath((await layersOf(id)).at(-1) ?? "");
  const good = await readFile(layer);
  const snapshot = () =>
    post<{ error: { code: string; reason: string } }>("/v1/snapshots", { sandbox_id: id, name: "stolen" });
  const backing = (name: string) => (bytes: Buffer) => {
    bytes.fill(0, 112, 2048);
    bytes.write("raw", 112, "latin1");
    bytes.writeUInt32BE(3, 108);
    bytes.write(name, 128);
    bytes.writeUInt32BE(Buffer.byteLength(name), 16);
  };
  const before = await templates();
  for (const [name, edit] of Object.entries({
    "an external data file": (bytes: Buffer) => {
      const image = bytes.subarray(128, 128 + bytes.readUInt32BE(16));
      const kept = Buffer.from(image);
      bytes.writeBigUInt64BE(0x14n, 72);
      bytes.fill(0, 120, 2048);
      bytes.writeUInt32BE(0x44_41_54_41, 120);
      bytes.writeUInt32BE(Buffer.byteLength(secret), 124);
      bytes.write(secret, 128);
      bytes.writeBigUInt64BE(1024n, 8);
      kept.copy(bytes, 1024);
    },
    "a file of the host": backing(secret),
    "a server": backing(`nbd://127.0.0.1:${port}/x`),
    "a description": backing(`json:{"driver":"raw","file":{"driver":"file","filename":"${secret}"}}`),
    "another capsule's layer": backing(layerPath("00000000-0000-4000-8000-000000000000")),
  })) {
    const bad = Buffer.from(good);
    edit(bad);
    await chmod(layer, 0o644);
    await writeFile(layer, bad);
    const { status, body } = await snapshot();
    assert.deepEqual(
      [status, body.error.reason],
      [502, "disk_image_refused"],
      `${name}: ${JSON.stringify(body)}`,
    );
    assert.ok(!JSON.stringify(body).includes(SECRET));
    assert.deepEqual(await templates(), before, `${name}: something of it is left`);
  }
  assert.equal(connections, 0);
  await writeFile(layer, good);
  await chmod(layer, 0o444);
  assert.equal((await snapshot()).status, 201);
  assert.equal((await post(`/v1/capsules/${id}/resume`)).status, 200);
  assert.equal((await server.shell(id, "cat /root/file")).stdout, "kept\n");
});
