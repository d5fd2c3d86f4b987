/**
 * Bundles a file: `node bundle.mjs BUNDLER OPTIONS`, with the JSON of `BundleOptions` of tests/support/runtimes.ts.
 * The result is `OUTDIR/main.mjs`, an ES module without what `external` names, and the chunks that it loads later.
 */
import { dirname } from "node:path";

/** @typedef {{ entry: string, outdir: string, isSplit: boolean, conditions: string[], external: string[], minify: boolean }} Options */

/** @type {Record<string, (options: Options) => Promise<void>>} */
const bundlers = {
  esbuild: async ({ entry, outdir, isSplit, conditions, external, minify }) => {
    const { build } = await import("esbuild");
    await build({
      entryPoints: { main: entry },
      outdir,
      outExtension: { ".js": ".mjs" },
      splitting: isSplit,
      bundle: true,
      format: "esm",
      platform: "neutral",
      target: "es2022",
      conditions,
      external,
      minify,
      logLevel: "error",
    });
  },

  webpack: async ({ entry, outdir, conditions, external, minify }) => {
    const { default: webpack } = await import("webpack");
    const stats = await new Promise((resolve, reject) => {
      const config = {
        mode: "production",
        target: ["webworker", "es2022"],
        entry,
        experiments: { outputModule: true },
        externals: external,
        optimization: { minimize: minify },
        output: {
          path: outdir,
          filename: "main.mjs",
          chunkFilename: "[id].mjs",
          chunkLoading: "import",
          module: true,
          library: { type: "module" },
        },
        resolve: { conditionNames: [...conditions, "import"] },
      };
      webpack(config, (error, result) => (error ? reject(error) : resolve(result)));
    });
    if (stats.hasErrors() || stats.hasWarnings()) throw new Error(stats.toString({ colors: false }));
  },

  vite: async ({ entry, outdir, conditions, external, minify }) => {
    const { build } = await import("vite");
    await build({
      configFile: false,
      root: dirname(entry),
      logLevel: "warn",
      resolve: { conditions },
      build: {
        outDir: outdir,
        emptyOutDir: false,
        target: "es2022",
        minify,
        lib: { entry, formats: ["es"], fileName: () => "main.mjs" },
        rolldownOptions: { external, output: { chunkFileNames: "[name]-[hash].mjs" } },
      },
    });
  },
};

const [name, options] = process.argv.slice(2);
await bundlers[name](JSON.parse(options));
