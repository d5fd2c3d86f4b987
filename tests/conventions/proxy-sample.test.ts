import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "../support/sources.ts";

test("the sample for nginx passes uploads of any size, waits long enough, and hides metrics", async () => {
  const written = await readFile(join(projectRoot, "docs/operations/proxies.md"), "utf8");
  const [, sample = ""] = /```nginx\n(.*?)```/s.exec(written) ?? [];
  for (const line of [
    "client_max_body_size 0;",
    "proxy_request_buffering off;",
    "proxy_read_timeout 3600s;",
    "proxy_send_timeout 3600s;",
    "location = /metrics { return 404; }",
  ])
    assert.ok(sample.includes(line), line);
});
