import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";

const launcher = join(import.meta.dirname, "../../../wrenn");
const NODE = `node_modules/node-linux-${process.arch}/bin/node`;

/** A checkout of the launcher alone, with an npm that installs what a test says. */
class Checkout implements AsyncDisposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(): Promise<Checkout> {
    const checkout = new Checkout(await mkdtemp("/tmp/wrenn-launcher-"));
    await copyFile(launcher, join(checkout.directory, "wrenn"));
    return checkout;
  }

  async write(name: string, content: string): Promise<void> {
    const path = join(this.directory, name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, content);
    await chmod(path, 0o755);
  }

  /** The next installation brings a Node that says `says`, runs `then`, and notes that it happened. */
  async npm(says: string, then = "true"): Promise<void> {
    const script = `#!/bin/sh\nmkdir -p "$(dirname ${NODE})"\nprintf '#!/bin/sh\\necho ${says}\\n' > ${NODE}\nchmod +x ${NODE}\necho x >> installs\n${then}\n`;
    await this.write("bin/npm", script);
  }

  async installs(): Promise<number> {
    return (await readFile(join(this.directory, "installs"), "utf8").catch(() => "")).length / 2;
  }

  async run(
    variables: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly code: number; readonly output: string }> {
    const env = { PATH: `${join(this.directory, "bin")}:/usr/bin:/bin`, ...variables };
    const child = spawn(join(this.directory, "wrenn"), [], { env, stdio: ["ignore", "pipe", "pipe"] });
    const [output, , [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close") as Promise<[number]>,
    ]);
    return { code, output: output.trim() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

test("what the lock file says is installed once, and run", async () => {
  await using checkout = await Checkout.create();
  await checkout.write("package-lock.json", "one");
  await checkout.npm("one");
  for (let runs = 0; runs < 2; runs++) assert.deepEqual(await checkout.run(), { code: 0, output: "one" });
  assert.equal(await checkout.installs(), 1);
});

test("a tree that does not fit the lock file never runs, also when an earlier lock file is put back", async () => {
  await using checkout = await Checkout.create();
  const lock = join(checkout.directory, "package-lock.json");
  await checkout.write("package-lock.json", "one");
  await checkout.npm("one");
  await checkout.run();
  await writeFile(lock, "two");
  for (const then of ["echo changed > package-lock.json", "echo changed > package-lock.json; exit 1"]) {
    await checkout.npm("refused", then);
    assert.deepEqual(await checkout.run(), { code: 1, output: "" });
    assert.equal(await readFile(lock, "utf8"), "two");
    await writeFile(lock, "one");
    assert.deepEqual(await checkout.run(), { code: 1, output: "" }, "the refused tree is still there");
    await writeFile(lock, "two");
  }
  await writeFile(lock, "one");
  await checkout.npm("one");
  assert.deepEqual(await checkout.run(), { code: 0, output: "one" });
});

test("compiled code is stored next to the code, in a directory of the caller's own", async () => {
  await using checkout = await Checkout.create();
  const compiled = join(checkout.directory, "node_modules/.compiled");
  await checkout.write("package-lock.json", "one");
  await checkout.npm("$NODE_COMPILE_CACHE");
  const cacheOf = async (variables?: Readonly<Record<string, string>>): Promise<string> =>
    (await checkout.run(variables)).output;
  assert.equal(await cacheOf(), compiled);
  assert.equal((await stat(compiled)).mode & 0o777, 0o700);
  assert.equal(await cacheOf({ NODE_COMPILE_CACHE: "/elsewhere" }), "/elsewhere");

  await chown(compiled, 12_345, 12_345);
  assert.equal(await cacheOf(), "", "another user could write there");
  await rm(compiled, { recursive: true });
  await mkdir(join(checkout.directory, "other"));
  await symlink(join(checkout.directory, "other"), compiled);
  assert.equal(await cacheOf(), "", "a link leads to a directory of someone else's choice");
});

test("compiled code goes with the installation that it was made of", async () => {
  await using checkout = await Checkout.create();
  const stale = join(checkout.directory, "node_modules/.compiled/stale");
  await checkout.write("package-lock.json", "one");
  await checkout.npm("one");
  await checkout.run();
  await writeFile(stale, "");
  await checkout.write("package-lock.json", "two");
  await checkout.run();
  await assert.rejects(stat(stale), { code: "ENOENT" });
});
