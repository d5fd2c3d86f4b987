import assert from "node:assert/strict";
import { after, test } from "node:test";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());

const hooks = "/etc/wrenn/on-restore.d";

async function capsuleWithHook(name: string, script: string): Promise<string> {
  const id = await server.capsule(undefined);
  const made = await server.shell(
    id,
    `mkdir -p ${hooks} && printf '%s\\n' '#!/bin/sh' '${script}' >${hooks}/${name} && chmod +x ${hooks}/${name}`,
  );
  assert.equal(made.exit_code, 0, made.stderr);
  return id;
}

const verb = async (id: string, name: string): Promise<number> =>
  (await server.call("POST", `/v1/capsules/${id}/${name}`)).status;

test("hooks run after a restore, before the capsule answers, and find its new generation", async () => {
  const id = await capsuleWithHook(
    "10-note",
    "cat /run/wrenn/generation >>/tmp/generations; sleep 0.3; echo done >>/tmp/order",
  );
  await server.shell(id, `ln -s ${hooks}/10-note ${hooks}/20-again; touch ${hooks}/30-not-executable`);
  assert.equal(await verb(id, "pause"), 200);
  assert.equal(await verb(id, "resume"), 200);
  const { stdout } = await server.shell(id, "cat /tmp/order; sort -u /tmp/generations | wc -l");
  assert.equal(stdout, "done\ndone\n1\n");
});

test("a hook is started like a command of root, and so is what it leaves running", async () => {
  const id = await capsuleWithHook("10-look", "exec /root/look");
  const look = `#!/bin/bash
{
  yes | head -1 >/dev/null; echo "\${PIPESTATUS[*]}"
  cat /proc/self/oom_score_adj; echo "$PATH $HOME $USER $WRENN_SANDBOX_ID $PWD $(umask) $(nice)"
  echo $(ls /proc/self/fd); grep SigIgn /proc/self/status; readlink /proc/self/fd/0
  sed s/^0::// /proc/self/cgroup
} >/tmp/seen
setsid sleep 600 &
echo $! >/tmp/daemon`;
  const written = await server.exec(id, "python3", [
    "-c",
    "import os, sys; open('/root/look', 'w').write(sys.argv[1]); os.chmod('/root/look', 0o755)",
    look,
  ]);
  assert.equal(written.body.exit_code, 0, written.body.stderr);
  assert.equal(await verb(id, "pause"), 200);
  assert.equal(await verb(id, "resume"), 200);
  const { stdout } = await server.shell(id, "cat /tmp/seen");
  const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  assert.deepEqual(stdout.trim().split("\n"), [
    "141 0",
    "100",
    `${path} /root root ${id} / 0022 0`,
    "0 1 2 3",
    "SigIgn:\t0000000000000000",
    "/dev/null",
    "/../hooks",
  ]);
  // From the end of the hook it stands still with the commands when these do.
  const daemon = "/proc/$(cat /tmp/daemon)";
  const left = await server.shell(
    id,
    `cat ${daemon}/oom_score_adj; sed s/^0::// ${daemon}/cgroup; pgrep -c sleep`,
  );
  assert.match(left.stdout, /^100\n\/p\d+\n1\n$/);
});

test("a hook that fails, or hangs, fails the restore", async () => {
  for (const script of ["exit 3", "sleep 600"]) {
    const id = await capsuleWithHook("10-bad", script);
    assert.equal(await verb(id, "pause"), 200);
    const answer = await server.call<{ error: { message: string } }>("POST", `/v1/capsules/${id}/resume`);
    assert.ok(answer.status >= 500, JSON.stringify(answer.body));
  }
});
