import assert from "node:assert/strict";
import { test } from "node:test";
import { ReconnectNotice } from "../src/terminal/reconnect-notice.ts";

interface Shown {
  readonly lines: string[];
  returns: number;
}

function notice(keys: string | undefined): { readonly notice: ReconnectNotice; readonly shown: Shown } {
  const shown: Shown = { lines: [], returns: 0 };
  const stderr = {
    write: (text: string | Uint8Array): boolean => {
      shown.lines.push(String(text));
      return true;
    },
  };
  return { notice: new ReconnectNotice(stderr, keys, () => void shown.returns++), shown };
}

test("a connection that is there again within 2 s is not mentioned", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { notice: line, shown } = notice("ctrl-p,ctrl-q");
  line.connectionIs(false);
  t.mock.timers.tick(1999);
  line.connectionIs(true);
  t.mock.timers.tick(10_000);
  assert.deepEqual([shown, line.isShown], [{ lines: [], returns: 0 }, false]);
});

test("a longer break is one line, and one when it is over; then the program draws again", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { notice: line, shown } = notice("ctrl-p,ctrl-q");
  line.connectionIs(false);
  t.mock.timers.tick(60_000);
  assert.equal(line.isShown, true);
  assert.deepEqual(shown.lines, [
    "\r\nwrenn: the connection broke; connecting again (Ctrl-C or ctrl-p,ctrl-q leaves)\r\n",
  ]);
  line.connectionIs(true);
  assert.deepEqual([shown.lines.length, shown.returns, line.isShown], [2, 1, false]);
});

test("input that may not have arrived is a line, after which the program draws again", () => {
  const { notice: line, shown } = notice("ctrl-p,ctrl-q");
  line.connectionIs(false);
  line.inputIsUnknown(3);
  line.connectionIs(true);
  assert.match(shown.lines[0] ?? "", /the last 3 bytes typed before may not have arrived/);
  assert.deepEqual([shown.lines.length, shown.returns], [2, 1]);
});

test("without detach keys Ctrl-C alone is named, and nothing is shown after the end", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { notice: line, shown } = notice(undefined);
  line.connectionIs(false);
  t.mock.timers.tick(2000);
  assert.match(shown.lines[0] ?? "", /\(Ctrl-C leaves\)/);
  const { notice: stopped, shown: nothing } = notice(undefined);
  stopped.connectionIs(false);
  stopped.stop();
  t.mock.timers.tick(2000);
  assert.deepEqual(nothing.lines, []);
});
