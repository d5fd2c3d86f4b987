import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { runCommand } from "@wrenn/system";
import { ConnectProxy } from "./connect-proxy.ts";
import { openInternet, serveIn } from "./network-lab.ts";
import { TestAuthority } from "./test-authority.ts";

const PROXY_ADDRESS = "203.0.113.9";
const PROXY_PORT = 3128;

/**
 * A server with one Debian, one Python and one npm package, made here, over HTTP and HTTPS. Capsules reach it through a proxy
 * only, which is in the internet of the tests and also leads to what this machine reaches.
 * The packages are called {@link PackageHost.package} and print the kind of package that they are of.
 */
export class PackageHost implements AsyncDisposable {
  static readonly package = "wrenn-greeting";
  /** Name of the server, which only the proxy knows. */
  static readonly server = "packages.test";
  /** What a policy has to allow. */
  static readonly proxyAddress = PROXY_ADDRESS;
  static readonly proxyUrl = `http://${PROXY_ADDRESS}:${PROXY_PORT}`;
  /** Certificate of the authority of the HTTPS server, PEM. */
  readonly authority: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(authority: string, stack: AsyncDisposableStack) {
    this.authority = authority;
    this.#stack = stack;
  }

  /** @param namespace - of at most 15 characters, which no other test uses. */
  static async start(namespace: string): Promise<PackageHost> {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp("/tmp/wrenn-packages-");
    stack.defer(() => rm(directory, { recursive: true }));
    const served = join(directory, "served");
    await makeDebianPackage(directory, join(served, "debian"));
    await makePythonPackage(join(served, "simple"));
    await makeNpmPackage(directory, join(served, "npm"));
    const authority = await TestAuthority.make(directory);
    const plain = await listen(createServer(serveFiles(served)), stack);
    const pair = await authority.issue(PackageHost.server);
    const secure = await listen(createTlsServer(pair, serveFiles(served)), stack);
    const socket = join(directory, "proxy");
    const names = { [`${PackageHost.server}:80`]: plain, [`${PackageHost.server}:443`]: secure };
    stack.use(await ConnectProxy.start({ socket, names }));
    stack.use(await openInternet(namespace, [PROXY_ADDRESS]));
    // Networks end at a namespace, and sockets with a path do not.
    const forward = `require("net").createServer((c)=>{const s=require("net").connect(${JSON.stringify(socket)});c.on("error",()=>s.destroy());s.on("error",()=>c.destroy());c.pipe(s).pipe(c)}).listen(${PROXY_PORT},()=>process.stdout.write("up"))`;
    stack.use(await serveIn(namespace, forward));
    return new PackageHost(await readFile(authority.caFile, "utf8"), stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** @returns where it listens, `host:port`. */
async function listen(server: Server, stack: AsyncDisposableStack): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function serveFiles(directory: string): RequestListener {
  return (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? "/", "http://files").pathname));
    const isFolder = path.endsWith("/");
    readFile(join(directory, isFolder ? `${path}index.html` : path)).then(
      (content) => {
        response.setHeader("content-type", isFolder ? "text/html" : "application/octet-stream");
        response.end(content);
      },
      () => response.writeHead(404).end(),
    );
  };
}

/** A flat repository: `deb [trusted=yes] http://…/debian ./`. */
async function makeDebianPackage(scratch: string, repository: string): Promise<void> {
  const tree = join(scratch, "deb");
  const control = `Package: ${PackageHost.package}
Version: 1.0
Architecture: all
Maintainer: Wrenn <wrenn@example.com>
Description: Greets
`;
  await mkdir(join(tree, "DEBIAN"), { recursive: true });
  await mkdir(join(tree, "usr/bin"), { recursive: true });
  await writeFile(join(tree, "DEBIAN/control"), control);
  await writeFile(join(tree, "usr/bin", PackageHost.package), "#!/bin/sh\necho debian\n", { mode: 0o755 });
  await mkdir(repository, { recursive: true });
  const file = join(repository, "greeting.deb");
  await runCommand(["dpkg-deb", "--root-owner-group", "--build", tree, file]);
  const content = await readFile(file);
  const entry = `${control}Filename: ./greeting.deb\nSize: ${content.length}\nSHA256: ${sha256(content)}\n`;
  await writeFile(join(repository, "Packages"), entry);
  const release = `Date: ${new Date().toUTCString()}\nSHA256:\n ${sha256(entry)} ${entry.length} Packages\n`;
  await writeFile(join(repository, "Release"), release);
}

function sha256(content: string | Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** An index as PEP 503 describes it, with one wheel. */
async function makePythonPackage(index: string): Promise<void> {
  const folder = join(index, PackageHost.package);
  const wheel = "wrenn_greeting-1.0-py3-none-any.whl";
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "index.html"), `<!DOCTYPE html><a href="${wheel}">${wheel}</a>\n`);
  const info = "wrenn_greeting-1.0.dist-info";
  const files = {
    "wrenn_greeting.py": "def main():\n    print('python')\n",
    [`${info}/METADATA`]: "Metadata-Version: 2.1\nName: wrenn-greeting\nVersion: 1.0\n",
    [`${info}/WHEEL`]: "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    [`${info}/entry_points.txt`]: "[console_scripts]\nwrenn-greeting = wrenn_greeting:main\n",
    [`${info}/RECORD`]: "",
  };
  const script =
    "import json, sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as z:\n    for n, t in json.loads(sys.argv[2]).items(): z.writestr(n, t)";
  await runCommand(["python3", "-c", script, join(folder, wheel), JSON.stringify(files)]);
}

/** A registry with one package. */
async function makeNpmPackage(scratch: string, registry: string): Promise<void> {
  const tree = join(scratch, "npm");
  const name = PackageHost.package;
  const manifest = { name, version: "1.0.0", bin: { [name]: "greet.js" } };
  await mkdir(join(tree, "package"), { recursive: true });
  await writeFile(join(tree, "package/package.json"), JSON.stringify(manifest));
  await writeFile(join(tree, "package/greet.js"), "#!/usr/bin/env node\nconsole.log('npm')\n", {
    mode: 0o755,
  });
  await mkdir(registry, { recursive: true });
  const file = join(registry, "greeting.tgz");
  await runCommand(["tar", "--create", "--gzip", `--file=${file}`, `--directory=${tree}`, "package"]);
  const integrity = `sha512-${createHash("sha512")
    .update(await readFile(file))
    .digest("base64")}`;
  const dist = { tarball: `https://${PackageHost.server}/npm/greeting.tgz`, integrity };
  const versions = { "1.0.0": { ...manifest, dist } };
  await writeFile(join(registry, name), JSON.stringify({ name, "dist-tags": { latest: "1.0.0" }, versions }));
}
