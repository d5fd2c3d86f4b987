import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { chooseLoadable, loadableModules, neededBy, takeLoadable } from "../src/loadable-modules.ts";

/** A module for every entry of the list. */
const package_ = loadableModules.map((offer, at) => ({
  path: `kernel/${offer.endsWith(".ko") ? offer : `${offer}module${at}.ko`}`,
  needs: [],
}));

const information = (depends: string): Buffer =>
  Buffer.from(`\u007fELF\0license=GPL\0depends=${depends}\0retpoline=Y\0name=x\0`, "latin1");

test("modules bring what they need, by either spelling of a name, and nothing else", () => {
  const wireguard = "kernel/drivers/net/wireguard/wireguard.ko";
  const chosen = chooseLoadable([
    ...package_,
    { path: wireguard, needs: ["udp_tunnel"] },
    { path: "kernel/elsewhere/udp-tunnel.ko", needs: ["deeper"] },
    { path: "kernel/elsewhere/deeper.ko", needs: [] },
    { path: "kernel/drivers/gpu/card.ko", needs: [] },
    { path: "kernel/crypto/tcrypt.ko", needs: [] },
  ]);
  for (const path of [wireguard, "kernel/elsewhere/udp-tunnel.ko", "kernel/elsewhere/deeper.ko"])
    assert.ok(chosen.includes(path), path);
  for (const path of ["kernel/drivers/gpu/card.ko", "kernel/crypto/tcrypt.ko"])
    assert.ok(!chosen.includes(path), path);
});

test("a package that lacks an offered or a needed module is refused by its name", () => {
  assert.throws(() => chooseLoadable(package_.slice(1)), /no module arch\/x86\/crypto/);
  const needing = [...package_, { path: "kernel/fs/xfs/xfs.ko", needs: ["absent"] }];
  assert.throws(() => chooseLoadable(needing), /no module absent/);
});

test("what a module needs is read from its information", () => {
  assert.deepEqual(neededBy(information("nf-tables,x_tables")), ["nf_tables", "x_tables"]);
  assert.deepEqual(neededBy(information("")), []);
  assert.deepEqual(neededBy(Buffer.from("no information")), []);
});

test("modules are packed without a change of their bytes, next to the indexes of what is built in", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-loadable-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const [source, target] = [join(directory, "source"), join(directory, "target")];
  for (const { path } of package_) {
    await mkdir(dirname(join(source, path)), { recursive: true });
    await writeFile(join(source, path), information(""));
  }
  for (const index of ["modules.builtin", "modules.builtin.modinfo", "modules.order"])
    await writeFile(join(source, index), index);
  const paths = package_.map(({ path }) => path);
  await takeLoadable(source, paths, target);
  for (const path of paths)
    assert.deepEqual(zstdDecompressSync(await readFile(join(target, `${path}.zst`))), information(""), path);
  assert.deepEqual((await readdir(target)).toSorted(), [
    "kernel",
    "modules.builtin",
    "modules.builtin.modinfo",
    "modules.order",
  ]);
});
