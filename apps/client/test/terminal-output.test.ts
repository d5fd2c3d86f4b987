import assert from "node:assert/strict";
import { test } from "node:test";
import { ScreenModes } from "../src/terminal/screen-modes.ts";
import { hasQueries, ReplayFilter } from "../src/terminal/terminal-queries.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** What puts the terminal in order after `output`, which must not depend on where the output is cut. */
function restored(output: string): string {
  const whole = new ScreenModes();
  whole.observe(bytes(output));
  const cut = new ScreenModes();
  for (const character of output) cut.observe(bytes(character));
  const text = whole.restore();
  assert.equal(cut.restore(), text);
  assert.equal(whole.restore(), "", "once is enough");
  return text.replaceAll("\u001b", "^");
}

test("what a program changed on the terminal is undone, the other screen and the cursor last", () => {
  assert.equal(
    restored(
      "\u001b[?1049h\u001b[?1h\u001b=\u001b[?25l\u001b[?2004;1006;1002h\u001b[>4;2m\u001b[2 q\u001b[1;31mtext",
    ),
    "^[>4m^>^[0 q^[0m^[?1002l^[?1006l^[?2004l^[?1l^[?1049l^[?25h",
  );
  assert.equal(
    restored("\u001b[>1u\u001b[>31u\u001b[2;20r\u000e\u001b[?7l"),
    "^[<2u^\u000f".replace("^\u000f", "\u000f") + "^7^[r^8^[?7h",
  );
});

test("what a program undid itself is left alone, and so is a terminal that was reset", () => {
  assert.equal(
    restored("\u001b[?1049h\u001b[31mx\u001b[m\u001b[?25l\u001b[?25h\u001b[?1049l\u001b[>1u\u001b[<u"),
    "",
  );
  assert.equal(restored("\u001b[?1049h\u001b[?1000h\u001bc"), "");
  assert.equal(restored("plain text, and 7\u001b[2J\u001b[10;10H\u001b]0;title\u0007"), "");
});

/** What is shown of output that is shown again, wherever it is cut. */
function shown(output: string, replayed = output.length): string {
  const [replay, live] = [output.slice(0, replayed), output.slice(replayed)];
  const once = new ReplayFilter();
  const pieces = [
    once.filter(bytes(replay), 0),
    ...(live === "" ? [] : [once.filter(bytes(live), -live.length)]),
  ];
  const whole = Buffer.concat(pieces).toString("latin1");
  const filter = new ReplayFilter();
  const parts = Array.from(output, (character, at) => filter.filter(bytes(character), replayed - at - 1));
  assert.equal(Buffer.concat(parts).toString("latin1"), whole, "cut");
  return whole;
}

test("queries are not asked again, and everything else is shown again", () => {
  const queries = [
    "\u0005",
    "\u001b[c",
    "\u001b[>0c",
    "\u001b[=c",
    "\u001b[6n",
    "\u001b[?996n",
    "\u001b[?2026$p",
    "\u001b[>q",
    "\u001b[?u",
    "\u001b[?4m",
    "\u001b[14t",
    "\u001b[x",
    "\u001b]11;?\u0007",
    "\u001b]4;7;?\u001b\\",
    "\u001b]52;c;?\u0007",
    "\u001bP+q544e\u001b\\",
    "\u001bP$qm\u001b\\",
    "\u001bZ",
  ];
  for (const query of queries) {
    assert.equal(shown(`a${query}b`), "ab", JSON.stringify(query));
    assert.ok(hasQueries(bytes(`a${query}b`)), JSON.stringify(query));
  }
  const others =
    "\u001b[31m\u00e9\u001b[?25l\u001b[2;3H\u001b]0;title\u0007\u001b]11;#fff\u001b\\\u001b[>1u\u001b[22;0t\u001b[2 q\u001b[4h c n t";
  assert.equal(shown(others), others);
  assert.ok(!hasQueries(bytes(others)));
});

test("what follows the replay is live: its queries are asked", () => {
  const replay = "old\u001b[6n";
  assert.equal(shown(`${replay}new\u001b[6n`, replay.length), "oldnew\u001b[6n");
  // A sequence that the replay cuts is not held back for ever.
  assert.equal(shown("old\u001b[31mnew", "old\u001b[".length), "old\u001b[31mnew");
});
