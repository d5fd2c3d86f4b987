import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { text } from "node:stream/consumers";

/*
 * What is promised of ports holds also for connections that the port process serves: tests of the edge, with it. Each run takes some
 * of the files, which WRENN_TEST_SEED draws; `--long` takes all.
 */

const DRAWN = 5;
/** Files, and tests of them that are about the edge inside of a server. */
const files: Readonly<Record<string, RegExp | undefined>> = {
  relay: undefined,
  bodies: undefined,
  access: undefined,
  "access-that-ends": undefined,
  attempts: undefined,
  "hostile-clients": undefined,
  "hostile-services": undefined,
  "header-bytes": undefined,
  "large-heads": undefined,
  informational: undefined,
  tls: undefined,
  "websocket-stream": undefined,
  // Their teams are those of header fields, which stay in the process.
  "connection-shares": /teams that use all connections/,
};

const seed = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);
const isLong = process.env["WRENN_TEST_LONG"] === "1";
const isDrawn = (index: number, count: number): boolean => isLong || (index + seed) % count < DRAWN;

for (const [index, [name, skipped]] of Object.entries(files).entries())
  test(
    `through the process: ${name}`,
    { skip: isDrawn(index, Object.keys(files).length) ? false : `not drawn by WRENN_TEST_SEED=${seed}` },
    async () => {
      const { NODE_TEST_CONTEXT: _own, ...env } = process.env;
      const options = skipped ? [`--test-skip-pattern=${skipped.source}`] : [];
      const child = spawn(
        process.execPath,
        ["--test", ...options, join(import.meta.dirname, `${name}.test.ts`)],
        {
          env: { ...env, WRENN_TEST_PORT_PROCESS: "1" },
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
      assert.equal(code, 0, output);
      assert.doesNotMatch(output, /^ℹ pass 0$/m);
    },
  );
