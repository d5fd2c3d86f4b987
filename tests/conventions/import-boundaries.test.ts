import assert from "node:assert/strict";
import { test } from "node:test";
import { listSources, projectRoot } from "../support/sources.ts";
import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/** Dependencies point downwards only: a workspace may import from lower layers (ARCHITECTURE.md#layout). */
const layers: readonly (readonly string[])[] = [
  ["core", "recipe"],
  ["sdk", "system", "protocol", "certificates", "code-interpreter"],
  ["oci", "vmm", "memory-image", "disk-image", "network", "guest", "database", "host-link"],
  ["host-setup", "host-agent", "control-plane", "edge"],
  ["e2b"],
  ["server"],
  ["bench", "client", "dashboard"],
  ["cli"],
];

/** Entry points of packages besides their own name, for what not every importer can load. */
const entryPoints: ReadonlyMap<string, readonly string[]> = new Map([
  ["recipe", ["context", "keys"]],
  ["control-plane", ["file-answers"]],
]);

/**
 * Rooms (folders) of the control plane, from the lowest floor up. A file imports from its own room and from rooms of lower floors;
 * what is above them opens and registers each room.
 */
const controlPlaneFloors: readonly (readonly string[])[] = [
  ["openapi"],
  ["http", "outbox", "secrets"],
  ["audit", "events", "usage"],
  ["channels", "hosts", "mail", "network"],
  ["accounts", "templates"],
  ["sign-in", "teams"],
  ["builds", "capsules"],
  ["dashboard", "downloads", "files", "logs", "ports", "processes"],
];

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;'"]*?from\s*["']([^"']+)["']|import\(\s*["']([^"']+)["']\s*\)/g;

test("workspaces import only from lower layers, by package name, and never leave their own folder", async () => {
  const problems: string[] = [];
  for (const file of await listSources(["packages", "apps"])) {
    const owner = file.split("/")[1] ?? "";
    const isTest = file.includes("/test/");
    const text = await readFile(join(projectRoot, file), "utf8");
    for (const match of text.matchAll(IMPORT)) {
      const specifier = match[1] ?? match[2] ?? "";
      if (specifier.startsWith(".")) {
        const target = join(file, "..", specifier).split("/").slice(0, 2).join("/");
        if (target !== file.split("/").slice(0, 2).join("/"))
          problems.push(`${file}: relative import leaves its workspace: ${specifier}`);
        continue;
      }
      if (!specifier.startsWith("@wrenn/")) continue;
      const [, imported = "", ...deep] = specifier.split("/");
      const known = entryPoints.get(imported) ?? [];
      if (deep.length > 0 && deep[0] !== "testing" && !known.includes(deep.join("/")))
        problems.push(`${file}: deep import ${specifier}`);
      if (deep[0] === "testing" && !isTest)
        problems.push(`${file}: test support in product code: ${specifier}`);
      if (imported === owner) continue;
      if (layerOf(imported) >= layerOf(owner)) problems.push(`${file}: ${owner} must not import ${imported}`);
    }
  }
  assert.deepEqual(problems, []);
});

test("rooms of the control plane import only from lower floors", async () => {
  const source = "packages/control-plane/src";
  const roomOf = (path: string): string => relative(source, dirname(path));
  const floorOf = (room: string): number => controlPlaneFloors.findIndex((floor) => floor.includes(room));
  const problems: string[] = [];
  for (const file of await listSources([source])) {
    const room = roomOf(file);
    // The files above all rooms are the composition.
    if (room === "") continue;
    if (floorOf(room) === -1) problems.push(`${file}: its room has no floor`);
    const text = await readFile(join(projectRoot, file), "utf8");
    for (const [, named, dynamic] of text.matchAll(IMPORT)) {
      const specifier = named ?? dynamic ?? "";
      if (!specifier.startsWith(".")) continue;
      const imported = roomOf(join(file, "..", specifier));
      if (imported === room) continue;
      if (imported === "" || floorOf(imported) >= floorOf(room))
        problems.push(`${file}: ${room} must not import ${specifier}`);
    }
  }
  assert.deepEqual(problems, []);
});

test("every workspace has a layer", async () => {
  const owners = new Set((await listSources(["packages", "apps"])).map((file) => file.split("/")[1] ?? ""));
  assert.deepEqual(
    [...owners].filter((owner) => layerOf(owner) === -1),
    [],
  );
});

test("no source file is longer than 400 lines", async () => {
  const long: string[] = [];
  for (const file of await listSources(["packages", "apps", "native", "tests", "images"])) {
    const lines = (await readFile(join(projectRoot, file), "utf8")).split("\n").length - 1;
    if (lines > 400) long.push(`${file}: ${lines}`);
  }
  assert.deepEqual(long, []);
});

function layerOf(workspace: string): number {
  return layers.findIndex((layer) => layer.includes(workspace));
}
