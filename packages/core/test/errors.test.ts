import assert from "node:assert/strict";
import { test } from "node:test";
import { errorCatalogue, WrennError } from "@wrenn/core";

test("message and remedy are filled from the context", () => {
  const error = new WrennError("process_not_found", { selector: "proc-12345678" });
  assert.equal(error.message, "process not found: proc-12345678");
  assert.equal(error.entry.code, "not_found");
  assert.equal(error.entry.status, 404);
});

test("a context value that looks like a placeholder is not expanded again", () => {
  const error = new WrennError("path_not_found", { path: "{path}{problem}" });
  assert.equal(error.message, "no such file or directory: {path}{problem}");
});

test("every entry has a status that fits its fault, a message and a remedy that is a sentence", () => {
  for (const [reason, entry] of Object.entries(errorCatalogue)) {
    assert.ok(entry.status >= 400 && entry.status < 600, reason);
    if (entry.fault === "system") assert.ok(entry.status >= 500, `${reason}: system faults are 5xx`);
    assert.ok(entry.message.length > 0, reason);
    assert.match(entry.remedy, /^[A-Z].*\.$/s, `${reason}: the remedy is a sentence`);
  }
});
