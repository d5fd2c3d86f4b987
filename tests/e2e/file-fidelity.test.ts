/* Drawn: packages/guest/test/tree-trials.test.ts shows the same on this machine. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* What files and directories of a real guest have of their own: sizes that are made up, links, owners, many names. */

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

const fetchFiles = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(new URL(`/v1/capsules/${id}/files/${path}`, server.server.url), {
    ...init,
    headers: { "x-api-key": server.server.apiKey, ...(init.headers as Record<string, string> | undefined) },
  });

const call = (verb: string, body: unknown): Promise<Response> =>
  fetchFiles(verb, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

async function shell(line: string): Promise<string> {
  const { exit_code: exitCode, stdout, stderr } = await server.shell(id, line);
  assert.equal(exitCode, 0, stderr);
  return stdout.trim();
}

const put = async (path: string, body: string, query = ""): Promise<number> =>
  (await fetchFiles(`content?path=${encodeURIComponent(path)}${query}`, { method: "PUT", body })).status;

interface ListAnswer {
  readonly entries: readonly { readonly path: string }[];
  readonly next_cursor?: string;
}

test("files of /sys, /proc and cgroups are downloaded whole in every way, also as a range and in an archive", async () => {
  for (const path of ["/sys/class/net/lo/mtu", "/proc/cpuinfo", "/sys/fs/cgroup/cgroup.controllers"]) {
    const expected = await shell(`cat ${path}`);
    const query = `content?path=${path}`;
    for (const headers of [{}, { range: "bytes=0-1" }, { range: "bytes=-2" }]) {
      const answer = await fetchFiles(query, { headers });
      assert.deepEqual([answer.status, (await answer.text()).trim()], [200, expected], path);
    }
    const head = await fetchFiles(query, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, null]);
    for (const verb of ["read", "stream/read"])
      assert.equal((await (await call(verb, { path })).text()).trim(), expected, verb);
    const copied = await call("copy", { source: path, destination: "/root/copied", overwrite: true });
    assert.equal(copied.status, 200);
    assert.equal(await shell("cat /root/copied"), expected);
  }
  const archive = await fetchFiles("archive?path=/sys/class/net/lo/");
  assert.equal(archive.status, 200);
  assert.ok((await archive.arrayBuffer()).byteLength > 500);
});

test("an upload keeps hard links, mounts, set-id bits and owners, follows links, and obeys a mode", async () => {
  await shell(
    "cd /root; echo 1 >h; ln h h2; cp /bin/true s; chmod 4755 s; echo old >source; touch m; mount --bind source m; ln -s /root/dots/rc .rc;" +
      "mkdir -p closed; echo x >closed/file; chmod 666 closed/file; chmod 755 closed; chmod 711 /root; echo x >old.sh; chmod 644 old.sh",
  );
  for (const name of ["h", "s", "m", ".rc"]) assert.equal(await put(`/root/${name}`, "new"), 200, name);
  assert.equal(await put("/root/closed/file", "new", "&user=user"), 200);
  assert.equal(await put("/root/old.sh", "new", "&mode=0755"), 200);
  assert.equal(
    await shell(
      "cd /root; cat h2 source dots/rc closed/file; stat -c '%a %U' s closed/file old.sh; readlink .rc; umount m",
    ),
    "newnewnewnew4755 root\n666 root\n755 root\n/root/dots/rc",
  );
});

test("a large directory is listed in pages; a whole list above the limit says what to do instead", async (t) => {
  // Making the names takes the emulated capsule longest.
  const long = process.env["WRENN_TEST_LONG"] === "1";
  const count = long ? 110_000 : 15_000;
  const step = 5000;
  await shell("mkdir /root/many");
  // In parts: a command has 30 seconds.
  for (let made = 0; made < count; made += step)
    await shell(`cd /root/many; seq -f f%.0f ${made + 1} ${made + step} | xargs touch`);
  const whole = await call("list", { path: "/root/many" });
  assert.equal(whole.status, long ? 413 : 200);
  if (long) assert.match(await whole.text(), /100,000.*`limit` and `cursor`/);
  else await whole.body?.cancel();
  const found = new Set<string>();
  const began = Date.now();
  for (let cursor: string | undefined, isLast = false; !isLast;) {
    const answer = await call("list", { path: "/root/many", limit: long ? 10_000 : 4000, cursor });
    assert.equal(answer.status, 200);
    const page = (await answer.json()) as ListAnswer;
    for (const { path } of page.entries) found.add(path);
    cursor = page.next_cursor;
    isLast = cursor === undefined;
    assert.equal(answer.headers.get("x-next-cursor"), cursor ?? null);
  }
  assert.equal(found.size, count);
  t.diagnostic(`listed ${count} in ${Date.now() - began} ms`);
  assert.equal((await call("list", { path: "/root", cursor: "bm9uZQ" })).status, 400);
  assert.equal((await call("remove", { path: "/root/many" })).status, 204);
});
