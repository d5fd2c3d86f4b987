import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { noBrowser, TestBrowser } from "../support/browser.ts";
import { copyServices, putFile, startService } from "../support/guest-services.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const PORT = 5000;

let server: TestServer;
let browser: TestBrowser;
let id: string;
before(async () => {
  if (noBrowser !== false) return;
  server = await startTestServer();
  browser = await TestBrowser.start();
  id = await server.capsule(undefined);
  await copyServices(server, id);
  await write("first");
  await startService(server, id, { name: "hot_reload", port: PORT, args: ["/srv/app"] });
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await server?.close();
});

const write = (text: string) => putFile(server, id, "/srv/app/text.js", `export const text = "${text}";\n`);
const SHOWN = "document.querySelector('#text').textContent";

/** Makes a link to the private port, as one would send it to somebody. */
async function link(): Promise<string> {
  const { body } = await server.call<{ url: string }>("POST", `/v1/capsules/${id}/ports/${PORT}/link`, {
    expires_in_sec: 600,
  });
  return body.url;
}

test(
  "a browser opens a private port by a signed link, and sees a changed file without a reload",
  { skip: noBrowser },
  async () => {
    const page = await browser.visit(await link());
    await page.until(SHOWN, "first");
    await page.until("document.title", "connected");
    const url = new URL(await page.evaluate<string>("location.href"));
    assert.equal(url.hostname, `${PORT}-${id}.localhost`);
    assert.equal(url.search, "", "the token does not stay in the address");
    await page.evaluate("window.survivor = 'here'");
    await write("second");
    await page.until(SHOWN, "second");
    assert.equal(await page.evaluate("window.survivor"), "here");
  },
);

test(
  "another profile without the link is not let in; a public port opens for everybody",
  { skip: noBrowser },
  async () => {
    const { origin } = new URL(await link());
    const refused = await browser.visit(`${origin}/`);
    await refused.until(`location.origin !== ${JSON.stringify(origin)} && document.readyState`, "complete");
    await server.call("PUT", `/v1/capsules/${id}/ports/${PORT}`, { access: "public" });
    const page = await refused.open(`${origin}/`);
    await page.until("document.title", "connected");
    await write("third");
    await page.until(SHOWN, "third");
  },
);
