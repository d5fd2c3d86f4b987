import assert from "node:assert/strict";
import { openAsBlob } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { runCommand, tryCommand } from "@wrenn/system";
import { putFile } from "../support/guest-services.ts";
import { packNode } from "../support/node-archive.ts";
import { PackageHost } from "../support/package-host.ts";
import { cacheDirectory } from "../support/real-machines.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Large software in the built-in template: rows of docs/reference/guest.md. */

const long = process.env["WRENN_TEST_LONG"] === "1";
const skip = long ? false : "only with --long: takes minutes in an emulated capsule";
/** Seconds for a program that an emulated processor of a busy machine runs. */
const PATIENCE = 600;
const ENTRY = "http://deb.debian.org/debian/dists/bookworm/InRelease";

let server: TestServer;
let packages: PackageHost;
const stack = new AsyncDisposableStack();
before(async () => {
  if (!long) return;
  packages = stack.use(await PackageHost.start(`wrgi-${process.pid}`));
  server = await startTestServer();
  stack.defer(() => server.close());
});
after(() => stack.disposeAsync());

/** A capsule that reaches the proxy only, with its variables for all users. */
async function capsuleWithProxy(t: TestContext): Promise<string> {
  const { proxyAddress, proxyUrl } = PackageHost;
  const network = { egress: "deny", allow: [proxyAddress] };
  const id = await server.capsule(t, { memory_mb: 1024, network });
  await run(id, "root", `printf '%s\\n' http_proxy=${proxyUrl} https_proxy=${proxyUrl} > /etc/environment`);
  return id;
}

/** Runs a shell line that must succeed. */
async function run(id: string, user: "root" | "user", line: string): Promise<string> {
  const ran = await server.shell(id, line, { user, timeout_sec: PATIENCE });
  assert.equal(ran.exit_code, 0, `${line}\n${ran.stdout}${ran.stderr}`);
  return ran.stdout;
}

/** Unpacks a tar archive that `pack` writes into a new directory of the user's home. */
async function unpack(
  id: string,
  directory: string,
  pack: (archive: string) => Promise<unknown>,
): Promise<void> {
  const scratch = await mkdtemp("/tmp/wrenn-installs-");
  try {
    const archive = join(scratch, "archive.tar");
    await pack(archive);
    await putFile(server, id, "/srv/archive.tar", await openAsBlob(archive));
  } finally {
    await rm(scratch, { recursive: true });
  }
  await run(
    id,
    "root",
    `mkdir ${directory} && tar -xf /srv/archive.tar -C ${directory} && rm /srv/archive.tar`,
  );
}

test("another locale is generated and used", { skip, timeout: 20 * 60_000 }, async (t) => {
  if (
    (await tryCommand(["curl", "--silent", "--fail", "--max-time", "20", "--output", "/dev/null", ENTRY]))
      .code !== 0
  ) {
    t.skip("Debian's mirror cannot be reached");
    return;
  }
  const id = await capsuleWithProxy(t);
  await run(id, "root", "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes locales");
  await run(
    id,
    "root",
    "sed -i 's/^# *de_DE.UTF-8/de_DE.UTF-8/' /etc/locale.gen && locale-gen && update-locale LANG=de_DE.UTF-8",
  );
  const print = "date --date=@0 +%A";
  assert.equal(await run(id, "user", print), "Donnerstag\n");
  assert.equal(await run(id, "root", `su - user -c '${print}'`), "Donnerstag\n");
});

test(
  "pip refuses outside of an environment, and installs into one through the one proxy that the policy allows",
  { skip, timeout: 20 * 60_000 },
  async (t) => {
    const id = await capsuleWithProxy(t);
    const { package: name, server: host } = PackageHost;
    await putFile(server, id, "/srv/authority.pem", packages.authority);
    const refused = await server.shell(id, `pip install ${name}`, { user: "user", timeout_sec: PATIENCE });
    assert.notEqual(refused.exit_code, 0);
    assert.match(refused.stderr, /externally-managed-environment[\s\S]*python3 -m venv/);
    const printed = await run(
      id,
      "user",
      `set -e
     python3 -m venv env
     env/bin/pip install --index-url https://${host}/simple --cert /srv/authority.pem ${name} >&2
     env/bin/${name}`,
    );
    assert.equal(printed, "python\n");
  },
);

