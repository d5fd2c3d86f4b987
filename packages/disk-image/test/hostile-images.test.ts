import assert from "node:assert/strict";
import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { exists, runCommand, tryCommand } from "@wrenn/system";
import { createOverlay, flattenChain, readOverlayHeader, rebaseOverlay } from "../src/index.ts";
import { imageIo, newImages } from "./support/image-io.ts";

const CLUSTER = 131_072;
const SECRET = "TOP-SECRET-".repeat(400);
const signal = AbortSignal.timeout(120_000);

let root = "";
/** What the machine could read, and the caller allows. */
let allowed = "";
let base = "";
let lower = "";
let upper = "";
let secret = "";
let listener: Server;
let connections = 0;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "wrenn-hostile-"));
  listener = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => {
    listener.listen(0, "127.0.0.1", resolve);
  });
});
after(async () => {
  listener.close();
  await rm(root, { recursive: true, force: true });
});

/** A raw base under two overlays with 1 MiB of data each. */
beforeEach(async () => {
  await rm(root, { recursive: true, force: true });
  allowed = join(root, "layers");
  await mkdir(allowed, { recursive: true });
  await mkdir(join(root, "private"));
  secret = join(root, "private/key");
  await writeFile(secret, SECRET);
  base = join(allowed, "base.raw");
  await writeFile(base, Buffer.alloc(CLUSTER, "base"));
  await truncate(base, 16 << 20);
  [lower = "", upper = ""] = await newImages(allowed, base, [16, 16]);
  for (const path of [lower, upper]) await imageIo(path, ["write -P 1 0 512k", "write -P 2 8M 512k"]);
  connections = 0;
});

/** Changes the bytes of a file as a VMM with a descriptor of it could. */
async function change(path: string, edit: (bytes: Buffer) => Buffer | void): Promise<void> {
  const bytes = await readFile(path);
  await writeFile(path, edit(bytes) ?? bytes);
}

/** Writes another name and format of the backing file into a header of ours. */
async function rename(path: string, backing: string | Buffer, format = "raw"): Promise<void> {
  const name = Buffer.from(backing);
  await change(path, (bytes) => {
    bytes.fill(0, 112, 120);
    bytes.writeUInt32BE(format.length, 108);
    bytes.write(format, 112, "latin1");
    bytes.fill(0, 128, 2048);
    name.copy(bytes, 128);
    bytes.writeUInt32BE(name.length, 16);
  });
}

async function assertRefused(path: string, problem: RegExp, readable = [allowed]): Promise<void> {
  const target = join(allowed, "target.qcow2");
  const names = await readdir(allowed);
  await assert.rejects(flattenChain({ path, readable }, target, signal), (error: unknown) => {
    assert.ok(WrennError.is(error, "disk_image_refused"), String(error));
    assert.match(error.message, problem);
    return true;
  });
  assert.deepEqual(await readdir(allowed), names, "something of it is left");
  assert.equal(connections, 0, "a connection was made");
}

const qemuImg = (...arguments_: readonly string[]) => tryCommand(["qemu-img", ...arguments_]);

test("an image with an external data file, by which QEMU reads any file of the host, is refused", async () => {
  const data = join(root, "private/data");
  const options = `cluster_size=128k,extended_l2=on,data_file=${data}`;
  await runCommand([
    "qemu-img",
    "create",
    "-q",
    "-f",
    "qcow2",
    "-o",
    options,
    "-b",
    base,
    "-F",
    "raw",
    upper,
  ]);
  await imageIo(upper, ["write -P 1 0 64k"]);
  await writeFile(data, SECRET);
  const raw = join(root, "private/raw");
  await qemuImg("convert", "-f", "qcow2", "-O", "raw", upper, raw);
  assert.ok((await readFile(raw)).includes("TOP-SECRET"), "QEMU does not read it: the image is harmless");
  await assertRefused(upper, /features/);
  // Without the bit of the feature.
  await change(upper, (bytes) => void bytes.writeBigUInt64BE(1n << 4n, 72));
  await assertRefused(upper, /external data file/);
  await assert.rejects(readOverlayHeader(upper), /external data file/);
});

