import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { guestChannel } from "@wrenn/protocol";
import { listSources, projectRoot } from "../support/sources.ts";

const document = await readFile(join(projectRoot, "docs/reference/guest-protocol.md"), "utf8");
const sources = await Promise.all(
  (await listSources(["native/guest-agent/src"])).map((path) => readFile(join(projectRoot, path), "utf8")),
);

/** Operations whose name in TypeScript says more than the one on the wire. */
const wireNames: Readonly<Record<string, string>> = {
  listDirectory: "LIST",
  makeDirectory: "MKDIR",
  changeMode: "CHMOD",
};

/** "number NAME" of each member, sorted: `unknownHandle: 1001` is "1001 UNKNOWN_HANDLE". */
function members(table: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(table)
    .map(([name, number]) => `${number} ${wireNames[name] ?? name.replaceAll(/[A-Z]/g, "_$&").toUpperCase()}`)
    .sort();
}

/** The same of the C enumerators whose names begin with `prefix`, of every enum of the guest agent. */
function enumerators(prefix: string): readonly string[] {
  const found: string[] = [];
  for (const [, body = ""] of sources.join("\n").matchAll(/\benum \w+ \{([^}]*)\}/g)) {
    let next = 0;
    for (const [, name = "", value] of body.matchAll(/\b([A-Z]\w*)\s*(?:=\s*(-?\d+))?\s*(?=,|$)/gm)) {
      const number = value === undefined ? next : Number(value);
      next = number + 1;
      if (name.startsWith(prefix) && number >= 0) found.push(`${number} ${name.slice(prefix.length)}`);
    }
  }
  return found.sort();
}

/** The same of the tables of the document whose first column has the heading `heading`. */
function rows(heading: string): readonly string[] {
  const tables = document.split(/\n\n+/).filter((block) => new RegExp(`^\\| ${heading} +\\|`).test(block));
  return tables
    .flatMap((table) => [...table.matchAll(/^\| (\d+) +\| (\w+) +\|/gm)])
    .map(([, number, name]) => `${number} ${name}`)
    .sort();
}

for (const { what, table, prefix, heading } of [
  { what: "operations", table: guestChannel.operation, prefix: "OP_", heading: "op" },
  { what: "statuses", table: guestChannel.status, prefix: "STATUS_", heading: "status" },
  { what: "frame types", table: guestChannel.frameType, prefix: "FRAME_", heading: "type" },
] as const)
  test(`the ${what} of the guest channel are the same in TypeScript, in C and in the reference`, () => {
    const inTypeScript = members(table);
    assert.ok(inTypeScript.length > 0);
    assert.deepEqual(enumerators(prefix), inTypeScript, "native/guest-agent differs");
    // Status 0 is described in the text.
    assert.deepEqual(
      rows(heading),
      inTypeScript.filter((name) => name !== "0 OK"),
      "the reference differs",
    );
  });