test(
  "npm installs through the one proxy that the policy allows",
  { skip, timeout: 20 * 60_000 },
  async (t) => {
    const id = await capsuleWithProxy(t);
    await unpack(id, "/srv/node", packNode);
    await putFile(server, id, "/srv/authority.pem", packages.authority);
    const { package: name, server: host } = PackageHost;
    const printed = await run(
      id,
      "user",
      `set -e
     export PATH=/srv/node/bin:$PATH LD_LIBRARY_PATH=/srv/node/bin NODE_EXTRA_CA_CERTS=/srv/authority.pem
     mkdir project; cd project; echo '{}' > package.json
     node /srv/node/npm/bin/npm-cli.js install --registry=https://${host}/npm/ --no-audit --no-fund ${name} >&2
     node_modules/.bin/${name}`,
    );
    assert.equal(printed, "npm\n");
  },
);

test(
  "PostgreSQL is made, queried, paused in the middle and resumed",
  { skip, timeout: 20 * 60_000 },
  async (t) => {
    const id = await server.capsule(t, { memory_mb: 512 });
    const [version = ""] = await readdir(join(cacheDirectory, "postgresql"));
    const folder = join(cacheDirectory, "postgresql", version);
    await unpack(id, "/srv/postgresql", (archive) =>
      runCommand([
        "tar",
        "--create",
        `--file=${archive}`,
        "--owner=0",
        "--group=0",
        `--directory=${folder}`,
        ".",
      ]),
    );
    const bin = "/srv/postgresql/bin";
    await run(id, "user", `${bin}/initdb --pgdata=data --auth=trust --username=user >&2`);
    await run(
      id,
      "user",
      `${bin}/pg_ctl --pgdata=data --log=log --wait --timeout=${PATIENCE} --options='-k /tmp' start >/dev/null`,
    );
    // The package of the project has no psql: the protocol's few messages, spoken on a connection that is kept.
    await putFile(server, id, "/srv/query.py", QUERY);
    await run(
      id,
      "user",
      "python3 /srv/query.py 'create table kept(n int); insert into kept select generate_series(1, 1000)'",
    );
    const slow = server.exec(
      id,
      "python3",
      ["/srv/query.py", "select sum(n), pg_sleep(15)::text from kept"],
      {
        user: "user",
        timeout_sec: PATIENCE,
      },
    );
    await run(id, "user", "until pgrep -f '^postgres: user .* SELECT' >/dev/null; do sleep 0.1; done");
    assert.equal((await server.call("POST", `/v1/capsules/${id}/pause`)).status, 200);
    assert.equal((await server.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
    assert.equal((await slow).body.stdout, "500500|\n", "a query goes on across a pause");
    assert.equal(await run(id, "user", "python3 /srv/query.py 'select count(*) from kept'"), "1000\n");
    await run(id, "user", `${bin}/pg_ctl --pgdata=data --wait --mode=fast stop >/dev/null`);
  },
);

/** Prints the rows of a query, fields separated by bars; PostgreSQL's protocol 3.0, without authentication. */
const QUERY = `import socket, struct, sys
s = socket.create_connection(("127.0.0.1", 5432))
body = struct.pack("!I", 196608) + b"user\\0user\\0database\\0postgres\\0\\0"
s.sendall(struct.pack("!I", len(body) + 4) + body)
stream = s.makefile("rb")
def messages():
    while True:
        kind = stream.read(1)
        body = stream.read(struct.unpack("!I", stream.read(4))[0] - 4)
        if kind == b"E": sys.exit(body.replace(b"\\0", b" ").decode())
        if kind == b"Z": return
        yield kind, body
for _ in messages(): pass
query = sys.argv[1].encode() + b"\\0"
s.sendall(b"Q" + struct.pack("!I", len(query) + 4) + query)
for kind, body in messages():
    if kind != b"D": continue
    fields, at = [], 2
    for _ in range(struct.unpack("!H", body[:2])[0]):
        length = struct.unpack("!i", body[at:at + 4])[0]
        fields.append(body[at + 4:at + 4 + max(length, 0)].decode())
        at += 4 + max(length, 0)
    print("|".join(fields))
`;
