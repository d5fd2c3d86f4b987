import assert from "node:assert/strict";
import { access, mkdtemp, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { request, shell } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(60_000);
const directory = await mkdtemp(join(tmpdir(), "wrenn-fuse-"));
after(() => rmdir(directory));

/** A file system whose process never answers, in mounts of the agent's own. */
const within = [
  "unshare",
  "--mount",
  "sh",
  "-c",
  `exec 9<>/dev/fuse && mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 none ${directory} && exec "$@"`,
  "sh",
];
const usable =
  process.getuid?.() === 0 &&
  (await access("/dev/fuse").then(
    () => true,
    () => false,
  ));

test(
  "a program on a file system that does not answer holds up neither the agent nor other commands",
  { skip: usable ? false : "needs root and /dev/fuse" },
  async () => {
    await using agent = await NativeAgent.start(undefined, within);
    const link = await agent.connect();
    const stuck = await link.processes.start(
      request(join(directory, "program"), []),
      AbortSignal.timeout(10_000),
    );
    assert.deepEqual((await shell(link, "echo answered; exit 3")).exit, { exitCode: 3 });
    await stuck.kill(9, "tree", signal);
    assert.deepEqual(await stuck.wait(signal), { exitCode: 137, signal: 9 });
    await link.detach();
  },
);
