import assert from "node:assert/strict";
import { test } from "node:test";
import type { RefreshResult } from "@wrenn/server";
import { refreshReport } from "../src/output/refresh-report.ts";

const MIB = 2 ** 20;
const refreshed: RefreshResult = {
  template: "minimal",
  outcome: "refreshed",
  packages: [
    { name: "libnew2", after: "2.0-1" },
    { name: "libold1", before: "1.2-3" },
    { name: "openssl", before: "3.0.17-1", after: "3.0.18-1" },
  ],
  kernel: { before: "6.1.176-1", after: "6.1.192-3" },
  imageBytes: { before: 276 * MIB, after: 277.5 * MIB },
};

test("a refresh prints kernel, sizes and every package that changed", () => {
  const text = refreshReport(refreshed, "http://127.0.0.1:8080");
  assert.equal(
    text.split("\n\n")[0],
    [
      "kernel   6.1.176-1 → 6.1.192-3",
      "libnew2  2.0-1 (added)",
      "libold1  1.2-3 (removed)",
      "openssl  3.0.17-1 → 3.0.18-1",
      "image    276.0 MiB → 277.5 MiB",
    ].join("\n"),
  );
  assert.match(text, /\nThe server at http:\/\/127\.0\.0\.1:8080 starts new capsules from the new minimal/);
  assert.match(refreshReport(refreshed, undefined), /\nNew capsules start from the new minimal\./);
});

test("a check names what a refresh would change, and the command", () => {
  const { imageBytes } = refreshed;
  const text = refreshReport(
    {
      ...refreshed,
      outcome: "outdated",
      kernel: { before: "6.1.192-3", after: "6.1.192-3" },
      imageBytes: { before: imageBytes.before ?? 0 },
    },
    undefined,
  );
  assert.doesNotMatch(text, /kernel|image /);
  assert.match(text, /^openssl {2}3\.0\.17-1 → 3\.0\.18-1$/m);
  assert.match(text, /\.\/wrenn template refresh builds minimal with these\n$/);
});

test("nothing changed, and nothing to refresh, are one line each", () => {
  const current = { ...refreshed, outcome: "current", packages: [] } as const;
  assert.match(refreshReport(current, undefined), /^nothing changed: minimal has .*6\.1\.192-3.*\n$/);
  const missing = { ...current, outcome: "not_built", kernel: {}, imageBytes: {} } as const;
  assert.match(refreshReport(missing, undefined), /^minimal is not built yet: .*\n$/);
});
