/* Drawn: apps/bench/test/peers.test.ts shows its parts. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { projectRoot } from "../support/sources.ts";

const [directory, dataDirectory] = await Promise.all(
  ["run", "data"].map(async (use) => await mkdtemp(`/tmp/wrenn-peers-test-${use}-`)),
);
assert.ok(directory && dataDirectory);
after(async () => {
  for (const each of [directory, dataDirectory]) await rm(each, { recursive: true, force: true });
});

const env = { ...process.env, WRENN_DATA_DIR: dataDirectory } as Record<string, string>;

interface Peer {
  readonly name: string;
  readonly samples: Readonly<Record<string, readonly number[]>>;
  readonly unavailable: Readonly<Record<string, string>>;
}

/** What runs of the bench leave in the system, by their names. */
async function left(): Promise<readonly string[]> {
  const folders = ["/run/netns", "/tmp", "/sys/fs/cgroup", "/sys/fs/cgroup/memory"];
  const names = await Promise.all(folders.map(async (folder) => await readdir(folder).catch(() => [])));
  const mounts = (await readFile("/proc/mounts", "utf8")).split("\n");
  return [...names.flat(), ...mounts].filter((name) => /bench-peers-|wrenn-bench-(podman|runsc)-/.test(name));
}

const OURS = "Wrenn, no machine waiting";
/** All of them take minutes. */
const isLong = process.env["WRENN_TEST_LONG"] === "1";
const only = isLong ? [] : ["--only", OURS];

test("bench --peers measures Wrenn and a cold boot, and what is installed; it leaves nothing", async () => {
  const before = await left();
  const json = join(directory, "peers.json");
  const { code, stdout, stderr } = await tryCommand(
    [join(projectRoot, "wrenn"), "bench", "--peers", "--rounds", "1", "--json", json, ...only],
    { env },
  );
  assert.equal(code, 0, stderr);
  const { peers } = JSON.parse(await readFile(json, "utf8")) as { readonly peers: readonly Peer[] };
  const find = (wanted: string): Peer =>
    peers.find(({ name }) => name === wanted) ?? assert.fail(`no ${wanted}`);
  const { samples: ours, unavailable: missing } = find(OURS);
  assert.deepEqual(missing, {});
  for (const measure of [
    "exec",
    "upload",
    "download",
    "tenAtOnce",
    "idleMemory",
    "pauseAndResume",
    "destroy",
  ])
    assert.ok((ours[measure]?.[0] ?? 0) > 0, measure);
  const always = isLong ? [OURS, "Wrenn, warmed machine waiting", "QEMU, cold boot"] : [OURS];
  for (const name of always) assert.equal(find(name).samples["firstOutput"]?.length, 1, name);
  for (const { name, samples, unavailable } of peers)
    assert.ok(samples["firstOutput"] ?? unavailable["firstOutput"], name);
  if (isLong) assert.match(stdout, /^fresh machine → first output .* QEMU, cold boot /m);
  if (isLong) assert.match(stdout, /^bwrap: namespaces only/m);
  assert.deepEqual(
    (await left()).filter((name) => !before.includes(name)),
    [],
  );
});
