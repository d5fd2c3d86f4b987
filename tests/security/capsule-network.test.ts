import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runCommand, tryCommand } from "@wrenn/system";
import { HELLO_SERVER, INTERNET_ROUTER, openInternet, serveIn } from "../support/network-lab.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/*
 * From inside of real guests. Every denial stands beside the same probe succeeding where it may: a server in a namespace with
 * a public-looking address, and the denied address as the host itself reaches it.
 */

const internet = `wrcn-${process.pid}`;
const PUBLIC = "203.0.113.9";
const PRIVATE = "172.20.0.9";

let server: TestServer;
let id: string;
let other: { readonly id: string; readonly address: string };
const hostServer = createServer((socket) => socket.on("error", () => {}).end("hello\n"));
const stack = new AsyncDisposableStack();

before(async () => {
  stack.use(await openInternet(internet, [PUBLIC]));
  await runCommand(["ip", "-n", internet, "addr", "add", `${PRIVATE}/24`, "dev", "eth0"]);
  await runCommand(["ip", "route", "add", `${PRIVATE}/32`, "via", INTERNET_ROUTER]);
  stack.use(await serveIn(internet, HELLO_SERVER));
  await new Promise<void>((resolve) => hostServer.listen(0, "0.0.0.0", resolve));
  server = await startTestServer();
  stack.defer(() => server.close());
  id = await server.capsule(undefined);
  const second = await server.capsule(undefined);
  await server.exec(second, "python3", ["-m", "http.server", "8080"], { background: true });
  const { body } = await server.call<{ host_ip: string }>("GET", `/v1/capsules/${second}`);
  other = { id: second, address: body.host_ip };
});
after(async () => {
  hostServer.close();
  await stack.disposeAsync();
});

/** Which of these somebody answers on a connection from inside the guest; all are tried at once. */
async function reached(targets: readonly string[], from = id): Promise<readonly string[]> {
  const script = `import socket,threading
targets = ${JSON.stringify(targets)}
answered = set()
def probe(target):
    host, port = target.split(':')
    try:
        s = socket.create_connection((host, int(port)), 1.5)
        s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
        if s.recv(1): answered.add(target)
    except OSError: pass
threads = [threading.Thread(target=probe, args=(target,)) for target in targets]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*[target for target in targets if target in answered], 'tried')`;
  const { body } = await server.exec(from, "python3", ["-c", script]);
  const answers = body.stdout.trim().split(" ");
  assert.equal(answers.pop(), "tried", body.stderr);
  return answers;
}

const reaches = async (host: string, port: number, from = id): Promise<boolean> =>
  (await reached([`${host}:${port}`], from)).length === 1;

test("by default a capsule reaches public addresses", async () => {
  assert.equal(await reaches(PUBLIC, 8080), true);
});

test("no capsule reaches another, whose service the host reaches", async () => {
  const seen = await tryCommand([
    "curl",
    "-s",
    "-o",
    "/dev/null",
    "-w",
    "%{http_code}",
    "--retry",
    "5",
    "--retry-all-errors",
    `http://${other.address}:8080/`,
  ]);
  assert.equal(seen.stdout, "200", "the service answers the host");
  assert.equal(await reaches(other.address, 8080), false);
});

test("no capsule reaches the host, at none of its addresses", async () => {
  const { port } = hostServer.address() as AddressInfo;
  const addresses = Object.values(networkInterfaces())
    .flat()
    .filter((one) => one?.family === "IPv4" && !one.internal)
    .map((one) => one?.address ?? "");
  addresses.push("203.0.113.1", "169.254.0.22");
  const own = addresses.map((address) => `${address}:${port}`);
  const api = `203.0.113.1:${new URL(server.url).port}`;
  assert.deepEqual(await reached([`${PUBLIC}:8080`, ...own, api]), [`${PUBLIC}:8080`]);
});

test("no capsule reaches a service that the host publishes by destination NAT", async () => {
  const table = internet.replace("-", "_");
  const rule = `ip daddr 203.0.113.1 tcp dport 18999 dnat to ${PUBLIC}:8080`;
  await runCommand(["nft", "-f", "-"], {
    input: `table ip ${table} {
  chain published { type nat hook prerouting priority dstnat; policy accept; ${rule}; }
  chain published_locally { type nat hook output priority -100; policy accept; ${rule}; }
}
`,
  });
  try {
    const control = connect(18_999, "203.0.113.1");
    const [greeting] = (await once(control, "data")) as [Buffer];
    control.destroy();
    assert.equal(greeting.toString(), "hello", "the host reaches it");
    assert.equal(await reaches("203.0.113.1", 18_999), false);
    assert.equal(await reaches(PUBLIC, 8080), true);
  } finally {
    await runCommand(["nft", "delete", "table", "ip", table]);
  }
});

