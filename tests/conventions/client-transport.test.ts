import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { listSources, projectRoot } from "../support/sources.ts";

/** The files that reach servers for all others: with proxies, certificate authorities, time limits and typed errors. */
const TRANSPORT = new Set([
  "packages/sdk/src/transport/platform.ts",
  "packages/sdk/src/node/node-platform.ts",
]);
/** Opens a connection itself: a global `fetch`, Node's clients of HTTP, or undici. `socket.ts` has the WebSocket of browsers. */
const BYPASS =
  /(?<![.\w])fetch\(|\bglobalThis\.fetch\b|\bnew (?:WebSocket|EventSource|XMLHttpRequest)\(|["'](?:node:(?:https?|http2|tls)|undici)["']/;
const SOCKETS = new Set(["packages/sdk/src/transport/socket.ts"]);
/** Reads the list of trusted authorities, and connects to nothing. */
const AUTHORITIES = "packages/sdk/src/node/authorities.ts";

const withoutComments = (text: string): string => text.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");

test("command line and SDK reach servers by the SDK's transport only", async () => {
  const bypasses: string[] = [];
  let transports = 0;
  for (const file of await listSources(["apps/client/src", "packages/sdk/src"])) {
    if (file === AUTHORITIES) continue;
    const text = withoutComments(await readFile(join(projectRoot, file), "utf8"));
    const [found] = BYPASS.exec(text) ?? [];
    if (found === undefined) continue;
    if (TRANSPORT.has(file) || (SOCKETS.has(file) && found === "new WebSocket(")) transports++;
    else bypasses.push(`${file}: ${found}`);
  }
  assert.deepEqual(bypasses, []);
  assert.equal(transports, TRANSPORT.size + SOCKETS.size, "the transport itself is found by the expression");
});

test("calls that go around the transport are found, and others are not", () => {
  for (const line of [
    "await fetch(url)",
    "globalThis.fetch(url)",
    "new WebSocket(url)",
    'import { request } from "node:https";',
    'await import("undici")',
  ])
    assert.match(line, BYPASS);
  for (const line of ["await platform().fetch(settings)", "prefetch(x)", "settings.fetch ?? send"])
    assert.doesNotMatch(line, BYPASS);
});
