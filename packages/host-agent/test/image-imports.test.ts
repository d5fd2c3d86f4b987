import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { abortable, systemClock, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { createImageImports, DiskReserve } from "@wrenn/host-agent";
import type { FoundImage, ImageImports } from "@wrenn/host-agent";
import { exists } from "@wrenn/system";
import { ampleDisk } from "./support/ample-disk.ts";
import { PLAIN_SETTINGS } from "@wrenn/protocol/testing";
import { digestOf, FakeImageDisks, KERNEL } from "./support/fake-image-disks.ts";

const signal = AbortSignal.timeout(60_000);
const root = await mkdtemp(join(tmpdir(), "wrenn-archives-"));
after(() => rm(root, { recursive: true, force: true }));
let made = 0;

/** A registry whose images are named by one hexadecimal digit, and imports of it. */
class Lab {
  readonly disks = new FakeImageDisks("/scratch");
  readonly imports: ImageImports;
  /** Images whose pulls have begun, in this order. */
  readonly pulled: string[] = [];
  aborted = 0;
  /** Bytes that each pull says it downloads. */
  totalBytes = 1000;
  readonly #gates = new Map<string, PromiseWithResolvers<void>>();

  readonly archives = join(root, String(made++));

  constructor(reserve: Pick<DiskReserve, "claim" | "path"> = ampleDisk) {
    this.imports = createImageImports({
      clock: systemClock,
      puller: {
        find: async ({ reference }) => this.#find(reference),
        findInArchive: async ({ path, scratch }) => {
          assert.ok((await stat(scratch)).isDirectory());
          const image = this.#find(await readFile(path, "utf8"));
          return {
            ...image,
            pull: async (...all) => {
              assert.ok(await exists(path), "the archive stays while it is read");
              const tree = await image.pull(...all);
              assert.ok(await exists(path), "the archive stays until it was read");
              return tree;
            },
          };
        },
      },
      archives: this.archives,
      disks: this.disks,
      kernel: async () => KERNEL,
      reserve,
      usualMib: 1024,
    });
  }

  gate(digit: string): PromiseWithResolvers<void> {
    const gate = this.#gates.get(digit) ?? Promise.withResolvers<void>();
    this.#gates.set(digit, gate);
    return gate;
  }

  #find(digit: string): FoundImage {
    if (digit === "0") throw new WrennError("image_not_found", { image: digit });
    return {
      digest: digestOf(digit),
      pull: async (scratch, report, inner) => {
        this.pulled.push(digit);
        report({ phase: "download", doneBytes: 1, totalBytes: this.totalBytes });
        try {
          await abortable(inner, this.gate(digit).promise);
        } catch (error) {
          this.aborted += 1;
          throw error;
        }
        return { tree: scratch, digest: digestOf(digit), settings: PLAIN_SETTINGS };
      },
    };
  }
}

test("an image is pulled once for all who ask for it, and looked up afterwards", async () => {
  const lab = new Lab();
  const asked = ["x", "y", "z"].map((id) => lab.imports.import({ id, reference: "a" }, signal));
  await eventually("the pull begins", () => lab.pulled.length > 0);
  const progress = { phase: "download", doneBytes: 1, totalBytes: 1000 };
  for (const id of ["x", "y", "z"]) assert.deepEqual(lab.imports.progress(id), progress);
  assert.equal(lab.imports.progress("other"), undefined);
  lab.gate("a").resolve();
  const [image, ...others] = await Promise.all(asked);
  assert.deepEqual(others, [image, image]);
  assert.equal(image?.template, `image-${"a".repeat(32)}`);
  assert.deepEqual(await lab.imports.import({ id: "x", reference: "a" }, signal), image);
  assert.deepEqual(lab.pulled, ["a"]);
  assert.equal(lab.imports.progress("x"), undefined);
});

test("two images are pulled at once, others wait, and one that waits can be aborted", async () => {
  const lab = new Lab();
  const leaving = new AbortController();
  const done = ["1", "2", "3", "4"].map((digit) =>
    lab.imports.import({ id: digit, reference: digit }, digit === "3" ? leaving.signal : signal),
  );
  done[2]?.catch(() => {});
  await eventually("two have begun", () => lab.pulled.length === 2);
  await eventually("the others wait", () => lab.imports.progress("4")?.phase === "download");
  assert.deepEqual(lab.pulled, ["1", "2"]);
  leaving.abort(new Error("no more"));
  await assert.rejects(done[2] ?? assert.fail(), /no more/);
  for (const digit of ["1", "2", "4"]) lab.gate(digit).resolve();
  await Promise.all([done[0], done[1], done[3]]);
  assert.deepEqual(lab.pulled, ["1", "2", "4"]);
});

test("an import goes on while one of its callers is there, and ends with the last", async () => {
  const lab = new Lab();
  const [first, second] = [new AbortController(), new AbortController()];
  const one = lab.imports.import({ id: "x", reference: "a" }, first.signal);
  const two = lab.imports.import({ id: "y", reference: "a" }, second.signal);
  await eventually("the pull begins", () => lab.pulled.length > 0);
  first.abort(new Error("left"));
  await assert.rejects(one, /left/);
  assert.equal(lab.aborted, 0);
  assert.notEqual(lab.imports.progress("y"), undefined);
  second.abort(new Error("left too"));
  await assert.rejects(two, /left too/);
  await lab.imports.settled();
  assert.deepEqual([lab.aborted, lab.disks.disks.size], [1, 0]);
});

