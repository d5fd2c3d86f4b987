import assert from "node:assert/strict";
import { test } from "node:test";
import { Terminals } from "../../src/terminals/terminals.ts";
import { connectionSettings } from "../../src/transport/connection.ts";
import { HttpClient } from "../../src/transport/http.ts";
import { eventually } from "../support/eventually.ts";
import { ScriptedTerminalServer } from "../support/scripted-terminal-server.ts";

/* What an emulator that shows a terminal is told of it. */

const terminals = ({ url }: { readonly url: string }): Terminals =>
  new Terminals(new HttpClient(connectionSettings({ url, apiKey: "wrn_test" })), "cl-1");

test("sizes are reported between the output that was printed before and after them", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("one"));
  const seen: string[] = [];
  const terminal = await terminals(server).connect("pty-1", {
    onResized: (cols, rows) => seen.push(`${cols}x${rows}`),
  });
  await eventually("output has arrived", () => server.mostAhead === 3);
  server.resized(100, 30);
  server.resized(90, 20);
  server.print("two");
  server.resized(80, 24);
  server.exit(0);
  await terminal.exited;
  for await (const bytes of terminal.readable) seen.push(Buffer.from(bytes).toString());
  assert.deepEqual(seen, ["one", "100x30", "90x20", "two", "80x24"]);
});

test("a caller that knows of a change of the network replaces the connection, and ends the wait for one", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("hello"));
  const seen: boolean[] = [];
  const terminal = await terminals(server).start({ onConnection: (is) => seen.push(is) });
  const reader = terminal.readable.getReader();
  await reader.read();
  terminal.reconnect();
  await eventually("there is another connection", () => seen.at(-1) === true);
  assert.equal(server.connections.length, 2);
  server.faults = Array.from({ length: 20 }, () => ({ status: 503 }));
  terminal.reconnect();
  // The waits between twenty attempts are minutes: each call makes one of them at once.
  await eventually("each call makes an attempt", () => {
    if (seen.length < 4) terminal.reconnect();
    return seen.length === 4;
  });
  server.print(" again");
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), " again");
  assert.deepEqual(seen, [false, true, false, true]);
  await terminal.detach();
});