test("a backing file on the network is refused, and no connection is made", async () => {
  const { port } = listener.address() as AddressInfo;
  for (const name of [
    `nbd://127.0.0.1:${port}/x`,
    `nbd:127.0.0.1:${port}`,
    `json:{"driver":"raw","file":{"driver":"nbd","host":"127.0.0.1","port":"${port}"}}`,
  ]) {
    await rename(upper, name);
    await qemuImg("info", "--backing-chain", upper);
    assert.ok(connections > 0, `QEMU does not connect: ${name} is harmless`);
    connections = 0;
    await assertRefused(upper, /names an image that is not one of the disk/);
  }
});

test("a backing file that is not one of the disk's is refused", async () => {
  await writeFile(join(root, "outside.qcow2"), await readFile(lower));
  for (const [name, format] of [
    [secret, "raw"],
    [`json:{"driver":"raw","file":{"driver":"file","filename":"${secret}"}}`, "raw"],
    [`file:${base}`, "raw"],
    [join(root, "outside.qcow2"), "qcow2"],
    [`${allowed}/../private/key`, "raw"],
    [`${allowed}/./base.raw`, "raw"],
    [`${allowed}//base.raw`, "raw"],
    [`${allowed}/base.raw/`, "raw"],
    ["base.raw", "raw"],
    [`${base}\0`, "raw"],
    ["/", "raw"],
    [allowed, "raw"],
    ["/proc/self/mem", "raw"],
    ["/dev/mem", "raw"],
  ] as const) {
    await rename(upper, name, format);
    await assertRefused(upper, /names an image that is not one of the disk|not a regular file/);
  }
  await rename(upper, Buffer.from([0x2f, 0xff, 0xfe]));
  await assertRefused(upper, /not UTF-8/);
  // The same where single files are allowed.
  await rename(upper, base);
  await assertRefused(upper, /not one of the disk/, [lower]);
});