test("an image that does not fit on the host's disk is refused when its size is known, and before", async () => {
  const space = { totalBytes: 1e12, freeBytes: 2 ** 30 + 100 * 2 ** 20 };
  const reserve = new DiskReserve({ readSpace: async () => space }, { path: "/data", reserveBytes: 2 ** 30 });
  const lab = new Lab(reserve);
  lab.totalBytes = 50 * 2 ** 20;
  const full = { reason: "disk_full", message: /\/data/ };
  await assert.rejects(lab.imports.import({ id: "x", reference: "a" }, signal), full);
  assert.equal(lab.aborted, 1);
  // Nothing stays claimed.
  lab.totalBytes = 1000;
  lab.gate("a").resolve();
  await lab.imports.import({ id: "x", reference: "a" }, signal);
  space.freeBytes = 2 ** 30;
  await assert.rejects(lab.imports.import({ id: "x", reference: "b" }, signal), full);
  assert.ok(!lab.pulled.includes("b"));
});

test("what the registry says of an image is the error, and leaves no progress", async () => {
  const lab = new Lab();
  await assert.rejects(lab.imports.import({ id: "x", reference: "0" }, signal), {
    reason: "image_not_found",
  });
  assert.equal(lab.imports.progress("x"), undefined);
});

test("a trim keeps the disks of templates in use", async () => {
  const lab = new Lab();
  for (const digit of ["a", "b"]) {
    lab.gate(digit).resolve();
    await lab.imports.import({ id: digit, reference: digit }, signal);
  }
  await lab.imports.trim(new Set(["minimal", `image-${"a".repeat(32)}`]));
  assert.deepEqual(lab.disks.kept, ["a".repeat(32)]);
  assert.equal(lab.disks.trims[0]?.most, 32);
});

async function* piecesOf(...pieces: readonly (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) {
    if (piece instanceof Error) throw piece;
    yield Buffer.from(piece);
  }
}

test("an archive is there from its last byte until it is dropped, also while others wait for its image", async () => {
  const lab = new Lab();
  const { imports, pulled, archives } = lab;
  const request = (id: string) => ({ id: `import-${id}`, reference: "a.tar", archive: { id } });
  const gone = { reason: "image_archive_invalid", message: /a\.tar/ };
  await assert.rejects(imports.import(request("one"), signal), gone);
  for (const id of ["one", "two"]) await imports.receive(id, piecesOf("a"), signal);
  const leaving = new AbortController();
  const first = imports.import(request("one"), leaving.signal);
  first.catch(() => {});
  await eventually("the pull begins", () => pulled.length === 1);
  const second = imports.import(request("two"), signal);
  await eventually("the other waits for it", () => imports.progress("import-two")?.phase === "download");
  leaving.abort(new Error("left"));
  await assert.rejects(first, /left/);
  await imports.drop("one");
  await assert.rejects(imports.import(request("one"), signal), gone);
  lab.gate("a").resolve();
  await second;
  assert.deepEqual([pulled, await readdir(archives)], [["a"], ["two.archive"]]);
  await imports.import(request("two"), signal);
  assert.deepEqual(pulled, ["a"], "the same image is recognised");
  await imports.drop("two");
  await imports.drop("two");
  assert.deepEqual(await readdir(archives), []);
});

test("of an archive that breaks off, is aborted, has no room or no plain id nothing is left", async () => {
  const space = { totalBytes: 1e12, freeBytes: 2 ** 30 + 2 ** 20 };
  const reserve = new DiskReserve({ readSpace: async () => space }, { path: "/data", reserveBytes: 2 ** 30 });
  const full = new Lab(reserve);
  await assert.rejects(full.imports.receive("x", piecesOf("a"), signal), { reason: "disk_full" });
  const { imports, archives } = new Lab();
  await assert.rejects(imports.receive("x", piecesOf("a", new Error("cut off")), signal), /cut off/);
  const leaving = new AbortController();
  const pieces = async function* pieces(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("a");
    leaving.abort(new Error("left"));
    yield Buffer.from("b");
  };
  await assert.rejects(imports.receive("x", pieces(), leaving.signal), /left/);
  for (const id of ["../x", "", "a/b", ".x"])
    await assert.rejects(imports.receive(id, piecesOf("a"), signal), { reason: "invalid_field" });
  assert.deepEqual([await readdir(archives), await readdir(full.archives)], [[], []]);
});

test("what a killed process left of archives is removed, and so is what nobody has dropped for a day", async () => {
  const { imports, archives } = new Lab();
  await mkdir(join(archives, "x.scratch"), { recursive: true });
  await writeFile(join(archives, "x.part"), "a");
  for (const id of ["old", "new"]) await imports.receive(id, piecesOf("a"), signal);
  await imports.open();
  assert.deepEqual((await readdir(archives)).sort(), ["new.archive", "old.archive"]);
  const yesterday = new Date(Date.now() - 25 * 60 * 60_000);
  await utimes(join(archives, "old.archive"), yesterday, yesterday);
  await imports.trim(new Set());
  assert.deepEqual(await readdir(archives), ["new.archive"]);
});
