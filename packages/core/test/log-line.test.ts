import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLogLine } from "@wrenn/core";

test("a JSON log line becomes time, level, event and fields", () => {
  const line = JSON.stringify({
    level: 40,
    time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    event: "host.started",
    count: 3,
    plain: "word",
    quoted: "two words",
  });
  assert.equal(formatLogLine(line), '03:04:05.006 warn  host.started count=3 plain=word quoted="two words"');
});

test("a log line that is not JSON is returned unchanged", () => {
  assert.equal(formatLogLine("Error: it failed"), "Error: it failed");
});

test("a value cannot steer a terminal or forge a line", () => {
  const line = formatLogLine(
    JSON.stringify({ level: 30, time: 0, event: "x", short: "\u001b[2J", long: "a b\u009b31m\u202e\n" }),
  );
  assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u);
  assert.match(line, /short="\\u001b\[2J" long="a b\\u\{9b\}31m\\u\{202e\}\\n"$/);
});