test("a capsule that is destroyed leaves no connections in the host's table", async () => {
  const gone = await server.capsule(undefined);
  const { body } = await server.call<{ host_ip: string }>("GET", `/v1/capsules/${gone}`);
  const open = `import socket,time
held=[socket.create_connection((${JSON.stringify(PUBLIC)},8080)) for _ in range(40)]
print(len(held)); time.sleep(0.1)`;
  assert.equal((await server.exec(gone, "python3", ["-c", open])).body.stdout.trim(), "40");
  const remembered = async (): Promise<number> => {
    const { stdout } = await tryCommand(["conntrack", "--dump", "--orig-src", body.host_ip]);
    return stdout.split("\n").filter(Boolean).length;
  };
  assert.ok((await remembered()) >= 40);
  assert.equal((await server.call("DELETE", `/v1/capsules/${gone}`)).status, 204);
  await eventually("none is left", async () => (await remembered()) === 0, { timeoutMs: 10_000 });
});

test("private networks and the metadata address are out of reach, whatever the policy says", async () => {
  const control = connect(8080, PRIVATE);
  const [greeting] = (await once(control, "data")) as [Buffer];
  assert.equal(greeting.toString(), "hello", "the host reaches it");
  control.destroy();
  assert.equal(await reaches(PRIVATE, 8080), false);
  const open = await server.call("PUT", `/v1/capsules/${id}/network`, {
    egress: "allow",
    allow: ["172.16.0.0/12", "169.254.0.0/16"],
  });
  assert.equal(open.status, 200);
  assert.deepEqual(await reached([`${PRIVATE}:8080`, "169.254.169.254:80", `${PUBLIC}:8080`]), [
    `${PUBLIC}:8080`,
  ]);
});

test("a policy is changed on a running capsule at once, and holds after pause, resume and fork", async (t) => {
  const set = (rules: object) => server.call<object>("PUT", `/v1/capsules/${id}/network`, rules);
  assert.equal((await set({ egress: "deny" })).status, 200);
  assert.equal(await reaches(PUBLIC, 8080), false);
  const told = await server.call<{ subject: string; verdict: string }[]>(
    "GET",
    `/v1/capsules/${id}/network/decisions`,
  );
  assert.ok(
    told.body.some(({ subject, verdict }) => subject.includes(PUBLIC) && verdict === "denied"),
    JSON.stringify(told.body),
  );
  await set({ egress: "deny", allow: ["203.0.113.0/24"] });
  assert.equal(await reaches(PUBLIC, 8080), true);
  await set({ egress: "deny", allow: ["203.0.113.0/24"], deny: [`${PUBLIC}/32`] });
  assert.equal(await reaches(PUBLIC, 8080), false);
  for (const verb of ["pause", "resume"])
    assert.equal((await server.call("POST", `/v1/capsules/${id}/${verb}`)).status, 200);
  assert.equal(await reaches(PUBLIC, 8080), false);
  const forked = await server.call<{ id: string }[]>("POST", `/v1/capsules/${id}/fork`, {});
  const child = forked.body[0]?.id ?? "";
  t.after(() => server.call("DELETE", `/v1/capsules/${child}`));
  assert.equal(await reaches(PUBLIC, 8080, child), false);
  const shown = await server.call("GET", `/v1/capsules/${id}/network`);
  assert.deepEqual(shown.body, { egress: "deny", allow: ["203.0.113.0/24"], deny: [`${PUBLIC}/32`] });
});

test("a capsule that is created without egress has none from its first moment", async (t) => {
  const closed = await server.capsule(t, { network: { egress: "deny" } });
  assert.equal(await reaches(PUBLIC, 8080, closed), false);
  await server.call("PUT", `/v1/capsules/${closed}/network`, { egress: "allow" });
  assert.equal(await reaches(PUBLIC, 8080, closed), true);
});

test("what is no IPv4 network is refused and changes nothing", async () => {
  for (const entry of ["exa mple.org", "300.1.1.1", "10.0.0.0/33", "::1/128", "*.*.org"]) {
    const { status, body } = await server.call<{ error: { reason: string } }>(
      "PUT",
      `/v1/capsules/${id}/network`,
      { allow: [entry] },
    );
    assert.deepEqual([entry, status, body.error.reason], [entry, 400, "invalid_field"]);
  }
});
