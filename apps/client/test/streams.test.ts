import assert from "node:assert/strict";
import { test } from "node:test";
import { moment } from "../src/options/moment.ts";
import { forwardedPort, port } from "../src/options/port.ts";
import { bytesText, statsColumns } from "../src/output/describe-stats.ts";
import { LiveTable } from "../src/output/live-table.ts";
import { renderTable } from "../src/output/table.ts";
import { lastLines } from "../src/streams/last-lines.ts";
import { escapeProgramText } from "../src/streams/output-writer.ts";

test("a time is a date, in UTC unless it has a zone, or a duration ago", () => {
  assert.equal(moment("2026-03-01T12:00:00Z").toISOString(), "2026-03-01T12:00:00.000Z");
  assert.equal(moment("2026-03-01T12:00:00").toISOString(), "2026-03-01T12:00:00.000Z");
  assert.equal(moment("2026-03-01T12:00:00+02:00").toISOString(), "2026-03-01T10:00:00.000Z");
  assert.equal(moment("2026-03-01").toISOString(), "2026-03-01T00:00:00.000Z");
  const ago = Date.now() - moment("10m").getTime();
  assert.ok(ago >= 600_000 && ago < 601_000, String(ago));
  for (const text of ["", "yesterday", "2026-13-01", "-5m", "5 weeks"])
    assert.throws(() => moment(text), { code: "commander.invalidArgument" }, text);
});

test("ports are from 1 to 65535, and a local port of 0 is a free one", () => {
  assert.equal(port("65535"), 65_535);
  assert.deepEqual(forwardedPort("80"), { local: 80, remote: 80 });
  assert.deepEqual(forwardedPort("8000:80"), { local: 8000, remote: 80 });
  assert.deepEqual(forwardedPort("0:80"), { local: 0, remote: 80 });
  for (const text of ["0", "65536", "80:0", "x:80", "1:2:3", ":80", "80:", "8e1"])
    assert.throws(() => forwardedPort(text), { code: "commander.invalidArgument" }, text);
});

test("the last lines of a process count one without an end", () => {
  const last = (text: string, count: number): string =>
    new TextDecoder().decode(lastLines(new TextEncoder().encode(text), count));
  assert.equal(last("a\nb\nc\n", 2), "b\nc\n");
  assert.equal(last("a\nb\nc", 2), "b\nc");
  assert.equal(last("a\n", 5), "a\n");
  assert.equal(last("\n\n", 1), "\n");
  assert.equal(last("", 1), "");
});

test("a program cannot move the cursor, but its lines and tabs stay", () => {
  assert.equal(escapeProgramText("a\tb\r\nc\rd\u001b[2J\n"), "a\tb\r\nc\\x0dd\\x1b[2J\n");
});

test("sizes are short, and what is not measured is a dash", () => {
  for (const [bytes, text] of [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [1023.99 * 1024, "1 MiB"],
    [512 << 20, "512 MiB"],
    [3.25 * 2 ** 40, "3.3 TiB"],
  ] as const)
    assert.equal(bytesText(bytes), text);
  const point = {
    at: new Date(0),
    cpuPercent: 12.345,
    memoryBytes: 1 << 20,
    diskBytes: 0,
    networkInBytes: 4096,
  };
  assert.equal(
    renderTable(statsColumns, [
      { id: "cl-a", name: "web", point, ms: 2000 },
      { id: "cl-b", name: undefined, point: undefined, ms: undefined },
    ]),
    [
      "ID    NAME     CPU  MEMORY  DISK   NET IN  NET OUT",
      "cl-a  web   12.3 %   1 MiB   0 B  2 KiB/s        -",
      "cl-b             -       -     -        -        -",
      "",
    ].join("\n"),
  );
});

test("a table is drawn in its place on a terminal only, and never higher or wider than the window", () => {
  const lab = (isTTY: boolean) => {
    let written = "";
    const write = (text: string): boolean => {
      written += text;
      return true;
    };
    const table = new LiveTable({ isTTY, columns: 5, rows: 4, write });
    return { table, text: () => written };
  };
  const plain = lab(false);
  for (const text of ["HEAD\na\n", "HEAD\nb\n", "HEAD\n"]) plain.table.draw(text);
  assert.equal(plain.text(), "HEAD\na\nb\n");
  const terminal = lab(true);
  terminal.table.draw("HEAD\n1234567\nb\nc\nd\n");
  terminal.table.draw("HEAD\n");
  assert.equal(
    terminal.text(),
    "\r\u001b[2KHEAD\n\u001b[2K12345\n\u001b[2Kb\n\u001b[3A\r\u001b[2KHEAD\n\u001b[2K\n\u001b[2K\n\u001b[2A",
  );
});
