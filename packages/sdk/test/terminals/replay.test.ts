import assert from "node:assert/strict";
import { test } from "node:test";
import { Terminals } from "../../src/terminals/terminals.ts";
import { connectionSettings } from "../../src/transport/connection.ts";
import { HttpClient } from "../../src/transport/http.ts";
import { ScriptedTerminalServer } from "../support/scripted-terminal-server.ts";

const terminals = ({ url }: { readonly url: string }): Terminals =>
  new Terminals(new HttpClient(connectionSettings({ url, apiKey: "wrn_test" })), "cl-1");

/** Output before and after the present began, as a reader tells them apart. */
async function parts(server: ScriptedTerminalServer): Promise<readonly [replayed: string, live: string]> {
  const terminal = await terminals(server).connect("pty-1");
  server.exit(0);
  const found = { replayed: "", live: "" };
  for await (const bytes of terminal.readable) {
    const part = terminal.offset <= terminal.liveOffset ? "replayed" : "live";
    found[part] += Buffer.from(bytes).toString();
  }
  await terminal.exited;
  return [found.replayed, found.live];
}

test("a reader can tell a replay from what is printed now, wherever the output is cut", async () => {
  for (const liveOffset of [0, 3, 6, 12]) {
    await using server = await ScriptedTerminalServer.start(Buffer.from("before-after"));
    server.liveOffset = liveOffset;
    assert.deepEqual(await parts(server), [
      "before-after".slice(0, liveOffset),
      "before-after".slice(liveOffset),
    ]);
  }
});

test("a connection that breaks moves nothing to the replay: the reader has not seen what follows", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("before-after"));
  server.liveOffset = 3;
  server.faults = [{ cutOutputAfter: 5 }];
  const terminal = await terminals(server).connect("pty-1");
  // Everything was printed by the time of the second connection.
  server.liveOffset = 12;
  server.exit(0);
  const live: string[] = [];
  for await (const bytes of terminal.readable)
    if (terminal.offset > terminal.liveOffset) live.push(Buffer.from(bytes).toString());
  assert.equal(live.join(""), "ore-after");
});

test("a server of an earlier version knows no replay", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("before"));
  assert.deepEqual(await parts(server), ["", "before"]);
});
