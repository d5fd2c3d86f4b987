import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BuildClient, cachedSteps } from "../support/build-client.ts";
import { packNode } from "../support/node-archive.ts";
import { PackageHost } from "../support/package-host.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Builds that install what a server of packages has, which their capsules reach by their own network. */

const long = process.env["WRENN_TEST_LONG"] === "1";
const NAME = PackageHost.package;

let server: TestServer;
let builds: BuildClient;
let packages: PackageHost;
const stack = new AsyncDisposableStack();
before(async () => {
  packages = stack.use(await PackageHost.start(`wrib-${process.pid}`));
  server = await startTestServer();
  stack.defer(() => server.close());
  builds = new BuildClient(server, long ? 15 * 60_000 : undefined);
});
after(() => stack.disposeAsync());

/** A directory with the certificate of the server and the address of its Debian packages. */
async function openContext(): Promise<AsyncDisposable & { readonly path: string }> {
  const context = await mkdtempDisposable(join(tmpdir(), "wrenn-context-"));
  await writeFile(join(context.path, "authority.pem"), packages.authority);
  await writeFile(
    join(context.path, "greeting.sources"),
    `Types: deb\nURIs: http://${PackageHost.server}/debian\nSuites: ./\nTrusted: yes\n`,
  );
  return context;
}

test("a Debian package is installed by a build, and is in every capsule of its template", async (t) => {
  await using context = await openContext();
  const recipe = `FROM minimal
ARG http_proxy=${PackageHost.proxyUrl}
RUN rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*
COPY greeting.sources /etc/apt/sources.list.d/
RUN apt-get update && apt-get install --yes ${NAME}
RUN ${NAME}
`;
  const first = await builds.build("greeting", recipe, {}, context.path);
  assert.equal(first.status, "success", first.error ?? "");
  assert.equal(first.logs.at(-1)?.stdout, "debian\n");
  const second = await builds.build("greeting", recipe, {}, context.path);
  assert.equal(cachedSteps(second), "cccc", second.error ?? "");
  const capsule = await server.capsule(t, { template: "greeting" });
  const { stdout } = await server.shell(
    capsule,
    `${NAME}; dpkg-query -W -f '\${Status}' ${NAME}; echo $http_proxy`,
  );
  assert.equal(stdout, "debian\ninstall ok installed\n", "the address of the proxy was for the build only");
});

test(
  "packages of Python and npm are installed by a build",
  { skip: long ? false : "only with --long: takes minutes in an emulated capsule", timeout: 20 * 60_000 },
  async (t) => {
    await using context = await openContext();
    await packNode(join(context.path, "node.tar.gz"));
    const host = PackageHost.server;
    const recipe = `FROM minimal
ARG https_proxy=${PackageHost.proxyUrl}
COPY authority.pem /srv/
ADD node.tar.gz /srv/node/
USER user
WORKDIR /home/user/project
RUN python3 -m venv env && env/bin/pip install --index-url https://${host}/simple --cert /srv/authority.pem ${NAME}
ENV PATH=/srv/node/bin:$PATH LD_LIBRARY_PATH=/srv/node/bin
RUN echo '{}' > package.json && NODE_EXTRA_CA_CERTS=/srv/authority.pem \\
  node /srv/node/npm/bin/npm-cli.js install --registry=https://${host}/npm/ --no-audit --no-fund ${NAME}
`;
    const build = await builds.build("installed", recipe, {}, context.path);
    assert.equal(build.status, "success", build.error ?? "");
    const capsule = await server.capsule(t, { template: "installed" });
    const { stdout } = await server.shell(capsule, `env/bin/${NAME}; node_modules/.bin/${NAME}`);
    assert.equal(stdout, "python\nnpm\n");
  },
);
