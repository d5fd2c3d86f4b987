import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { packClients } from "@wrenn/host-setup";
import { buildImage, RegistryServer } from "@wrenn/oci/testing";
import { tryCommand } from "@wrenn/system";
import { busyboxImage } from "../support/busybox-image.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";

/** The two commands that everything here stands on: `up` is tested in tests/e2e/command-line, `test` is what runs this. */
const elsewhere = /^\.\/wrenn (up|test)\s*$/;
/** A command that needs a person at a terminal says so in its block's language: ```sh interactive. */
const BLOCK = /```sh\n([\s\S]*?)```/g;

const guides = (await readdir(join(projectRoot, "docs/guides"))).map((name) => `docs/guides/${name}`);
// Guides install packages of the server, run the command line that they installed, and log in.
await packClients({ projectRoot, progress: () => {} });
const prefix = await mkdtemp("/tmp/wrenn-docs-");
after(() => rm(prefix, { recursive: true, force: true }));
// What guides pull from Docker Hub comes from a registry of this machine.
const registry = await RegistryServer.start();
after(() => registry[Symbol.asyncDispose]());
registry.push("library/alpine", buildImage(await busyboxImage()), "3.22");
const server = await startTestServer({
  config: {
    registries: {
      mirrors: { "docker.io": [`http://${registry.host}`] },
      plainHttp: [],
      privateHosts: registry.hosts,
    },
  },
});
after(() => server.close());

for (const document of ["README.md", ...guides.toSorted()]) {
  const text = await readFile(join(projectRoot, document), "utf8");
  const blocks = [...text.matchAll(BLOCK)].map((match) => match[1] ?? "");
  test(`${document}: its commands work as they stand, in their order`, async (t) => {
    assert.ok(blocks.length > 0, "it has commands to try");
    const id = await server.capsule(t);
    for (const block of blocks.filter((one) => !elsewhere.test(one))) {
      await test(block.trim().split("\n")[0]?.slice(0, 90) ?? "", async () => {
        const result = await tryCommand(
          ["bash", "-e", "-c", block.replaceAll("http://127.0.0.1:8080", server.url)],
          {
            cwd: projectRoot,
            env: {
              ...(process.env as Record<string, string>),
              PATH: `${join(prefix, "bin")}:${process.env["PATH"] ?? ""}`,
              NPM_CONFIG_PREFIX: prefix,
              XDG_CONFIG_HOME: prefix,
              TMPDIR: prefix,
              WRENN_DATA_DIR: server.dataDirectory,
              WRENN_URL: server.url,
              WRENN_API_KEY: server.apiKey,
              URL: server.url,
              PORT: new URL(server.url).port,
              KEY: server.apiKey,
              ID: id,
            },
          },
        );
        const promised = Number(/exit (\d+)/.exec(block)?.[1] ?? 0);
        assert.equal(result.code, promised, `${result.stdout}\n${result.stderr}`);
        assert.doesNotMatch(result.stdout, /"error":/);
      });
    }
  });
}