test("a name with another format than the server gives it is refused, and so is one without a format", async () => {
  await rename(upper, lower, "raw");
  await assertRefused(upper, /layer-0\.qcow2" as raw/);
  await rename(upper, base, "qcow2");
  await assertRefused(upper, /base\.raw" as qcow2/);
  await rename(upper, lower, "vmdk");
  await assertRefused(upper, /another format than raw or qcow2/);
  await rename(upper, lower, "qcow2");
  await change(upper, (bytes) => void bytes.fill(0, 104, 120));
  await assertRefused(upper, /no format/);
});

test("links, pipes, devices and directories instead of an image are refused", async () => {
  const kinds: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["a link to a file of the host", () => symlink(secret, lower)],
    ["a link to an image that would be allowed", () => symlink(base, lower)],
    ["a pipe", () => runCommand(["mkfifo", lower])],
    ["a device", () => runCommand(["mknod", lower, "c", "1", "5"])],
    ["a directory", () => mkdir(lower)],
    ["nothing", async () => {}],
  ];
  for (const [, make] of kinds) {
    await rm(lower, { recursive: true, force: true });
    await make();
    await assertRefused(upper, /layer-0\.qcow2 is not used: (it is not a regular file|it does not exist)/);
    await assertRefused(lower, /layer-0\.qcow2 is not used: (it is not a regular file|it does not exist)/);
    await assert.rejects(readOverlayHeader(lower), { reason: "disk_image_refused" });
    await assert.rejects(rebaseOverlay(lower, base, signal), { reason: "disk_image_refused" });
  }
  assert.equal(await readFile(secret, "utf8"), SECRET);
});

test("images that name each other, and chains of more than 200 images, are refused", async () => {
  await rename(lower, upper, "qcow2");
  await assertRefused(upper, /in the disk twice/);
  await rename(upper, upper, "qcow2");
  await assertRefused(upper, /in the disk twice/);
  const many = await newImages(
    allowed,
    base,
    Array.from({ length: 201 }, () => 16),
    "many",
  );
  await assertRefused(many.at(-1) ?? "", /more than 200 images/);
});

test("encryption, snapshots, compression, bitmaps and unknown features and extensions are refused", async () => {
  const extension = (kind: number) => (bytes: Buffer) => {
    // Between the format and the end of the list; the name moves.
    const name = Buffer.from(bytes.subarray(128, 128 + bytes.readUInt32BE(16)));
    bytes.writeUInt32BE(kind, 120);
    bytes.writeUInt32BE(8, 124);
    bytes.fill(0, 128, 2048);
    bytes.writeBigUInt64BE(256n, 8);
    name.copy(bytes, 256);
  };
  const changes: readonly (readonly [RegExp, (bytes: Buffer) => void])[] = [
    [/encrypted/, (bytes) => bytes.writeUInt32BE(2, 32)],
    [/encrypted/, extension(0x05_37_be_77)],
    [/external data file/, extension(0x44_41_54_41)],
    [/unknown extension 0x23852875/, extension(0x23_85_28_75)],
    [/unknown extension 0xabcd/, extension(0xab_cd)],
    [/snapshots/, (bytes) => bytes.writeUInt32BE(1, 60)],
    [/features/, (bytes) => bytes.writeBigUInt64BE(0x11n, 72)],
    [/features/, (bytes) => bytes.writeBigUInt64BE(0x12n, 72)],
    [/features/, (bytes) => bytes.writeBigUInt64BE(1n << 63n, 72)],
    [/features/, (bytes) => bytes.writeBigUInt64BE(0n, 72)],
    [/features/, (bytes) => bytes.writeBigUInt64BE(1n, 80)],
    [/features/, (bytes) => bytes.writeBigUInt64BE(2n, 88)],
    [/header has another length/, (bytes) => bytes.writeUInt32BE(4096, 100)],
    [/clusters have another size/, (bytes) => bytes.writeUInt32BE(31, 20)],
    [/clusters have another size/, (bytes) => bytes.writeUInt32BE(6, 96)],
    [/compressed/, (bytes) => (bytes.writeUInt32BE(112, 100), bytes.writeUInt8(1, 104))],
    [/extensions have no end/, (bytes) => bytes.writeUInt32BE(2 ** 31, 108)],
  ];
  const good = await readFile(upper);
  for (const [problem, edit] of changes) {
    const bad = Buffer.from(good);
    edit(bad);
    await writeFile(upper, bad);
    await assertRefused(upper, problem);
  }
});

test("tables that are huge or damaged, or that name one place twice, are refused", async () => {
  const good = await readFile(upper);
  const l1 = Number(good.readBigUInt64BE(40));
  const l2 = Number(good.readBigUInt64BE(l1) & 0xff_ffff_ffff_fe00n);
  const data = good.readBigUInt64BE(l2);
  const entry =
    (high: bigint, low = 0n) =>
    (bytes: Buffer) => {
      bytes.writeBigUInt64BE(high, l2);
      bytes.writeBigUInt64BE(low, l2 + 8);
    };
  const changes: readonly (readonly [RegExp, (bytes: Buffer) => void])[] = [
    [/disk has 9223372036854775808 bytes/, (bytes) => bytes.writeBigUInt64BE(2n ** 63n, 24)],
    [/disk has 0 bytes/, (bytes) => bytes.writeBigUInt64BE(0n, 24)],
    [/disk has 16777728 bytes/, (bytes) => bytes.writeBigUInt64BE(16_777_728n, 24)],
    [/disk has/, (bytes) => bytes.writeUInt32BE(2 ** 32 - 1, 36)],
    [/disk has/, (bytes) => bytes.writeUInt32BE(0, 36)],
    [/table of clusters has no place/, (bytes) => bytes.writeBigUInt64BE(0n, 40)],
    [/table of clusters has no place/, (bytes) => bytes.writeBigUInt64BE(2n ** 60n, 40)],
    [/table of clusters has no place/, (bytes) => bytes.writeBigUInt64BE(BigInt(l1) + 8n, 40)],
    [/behind its end/, (bytes) => bytes.writeBigUInt64BE(2n ** 50n, 40)],
    [/behind its end/, (bytes) => bytes.writeBigUInt64BE(2n ** 56n - 131_072n, 40)],
    [/a place twice/, (bytes) => bytes.writeBigUInt64BE(BigInt(l1), l1)],
    [/behind its end/, (bytes) => bytes.writeBigUInt64BE(2n ** 40n, l1)],
    [/tables are damaged/, (bytes) => bytes.writeBigUInt64BE(BigInt(l2) + 512n, l1)],
    [/tables are damaged/, (bytes) => bytes.writeBigUInt64BE(BigInt(l2) | (1n << 62n), l1)],
    [/compressed clusters/, entry(data | (1n << 62n))],
    [/data that reads as zeros/, entry(data, 2n ** 64n - 1n)],
    [/data without a place/, entry(0n, 1n)],
    [/a place twice/, entry(BigInt(l2), 1n)],
    [/a place twice/, entry(good.readBigUInt64BE(l2 + 16), 1n)],
    [/behind its end/, entry(2n ** 55n, 1n)],
    [/tables are damaged/, entry(data | 1n, 1n)],
    [/tables are damaged/, entry(data | (1n << 57n), 1n)],
  ];
  for (const [problem, edit] of changes) {
    const bad = Buffer.from(good);
    edit(bad);
    await writeFile(upper, bad);
    await assertRefused(upper, problem);
  }
  await writeFile(upper, good);
  await truncate(upper, 2 ** 40);
  await assertRefused(upper, /larger than its disk/);
  for (const length of [0, 3, 103, 111, 127, 200, CLUSTER, l2]) {
    await writeFile(upper, good.subarray(0, length));
    await assertRefused(upper, /./);
  }
});

test("one L2 table that is used for all 16 TiB of a disk is refused", async () => {
  const large = join(allowed, "large.qcow2");
  await createOverlay(large, { backing: base, backingFormat: "raw", sizeMib: 2 ** 24 });
  await imageIo(large, ["write -P 1 0 64k"]);
  await change(large, (bytes) => {
    const l1 = Number(bytes.readBigUInt64BE(40));
    for (let index = 1; index < 16_384; index++) bytes.copy(bytes, l1 + index * 8, l1, l1 + 8);
  });
  await assertRefused(large, /a place twice/);
});

test("an image is not written through a link, and a rebase keeps nothing of the old header but its fields", async () => {
  await change(upper, (bytes) => void bytes.write("left by another host", 1500));
  const other = join(allowed, "other.raw");
  await rebaseOverlay(upper, other, signal);
  assert.deepEqual((await readOverlayHeader(upper)).backing, { path: other, format: "raw" });
  const bytes = await readFile(upper);
  assert.ok(!bytes.includes("left by another host") && !bytes.includes(lower));
  await rm(lower);
  await symlink(upper, lower);
  await assert.rejects(rebaseOverlay(lower, base, signal), /not a regular file/);
  assert.deepEqual(await readFile(upper), bytes);
});

test("disks are flattened and rebased without starting a program", async () => {
  const { PATH } = process.env;
  process.env["PATH"] = "/nonexistent";
  try {
    await assert.rejects(runCommand(["qemu-img", "--version"]), { reason: "dependency_missing" });
    const target = join(allowed, "target.qcow2");
    await flattenChain({ path: upper, readable: [allowed] }, target, signal);
    await rebaseOverlay(target, base, signal);
    assert.ok(await exists(target));
  } finally {
    process.env["PATH"] = PATH;
  }
});

test("an image that is written while it is read is refused or read within its bounds", async () => {
  const target = join(allowed, "target.qcow2");
  await using file = await open(upper, "r+");
  const over = new AbortController();
  const writing = (async () => {
    for (let round = 0; !over.signal.aborted; round++) {
      await file.truncate(round % 2 === 0 ? CLUSTER * 4 : CLUSTER * 20);
      await file.write(Buffer.alloc(4096, round % 251), 0, 4096, CLUSTER * (4 + (round % 8)));
    }
  })();
  for (let round = 0; round < 20; round++) {
    const work = flattenChain({ path: upper, readable: [allowed] }, target, signal);
    await work.catch((error: unknown) =>
      assert.ok(WrennError.is(error, "disk_image_refused"), String(error)),
    );
  }
  over.abort();
  await writing;
});
