import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { listSources, projectRoot } from "../support/sources.ts";

/** A word that has one meaning here, and where identifiers may carry it. */
interface Rule {
  /** Identifiers that break the rule. */
  readonly identifier: RegExp;
  /** What to write instead. */
  readonly instead: string;
  /** Files in which the word has its one meaning, or is a standard's own word. */
  readonly allowed?: RegExp;
}

const rules: readonly Rule[] = [
  {
    // Snake case is SQL or wire JSON, which keep upstream's word.
    identifier: /^(?!sandboxes$|sandbox$)(?!.*_)\w*sandbox\w*$/i,
    instead: "capsule",
    // E2B's word, in what speaks its protocols.
    allowed: /^packages\/e2b\/|\/gateway\/events-endpoint\.ts$|^apps\/bench\/src\/rows\/e2b\.ts$/,
  },
  {
    identifier: /^sandbox(es)?$/,
    instead: "capsule",
    // Names of tables, of event resources as clients see them, CSP's directive, and E2B's word.
    allowed:
      /^packages\/(database|e2b)\/|\/gateway\/events-endpoint\.ts$|^apps\/bench\/src\/rows\/e2b\.ts$|\/channels\/notification\.ts$|^packages\/edge\/test\//,
  },
  { identifier: /[a-z]Mb$|[A-Z]_MB$/, instead: "a name in MiB; `*_mb` is for SQL and wire JSON" },
  { identifier: /^tx$/, instead: "trx" },
  {
    identifier: /channel/i,
    instead: "guestChannel, stream or topic; a channel is where notifications are sent",
    allowed:
      /\/channels\/|^packages\/(database|core\/src)\/|^packages\/control-plane\/(src\/((create-control-plane|platform-routes)|openapi\/error-rules|teams\/(admin-team|quota)-routes)\.ts|test\/)|^packages\/sdk\/src\/wrenn\/server-info\.ts$/,
  },
  {
    identifier: /^(Guest|Socket|WebSocket|Lane)Session\w*$|^(guest|lane|socket)Session$/,
    instead: "GuestLink, SocketHandler or epoch; a session is a login",
  },
  { identifier: /^ResourceLimits$/, instead: "CgroupLimits or ProcessLimits" },
  { identifier: /^\w+Dependencies$/, instead: "…Deps" },
];

/** Identifiers with this word that contain it for another reason. */
const otherMeanings = /^(guestChannel\w*|channelOf|MessageChannel|BroadcastChannel)$/;

test("identifiers use each word in its one meaning", async () => {
  const problems = new Set<string>();
  for (const file of await listSources(["packages", "apps"])) {
    if (!file.endsWith(".ts")) continue;
    for (const identifier of identifiersOf(await readFile(join(projectRoot, file), "utf8"))) {
      if (otherMeanings.test(identifier)) continue;
      for (const rule of rules) {
        if (!rule.identifier.test(identifier) || rule.allowed?.test(file) === true) continue;
        problems.add(`${file}: ${identifier}: write ${rule.instead}`);
      }
    }
  }
  assert.deepEqual([...problems], []);
});

test("an exported type has one declaration", async () => {
  const declared = new Map<string, string[]>();
  for (const file of await listSources(["packages", "apps"])) {
    // The SDK is published by itself: it names the same things for its users as the server does inside.
    if (!file.endsWith(".ts") || file.includes("/test/") || file.startsWith("packages/sdk/")) continue;
    const text = await readFile(join(projectRoot, file), "utf8");
    for (const [, name = ""] of text.matchAll(/^export (?:abstract )?(?:interface|class|type) ([A-Z]\w*)/gm))
      declared.set(name, [...(declared.get(name) ?? []), file]);
  }
  const twice = [...declared].filter(([, files]) => files.length > 1);
  assert.deepEqual(
    twice.map(([name, files]) => `${name}: ${files.join(", ")}`),
    [],
  );
});

test("rules see identifiers, not comments and strings", () => {
  const text = [
    "// a sandbox in a comment",
    "/* sandboxId */ const text = 'sandboxId';",
    "const other = `sandboxId ${sandboxRow} memoryMb`;",
    'const said = "it\'s \\" memoryMb"; const size = memoryMb;',
  ].join("\n");
  const found = identifiersOf(text);
  assert.ok(found.has("sandboxRow") && found.has("memoryMb"));
  assert.ok(!found.has("sandboxId") && !found.has("sandbox"));
});

/** Comments, strings, and the text of templates up to an expression in them. */
const NOT_CODE =
  /\/\*[\s\S]*?\*\/|(?<![:\\])\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[`}](?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{)/g;

/** Names in code. Text that is no code is left out as well as a scanner of regular expressions can. */
function identifiersOf(text: string): ReadonlySet<string> {
  return new Set(text.replaceAll(NOT_CODE, " ").match(/[A-Za-z_$][\w$]*/g) ?? []);
}
