import { readFile, writeFile } from "node:fs/promises";
import { defineConfig } from "tsdown";

/** What is published: `npm pack` and `npm publish` take this folder. */
const PACKAGE = "build";

const both = (entry: string) => ({
  import: { types: `./${entry}.d.ts`, default: `./${entry}.js` },
  require: { types: `./${entry}.d.cts`, default: `./${entry}.cjs` },
});

/**
 * In the order in which runtimes and bundlers look. Bun and Deno also match `node`, but have fetch and WebSocket with proxies and
 * headers of their own.
 */
const exports = {
  ".": {
    bun: both("index"),
    deno: both("index"),
    workerd: both("index"),
    browser: both("index"),
    node: both("node"),
    default: both("index"),
  },
  "./node": both("node"),
  "./package.json": "./package.json",
};

interface SourceManifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly engines: Readonly<Record<string, string>>;
}

async function writeManifest(): Promise<void> {
  const { name, version, description, license, dependencies, engines } = JSON.parse(
    await readFile("package.json", "utf8"),
  ) as SourceManifest;
  const manifest = {
    name,
    version,
    description,
    license,
    type: "module",
    exports,
    main: "./node.cjs",
    module: "./index.js",
    types: "./index.d.ts",
    // A bundler that left these out would leave out the proxies of Node.js.
    sideEffects: ["./node.js", "./node.cjs"],
    engines,
    dependencies,
  };
  await writeFile(`${PACKAGE}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}

export default defineConfig({
  entry: { index: "src/index.ts", node: "src/node/index.ts" },
  outDir: PACKAGE,
  format: ["esm", "cjs"],
  platform: "neutral",
  target: "es2022",
  tsconfig: "tsconfig.build.json",
  dts: true,
  // `Disposable` is in no library of TypeScript's targets up to es2025.
  banner: { dts: '/// <reference lib="esnext.disposable" />' },
  fixedExtension: false,
  deps: { neverBundle: ["undici", /^node:/] },
  copy: ["README.md", "../../LICENSE"],
  hooks: { "build:done": writeManifest },
});
