/* Drawn: the kernel changes with its package only. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

const output = async (
  cmd: string,
  args: readonly string[],
  more: Readonly<Record<string, unknown>> = {},
): Promise<string> => {
  const { body, status } = await server.exec(id, cmd, args, more);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.exit_code, 0, `${cmd} ${args.join(" ")}: ${JSON.stringify(body)}`);
  return body.stdout.trim();
};

const LIMITS = "ulimit -Sn; ulimit -Hn";
const EXPECTED = "65536\n1048576";

test("commands and terminals may open many files, and logins may raise their limit", async () => {
  const ways: Readonly<Record<string, Promise<string>>> = {
    root: output("bash", ["-c", LIMITS]),
    user: output("bash", ["-c", LIMITS], { user: "user" }),
  };
  for (const [way, text] of Object.entries(ways)) assert.equal(await text, EXPECTED, way);
  // PAM gives logins the soft limit that a Debian server has, of which programs may make the hard one.
  assert.equal((await output("su", ["-", "user", "-c", LIMITS])).split("\n")[1], "1048576");
  assert.equal((await output("sudo", ["bash", "-c", LIMITS], { user: "user" })).split("\n")[1], "1048576");
  const terminal = await StreamClient.open(server, `/v1/capsules/${id}/pty`, {
    type: "start",
    cmd: "bash",
    args: ["-c", `${LIMITS}; ulimit -a`],
  });
  await terminal.next("exit");
  assert.ok(terminal.text.startsWith(EXPECTED.replaceAll("\n", "\r\n")), terminal.text);
  const program = [
    "import resource, tempfile",
    "files = [open('/dev/null') for _ in range(5000)]",
    "resource.setrlimit(resource.RLIMIT_NOFILE, (1048576, 1048576))",
    "print(len(files))",
  ].join("\n");
  assert.equal(await output("python3", ["-c", program], { user: "user" }), "5000");
});

test("the kernel's limits are those of a server, also in a fork", async () => {
  const read = "cd /proc/sys/fs && cat inotify/max_user_watches inotify/max_user_instances nr_open file-max";
  const expected = [524_288, 8192, 1_048_576, 9_223_372_036_854_775_807n].map(String);
  assert.deepEqual((await output("sh", ["-c", read])).split("\n"), expected);
  const fork = await server.call<readonly { readonly id: string }[]>("POST", `/v1/capsules/${id}/fork`, {
    count: 1,
  });
  assert.equal(fork.status, 201, JSON.stringify(fork.body));
  const child = fork.body[0]?.id ?? "";
  const { body } = await server.exec(child, "sh", ["-c", `${read}; ${LIMITS}`]);
  assert.deepEqual(body.stdout.trim().split("\n"), [...expected, ...EXPECTED.split("\n")]);
  await server.call("DELETE", `/v1/capsules/${child}`);
});

test(
  "9,000 directories are watched, and take no watch from programs of root",
  { timeout: 600_000 },
  async (t) => {
    const make = [
      "import os",
      "for n in range(90):",
      "    for m in range(100): os.makedirs(f'/root/many/d{n}/e{m}')",
    ].join("\n");
    await output("python3", ["-c", make], { timeout_sec: 300 });
    const begun = performance.now();
    const watch = await StreamClient.open(
      server,
      `/v1/capsules/${id}/files/watch?path=/root/many&recursive=true`,
    );
    await watch.next("watching", 300);
    t.diagnostic(`watching after ${Math.round(performance.now() - begun)} ms`);
    for (const place of ["d0/e0", "d50/e99", "d89/e99"]) {
      await output("sh", ["-c", `echo 1 > /root/many/${place}/f`]);
      const isTold = (): true | undefined =>
        watch.messages.some(({ change, path }) => change === "write" && path === `${place}/f`) || undefined;
      await watch.until(isTold, `the change in ${place}`, 60);
    }
    assert.deepEqual(
      watch.messages.filter(({ type }) => type === "overflow" || type === "unwatched"),
      [],
    );
    // As many as there are left is what a program of root may have: all.
    const few = [
      "import ctypes",
      "open('/proc/sys/fs/inotify/max_user_watches', 'w').write('50')",
      "c = ctypes.CDLL(None)",
      "i = c.inotify_init()",
      "print(all(c.inotify_add_watch(i, f'/root/many/d{n}'.encode(), 2) > 0 for n in range(50)))",
    ].join("\n");
    assert.equal(await output("python3", ["-c", few]), "True");
    const refused = await StreamClient.open(server, `/v1/capsules/${id}/files/watch?path=/root`);
    const { data } = await refused.next("error");
    assert.match(String(data), /no watches left/);
    watch.close();
  },
);
