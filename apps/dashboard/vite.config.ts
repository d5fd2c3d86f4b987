import { resolve } from "node:path";
import adapter from "@sveltejs/adapter-static";
import { sveltekit } from "@sveltejs/kit/vite";
import tailwindcss from "@tailwindcss/vite";
import { defineConfig } from "vite";

/** Where finished pages go; packages/host-setup/src/dashboard-build.ts sets it. */
const output = process.env["WRENN_DASHBOARD_OUT"] ?? "build";
/** A running server, for `vite dev`. */
const server = process.env["WRENN_URL"] ?? "http://localhost:8080";

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
  server: { proxy: { "/v1": { target: server, ws: true }, "/auth": server } },
});
