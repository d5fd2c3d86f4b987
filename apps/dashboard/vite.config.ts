import { resolve } from "node:path";
import adapter from "@sveltejs/adapter-static";
import { sveltekit } from "@sveltejs/kit/vite";
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vite";

/** Where finished pages go; packages/host-setup/src/dashboard-build.ts sets it. */
const output = process.env["WRENN_DASHBOARD_OUT"] ?? "build";
/** A running server, for `vite dev`. */
const server = process.env["WRENN_URL"] ?? "http://localhost:8080";

/**
 * Code that several pages use is put into few files: each file costs a request, and about 900 bytes of response head. The groups are
 * layers, so that no file needs one that needs it: in such a circle, a page would run code before what it is made of.
 */
const several = { minShareCount: 2 };
const groups = [
  { ...several, name: "runtime", test: /node_modules[\\/](?:svelte|esm-env|clsx)[\\/]/, priority: 3 },
  // Without its payload, which the page sets before the rest is loaded: the rest reads it as it is loaded.
  { ...several, name: "kit", test: /node_modules[\\/]@sveltejs[\\/](?!.*payload\.js)/, priority: 3 },
  { name: "payload", test: /@sveltejs[\\/].*payload\.js/, priority: 4 },
  { ...several, name: "widgets", test: /node_modules[\\/]/, priority: 2 },
  { ...several, name: "sdk", test: /packages[\\/]sdk[\\/]/, priority: 2 },
  { ...several, name: "lib", test: /src[\\/]lib[\\/]/, priority: 1 },
];

export default defineConfig({
  plugins: [
    tailwindcss(),
    sveltekit({
      // One page under all addresses: the control plane gives each answer its own nonce.
      adapter: adapter({ pages: output, fallback: "index.html" }),
      paths: { relative: false },
      output: { bundleStrategy: "split" },
      inlineStyleThreshold: 0,
      version: { pollInterval: 0 },
    }),
  ],
  resolve: {
    // The SDK of this checkout, from its sources.
    alias: { "@wrenn/sdk": resolve(import.meta.dirname, "../../packages/sdk/src/index.ts") },
  },
  build: { target: "es2023", reportCompressedSize: false },
  environments: { client: { build: { rolldownOptions: { output: { codeSplitting: { groups } } } } } },
  server: { proxy: { "/v1": { target: server, ws: true }, "/auth": server } },
});
