import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "@wrenn/core";
import { makeBundle } from "../src/bundle/make-bundle.ts";
import { bundlesOf, ENTRY, findBundle, manifestOf } from "../src/bundle/program-bundle.ts";

const run = promisify(execFile);
/** Files that were written a moment ago have settled by this clock. */
const later = { ...systemClock, now: () => Date.now() + 10_000 };
const signal = AbortSignal.timeout(240_000);

/** A checkout with a program that imports a package, loads a module later, and reads a file next to itself. */
class Checkout implements AsyncDisposable {
  readonly root: string;
  readonly program: string;

  private constructor(root: string) {
    this.root = root;
    this.program = join(root, "src/run-program.ts");
  }

  static async create(): Promise<Checkout> {
    const checkout = new Checkout(await mkdtemp("/tmp/wrenn-bundle-"));
    const files = {
      "src/run-program.ts": `
        import { readFileSync } from "node:fs";
        import { join } from "node:path";
        import { fileURLToPath } from "node:url";
        import common from "common";
        import { name } from "library";
        const beside: string = readFileSync(join(import.meta.dirname, "beside.txt"), "utf8");
        const url = readFileSync(fileURLToPath(new URL("beside.txt", import.meta.url)), "utf8");
        export async function runProgram() {
          const { late } = await import("./late.ts");
          console.log([name, common, beside, url, late()].join(" "));
        }`,
      "src/late.ts": "export function late(): string { return late.name }",
      "src/beside.txt": "beside",
      "package.json": `{"type":"module"}`,
      "node_modules/library/package.json": `{"name":"library","type":"module","exports":"./index.js"}`,
      "node_modules/library/index.js": `export const name = "library";`,
      "node_modules/common/package.json": `{"name":"common"}`,
      "node_modules/common/index.js": `module.exports = require("path").basename(__dirname)`,
    };
    for (const [name, content] of Object.entries(files)) await checkout.write(name, content);
    return checkout;
  }

  path(name: string): string {
    return join(this.root, name);
  }

  async write(name: string, content: string): Promise<void> {
    await mkdir(join(this.path(name), ".."), { recursive: true });
    await writeFile(this.path(name), content);
  }

  async make(clock = later): Promise<string | undefined> {
    return await makeBundle({ root: this.root, program: this.program, clock, signal });
  }

  /** Name of the folder of the bundle that a start would take. */
  found(): string | undefined {
    return findBundle(this.root)?.split("/").at(-2);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

async function runOf(module: string): Promise<string> {
  const script = `(await import(${JSON.stringify(module)})).runProgram()`;
  return (await run(process.execPath, ["--input-type=module", "--eval", script])).stdout.trim();
}

test("a bundle does what the sources do, in another place", async () => {
  await using checkout = await Checkout.create();
  assert.equal(findBundle(checkout.root), undefined);
  assert.equal(await checkout.make(), undefined);
  const bundle = findBundle(checkout.root);
  assert.equal(bundle, join(bundlesOf(checkout.root), "code-0", ENTRY));
  assert.equal(await runOf(checkout.program), "library common beside beside late");
  // Nothing but the bundle and what is read while it runs.
  await rm(checkout.path("src/late.ts"));
  await rm(checkout.path("node_modules/library"), { recursive: true });
  assert.equal(await runOf(bundle ?? ""), "library common beside beside late");
});

const changes: Readonly<Record<string, (checkout: Checkout) => Promise<void>>> = {
  "other contents of the same length and time": async (checkout) => {
    const path = checkout.path("src/late.ts");
    const { atime, mtime } = await stat(path);
    const file = await open(path, "r+");
    await file.write("EXPORT");
    await file.close();
    await utimes(path, atime, mtime);
  },
  "a file that takes the place of another": async (checkout) => {
    await checkout.write("src/other.ts", await readFile(checkout.path("src/late.ts"), "utf8"));
    await rename(checkout.path("src/other.ts"), checkout.path("src/late.ts"));
  },
  "a file that is gone": async (checkout) => await rm(checkout.path("src/late.ts")),
  "a changed file of a package": async (checkout) =>
    await checkout.write("node_modules/library/index.js", `export const name = "changed";`),
  "a package that names another file": async (checkout) =>
    await checkout.write("node_modules/library/package.json", `{"exports":"./other.js"}`),
  "another version of Node.js": async (checkout) => await edited(checkout, process.version, "v1.0.0"),
  "the bundle of another checkout": async (checkout) => await edited(checkout, checkout.root, "/elsewhere"),
  "a manifest that breaks off": async (checkout) =>
    await writeFile(manifestOf(bundlesOf(checkout.root)), `{"root":`),
  "a manifest without inputs": async (checkout) => await edited(checkout, `"inputs"`, `"outputs"`),
  "a folder that is gone": async (checkout) =>
    await rm(join(bundlesOf(checkout.root), "code-0"), { recursive: true }),
  "a folder that others may write to": async (checkout) => await chmod(bundlesOf(checkout.root), 0o770),
  "a folder behind a link": async (checkout) => {
    await rename(bundlesOf(checkout.root), checkout.path("moved"));
    await symlink(checkout.path("moved"), bundlesOf(checkout.root));
  },
};

async function edited(checkout: Checkout, from: string, to: string): Promise<void> {
  const manifest = manifestOf(bundlesOf(checkout.root));
  await writeFile(manifest, (await readFile(manifest, "utf8")).replace(from, to));
}

test("a bundle of anything else than the sources that are there is not used", async (t) => {
  for (const [name, change] of Object.entries(changes)) {
    await t.test(name, async () => {
      await using checkout = await Checkout.create();
      await checkout.make();
      assert.equal(checkout.found(), "code-0");
      await change(checkout);
      assert.equal(checkout.found(), undefined);
    });
  }
});

test("a bundle is not made while its sources change, nor in a folder of others", async () => {
  await using checkout = await Checkout.create();
  assert.equal(await checkout.make(systemClock), "a source changes");
  assert.equal(findBundle(checkout.root), undefined);
  await chmod(bundlesOf(checkout.root), 0o755);
  assert.equal(await checkout.make(), "not ours");
});

test("one process makes a bundle at a time", async () => {
  await using checkout = await Checkout.create();
  const made = await Promise.all([checkout.make(), checkout.make()]);
  assert.deepEqual(new Set(made), new Set(["another process makes it", undefined]));
});

test("code that a process may still load stays, and unused folders are used again", async () => {
  await using checkout = await Checkout.create();
  await checkout.make();
  const held = await open(join(bundlesOf(checkout.root), "code-0"));
  await checkout.make();
  await checkout.make();
  assert.deepEqual(
    await Promise.all(["code-0", "code-1", "code-2"].map(async (name) => await isThere(name))),
    [true, true, true],
  );
  await held.close();
  await checkout.make();
  assert.equal(JSON.parse(await readFile(manifestOf(bundlesOf(checkout.root)), "utf8")).folder, "code-0");

  async function isThere(name: string): Promise<boolean> {
    return await stat(join(bundlesOf(checkout.root), name, ENTRY)).then(() => true);
  }
});
