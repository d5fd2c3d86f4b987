import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { noBrowser, TestBrowser } from "../support/browser.ts";
import { listening, putFile } from "../support/guest-services.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";
import { packVite } from "../support/vite-archive.ts";

const PORT = 5173;
/** Seconds for what takes two on a processor: emulated, and busy with other things, it took up to ninety. */
const PATIENCE = 300;
/** Node starts slowly in an emulated capsule; the short form sees hot reload in browser.test.ts. */
const skip =
  process.env["WRENN_TEST_LONG"] === "1"
    ? noBrowser
    : "only with --long: takes minutes in an emulated capsule";

let server: TestServer;
let browser: TestBrowser;
let id: string;
before(async () => {
  if (skip !== false) return;
  server = await startTestServer();
  browser = await TestBrowser.start();
  id = await server.capsule(undefined, { memory_mb: 1024 });
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await server?.close();
});

/** Uploads Node, Vite and the project as one archive, and unpacks it. */
async function upload(): Promise<void> {
  const directory = await mkdtemp("/tmp/wrenn-vite-");
  try {
    const archive = join(directory, "vite.tar");
    await packVite(archive);
    await putFile(server, id, "/srv/vite.tar", await openAsBlob(archive));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  const { exit_code, stderr } = await server.shell(id, "tar -xf vite.tar && rm vite.tar", {
    cwd: "/srv",
    timeout_sec: PATIENCE,
  });
  assert.equal(exit_code, 0, stderr);
}

test(
  "Vite in a capsule replaces a module in the page of a browser without a reload",
  { skip, timeout: 15 * 60_000 },
  async (t) => {
    const clock = performance.now();
    const say = (what: string) =>
      t.diagnostic(`${what} after ${((performance.now() - clock) / 1000).toFixed(1)} s`);
    await upload();
    say("unpacked");
    const { status, body } = await server.exec(
      id,
      "/srv/bin/node",
      ["node_modules/vite/bin/vite.js", "--port", String(PORT), "--strictPort"],
      { background: true, cwd: "/srv/app", envs: { LD_LIBRARY_PATH: "/srv/bin" } },
    );
    assert.ok(status < 300, JSON.stringify(body));
    await listening(server, id, PORT, PATIENCE);
    say("listening");
    const { body: link } = await server.call<{ url: string }>(
      "POST",
      `/v1/capsules/${id}/ports/${PORT}/link`,
      {
        expires_in_sec: 600,
      },
    );
    const page = await browser.visit(link.url);
    await page.until("document.querySelector('#text').textContent", "first", PATIENCE);
    say("shown");
    await page.evaluate("window.survivor = 'here'");
    await putFile(server, id, "/srv/app/text.js", 'export const text = "second";\n');
    await page.until("document.querySelector('#text').textContent", "second", PATIENCE);
    say("replaced");
    assert.equal(await page.evaluate("window.survivor"), "here");
  },
);
