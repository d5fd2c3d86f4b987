import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Sandbox } from "e2b";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* What a program in a sandbox finds of E2B: variables, files below /run/e2b, and the endpoint of events. */

/* Other tests look at a sandbox that was created, forked and resumed; this one goes through all that a sandbox may start from. */
const skip = process.env["WRENN_TEST_LONG"] === "1" ? false : "WRENN_TEST_LONG=1 runs it";
let server: TestServer;
const options = () => ({
  apiKey: server.server.apiKey,
  apiUrl: server.server.url,
  sandboxUrl: server.server.url,
  timeoutMs: 600_000,
});

before(async () => {
  if (skip === false) server = await startTestServer();
});
after(async () => {
  if (skip === false) await server.close();
});

/** Prints the files and what the endpoint answers, both by name and by the variable, and tries to be another sandbox. */
const LOOK = `cd /run/e2b; for f in .E2B_SANDBOX .E2B_SANDBOX_ID .E2B_TEMPLATE_ID; do cat $f; echo; done
stat -c '%a %U' . .E2B_SANDBOX_ID | tr '\\n' ' '
python3 -c 'import os, urllib.request as u
for at in (os.environ["E2B_EVENTS_ADDRESS"], "http://events.e2b.local"):
    print(u.urlopen(u.Request(at + "/me", headers={"E2b-Sandbox-Id": "x", "X-Forwarded-For": "10.11.0.9"}), timeout=20).read().decode())'`;

async function look(sandbox: Sandbox): Promise<string> {
  return (await sandbox.commands.run(LOOK)).stdout;
}

function expected({ sandboxId }: Sandbox, template: string): string {
  const me = `{"sandboxID":"${sandboxId}"}\n`;
  return `true\n${sandboxId}\n${template}\n755 root 644 root ${me}${me}`;
}

test(
  "files and the endpoint of events are right after a create, a fork, a pause, a boot, and in a template of a snapshot",
  { skip },
  async () => {
    const sandbox = await Sandbox.create("minimal", { ...options(), allowInternetAccess: false });
    assert.equal(await look(sandbox), expected(sandbox, "minimal"), "created, without internet access");

    const [child] = await sandbox.fork(options());
    assert.ok(child instanceof Sandbox);
    const { snapshotId } = await sandbox.createSnapshot({ name: "found" });
    assert.deepEqual(
      await Promise.all([look(sandbox), look(child)]),
      [expected(sandbox, "minimal"), expected(child, "minimal")],
      "a fork and its source",
    );
    await child.kill();

    const copy = await Sandbox.create(snapshotId, options());
    const { templateId } = await copy.getInfo();
    assert.equal(await look(copy), expected(copy, templateId), "from a snapshot");
    assert.equal((await copy.commands.run("echo $E2B_TEMPLATE_ID")).stdout, `${templateId}\n`);
    await copy.kill();

    await sandbox.pause();
    const resumed = await Sandbox.connect(sandbox.sandboxId, options());
    assert.equal(await look(resumed), expected(sandbox, "minimal"), "paused and resumed");

    const id = `cl-${sandbox.sandboxId}`;
    assert.equal((await server.call("POST", `/v1/capsules/${id}/pause`, { memory: false })).status, 200);
    await Sandbox.connect(sandbox.sandboxId, options());
    assert.equal(await look(resumed), expected(sandbox, "minimal"), "booted");
  },
);

test(
  "a capsule that Wrenn's API made has the files and the endpoint, and no variables but Wrenn's",
  { skip },
  async (t) => {
    const id = await server.capsule(t, { vcpus: 1, memory_mb: 512 });
    const { stdout } = await server.shell(
      id,
      "cat /run/e2b/.E2B_SANDBOX_ID; env | grep -c ^E2B_; python3 -c 'import urllib.request as u; print(u.urlopen(\"http://events.e2b.local/me\", timeout=20).read().decode())'; echo $WRENN_TEMPLATE",
    );
    const body = id.slice("cl-".length);
    assert.equal(stdout, `${body}0\n{"sandboxID":"${body}"}\nminimal\n`);
  },
);
