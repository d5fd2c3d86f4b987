import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientError } from "../src/errors/client-error.ts";
import { exitCodes, exitKindOf } from "../src/errors/exit-codes.ts";
import { Exit, reportFailure } from "../src/errors/report-failure.ts";
import { escapeText } from "../src/output/escape-text.ts";
import { Output } from "../src/output/output.ts";
import { suggest } from "../src/output/suggest.ts";
import { renderTable } from "../src/output/table.ts";

function lab(isJson: boolean, env = {}, isTTY = false) {
  const written = { stdout: "", stderr: "" };
  const stream = (name: keyof typeof written) => ({
    isTTY,
    write: (text: string | Uint8Array) => {
      written[name] += String(text);
      return true;
    },
  });
  const output = new Output({ stdout: stream("stdout"), stderr: stream("stderr"), isJson, env });
  return { output, written };
}

const gone = new ClientError(
  "notFound",
  "capsule_unknown",
  "there is no capsule 'x\u001b[2J'",
  "See `wrenn ps`.",
);

test("a failure names the thing and the remedy on standard error, and controls a guest chose are escaped", () => {
  const { output, written } = lab(false);
  assert.equal(reportFailure(gone, output, false), 4);
  assert.deepEqual(written, {
    stdout: "",
    stderr: "wrenn: there is no capsule 'x\\x1b[2J'\n       See `wrenn ps`.\n",
  });
});

test("under --json the failure is the one document; after items of a stream it is the last line", () => {
  const { output, written } = lab(true);
  reportFailure(gone, output, false);
  const { error } = JSON.parse(written.stdout) as { error: { code: string } };
  assert.equal(error.code, "capsule_unknown");
  assert.equal(written.stderr, "");
  const stream = lab(true);
  stream.output.item({ event: 1 }, () => "");
  reportFailure(gone, stream.output, false);
  assert.deepEqual(
    stream.written.stdout
      .trimEnd()
      .split("\n")
      .map((line) => Object.keys(JSON.parse(line) as object)),
    [["event"], ["error"]],
  );
});

test("commands that run programs keep their own failures apart from exit codes of programs", () => {
  const { output } = lab(false);
  assert.equal(reportFailure(gone, output, true), 125);
  assert.equal(reportFailure(new Exit(3), output, true), 3);
  const error = new ClientError("timedOut", "command_timed_out", "", "");
  assert.equal(reportFailure(error, output, true), 124);
});

test("exit codes follow the kind of the failure", () => {
  for (const [failure, kind] of [
    [{ code: "connection_failed" }, "unreachable"],
    [{ code: "unauthorized", status: 401 }, "credentials"],
    [{ code: "not_configured" }, "credentials"],
    [{ code: "not_found", status: 404 }, "notFound"],
    [{ code: "conflict", status: 409 }, "conflict"],
    [{ code: "invalid_request", status: 400 }, "usage"],
    [{ code: "agent_error", status: 502 }, "failed"],
    [{ code: "command_timed_out" }, "timedOut"],
  ] as const)
    assert.equal(exitKindOf(failure), kind, failure.code);
  const codes = Object.values(exitCodes).map(({ code }) => code);
  assert.equal(new Set(codes).size, codes.length);
});

test("a table has aligned columns, no spaces at the end of lines, and escaped values", () => {
  const rows = [
    { name: "a", size: 5 },
    { name: "größe\u202e", size: 1234 },
    { name: "日本", size: 1 },
  ];
  const columns = [
    { title: "name", value: (row: (typeof rows)[0]) => row.name },
    { title: "size", value: (row: (typeof rows)[0]) => String(row.size), isNumber: true },
    { title: "end", value: () => "" },
  ];
  assert.equal(
    renderTable(columns, rows),
    [
      "NAME           SIZE  END",
      "a                 5",
      "größe\\u{202e}  1234",
      "日本              1",
      "",
    ].join("\n"),
  );
});

test("text of others cannot move the cursor", () => {
  assert.equal(
    escapeText("a\u001b]0;title\u0007b\r\n\u009b1m\ud800 ä"),
    "a\\x1b]0;title\\x07b\\x0d\\x0a\\x9b1m\\u{d800} ä",
  );
});

test("colour is for terminals, and never with NO_COLOR", () => {
  assert.equal(lab(false, {}, true).output.styled("ok", "green"), "\u001b[32mok\u001b[0m");
  assert.equal(lab(false, { NO_COLOR: "1" }, true).output.styled("ok", "green"), "ok");
  assert.equal(lab(false).output.styled("ok", "green"), "ok");
});

test("a mistyped word gets the near one, others get none", () => {
  const known = ["create", "checkpoint", "exec", "ps", "pause"];
  for (const [word, meant] of [
    ["craete", "create"],
    ["chekpoint", "checkpoint"],
    ["exce", "exec"],
    ["pasue", "pause"],
    ["pz", "ps"],
    ["unrelated", undefined],
  ] as const)
    assert.equal(suggest(word, known), meant, word);
});
