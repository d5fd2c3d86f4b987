import { copyFile, readFile, writeFile } from "node:fs/promises";
import { defineConfig } from "tsdown";

/** What is packed: `npm pack` takes this folder. */
const PACKAGE = "build/package";
const MODULES = "../../node_modules";

interface SourceManifest {
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
}

/** Packages that are part of the file; the build fails when it would contain another one. */
const bundled = ["commander", "undici"];

async function writePackage(): Promise<void> {
  const { version, description, license, engines } = JSON.parse(
    await readFile("package.json", "utf8"),
  ) as SourceManifest;
  const bin = { wrenn: "wrenn.mjs" };
  const manifest = { name: "wrenn", version, description, license, type: "module", bin, engines };
  await writeFile(`${PACKAGE}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
  await copyFile("README.md", `${PACKAGE}/README.md`);
  await copyFile("../../LICENSE", `${PACKAGE}/LICENSE`);
  const licences = bundled.map(
    async (name) => `${name}\n\n${await readFile(`${MODULES}/${name}/LICENSE`, "utf8")}`,
  );
  await writeFile(`${PACKAGE}/THIRD-PARTY-LICENSES`, (await Promise.all(licences)).join("\n----\n\n"));
}

export default defineConfig({
  entry: { wrenn: "src/bin.ts" },
  outDir: PACKAGE,
  format: "esm",
  platform: "node",
  target: "node20.18",
  minify: true,
  dts: false,
  // One file without dependencies: it is installed without a registry.
  deps: { alwaysBundle: [/./], onlyBundle: bundled },
  outputOptions: { codeSplitting: false },
  hooks: { "build:done": writePackage },
});
