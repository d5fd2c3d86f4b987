import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { projectRoot } from "../support/sources.ts";

/**
 * The layers of the guest agent, lowest first. A file uses its own group and every lower layer, never a sibling group.
 * `native/guest-agent/README.md` says what they are for.
 */
const layers: readonly Readonly<Record<string, readonly string[]>>[] = [
  { values: ["buffer", "condition", "oom-report", "ring", "status", "tar", "wire"] },
  {
    system: [
      "all-processes",
      "attributes",
      "cgroup",
      "child",
      "child-start",
      "devices",
      "disk-check",
      "environment",
      "etc-file",
      "file-systems",
      "kernel-limits",
      "kernel-settings",
      "loopback",
      "measure",
      "memory-facts",
      "names",
      "pace",
      "path-claim",
      "paths",
      "piece-writer",
      "proc-stat",
      "regular-file",
      "run-directories",
      "runtime-directory",
      "sandbox-files",
      "signal-one",
      "system-environment",
      "target",
      "temporary",
      "users",
      "wall-clock",
    ],
  },
  { transport: ["frame", "lane", "loop"] },
  {
    streams: [
      "blocking-job",
      "input-stream",
      "jobs",
      "oom-watch",
      "output-stream",
      "request-table",
      "rest",
      "stream-table",
    ],
  },
  {
    files: [
      "attribute-calls",
      "below",
      "copy-content",
      "descent",
      "entry",
      "file-job",
      "files",
      "in-place",
      "listing",
      "place-files",
      "replacement",
      "tar-reader",
      "tree",
      "tree-copy",
      "tree-place",
      "walk",
    ],
  },
  {
    process: ["process", "process-io", "process-signal", "process-streams", "processes", "spawn"],
    transfer: ["transfer", "transfer-work", "upload-stream", "uploads"],
    feed: [
      "archive",
      "feed",
      "watch",
      "watch-directories",
      "watch-file",
      "watch-instance",
      "watch-moves",
      "watch-report",
      "watch-tree",
    ],
  },
  {
    requests: [
      "agent",
      "configure",
      "counters",
      "dispatch",
      "grow",
      "hooks",
      "listeners",
      "quiesce",
      "shutdown",
    ],
  },
  { program: ["init", "main"] },
];

interface Place {
  readonly rank: number;
  readonly group: string;
}

const places = new Map<string, Place>(
  layers.flatMap((groups, rank) =>
    Object.entries(groups).flatMap(([group, files]) => files.map((file) => [file, { rank, group }] as const)),
  ),
);

const agent = join(projectRoot, "native/guest-agent");
const names = (await readdir(join(agent, "src"))).sort();
const stems = new Set(names.map(stemOf));

/** What each file uses: by `#include`, and by the symbols of its object. */
const includes = await includesOf(names);
const symbols = await symbolsOf(names.filter((name) => name.endsWith(".c")).map(stemOf));

test("every file of the guest agent has a layer, and every layer's file exists", () => {
  assert.deepEqual([...places.keys()].sort(), [...stems].sort());
});

for (const { how, uses } of [
  { how: "includes", uses: includes },
  { how: "calls", uses: symbols },
] as const) {
  test(`the guest agent's ${how} lead to lower layers only`, () => {
    const problems: string[] = [];
    let count = 0;
    for (const [from, targets] of uses)
      for (const to of targets) {
        count++;
        if (!allowed(places.get(from), places.get(to))) problems.push(`${from} uses ${to}`);
      }
    assert.deepEqual(problems, []);
    assert.ok(count > 50, `only ${count} uses were found`);
  });

  test(`the guest agent's ${how} form no circle`, () => assert.deepEqual(circleIn(uses), []));
}

test("a use of a sibling or of a higher layer is a fault, and a circle is found", () => {
  assert.equal(allowed(places.get("transfer"), places.get("feed")), false);
  assert.equal(allowed(places.get("lane"), places.get("stream-table")), false);
  assert.equal(allowed(places.get("process"), places.get("process-io")), true);
  const circular = new Map([
    ["a", new Set(["b"])],
    ["b", new Set(["c"])],
    ["c", new Set(["b"])],
  ]);
  assert.deepEqual(circleIn(circular), ["b", "c", "b"]);
});

function allowed(from: Place | undefined, to: Place | undefined): boolean {
  if (!from || !to) return false;
  return to.rank < from.rank || (to.rank === from.rank && to.group === from.group);
}

/** The files of one circle, beginning and ending with the same; empty when there is none. */
function circleIn(uses: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  const finished = new Set<string>();
  const visit = (file: string, path: readonly string[]): readonly string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (finished.has(file)) return [];
    for (const next of uses.get(file) ?? []) {
      const circle = visit(next, [...path, file]);
      if (circle.length > 0) return circle;
    }
    finished.add(file);
    return [];
  };
  for (const file of uses.keys()) {
    const circle = visit(file, []);
    if (circle.length > 0) return circle;
  }
  return [];
}

function stemOf(name: string): string {
  return name.replace(/\.[ch]$/, "");
}

/** A source and its header count as one file. */
async function includesOf(files: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const uses = new Map<string, Set<string>>();
  for (const name of files) {
    const stem = stemOf(name);
    const targets = uses.get(stem) ?? new Set<string>();
    uses.set(stem, targets);
    const text = await readFile(join(agent, "src", name), "utf8");
    for (const [, header = ""] of text.matchAll(/^#include "(.+)"$/gm))
      if (stemOf(header) !== stem) targets.add(stemOf(header));
  }
  return uses;
}

/** Which object defines what another leaves undefined, calls and variables alike. */
async function symbolsOf(objects: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const build = await tryCommand(["make", "-C", agent]);
  assert.equal(build.code, 0, build.stderr.slice(-4000));
  const definedIn = new Map<string, string>();
  const undefinedIn = new Map<string, readonly string[]>();
  for (const object of objects) {
    const listing = await tryCommand([
      "nm",
      "--extern-only",
      "--format=posix",
      join(agent, "build/objects", `${object}.o`),
    ]);
    assert.equal(listing.code, 0, listing.stderr);
    const lines = listing.stdout.split("\n").map((line) => line.split(" "));
    for (const [symbol = "", type] of lines) if (type !== "U" && symbol !== "") definedIn.set(symbol, object);
    undefinedIn.set(
      object,
      lines.filter(([, type]) => type === "U").map(([symbol = ""]) => symbol),
    );
  }
  return new Map(
    objects.map((object) => {
      const targets = (undefinedIn.get(object) ?? []).map((symbol) => definedIn.get(symbol));
      return [object, new Set(targets.filter((target) => target !== undefined))];
    }),
  );
}
