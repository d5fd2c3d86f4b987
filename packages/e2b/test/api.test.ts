import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { WrennError } from "@wrenn/core";
import { portQueries } from "@wrenn/database";
import type { FakeHostAgent } from "@wrenn/protocol/testing";
import { runCommand } from "@wrenn/system";
import { Sandbox } from "e2b";
import { EnvdLab, SANDBOX_ID, TOKEN } from "./envd/support/envd-lab.ts";
import { E2bLab } from "./support/e2b-lab.ts";

const PYTHON_CLIENT = fileURLToPath(new URL("support/python-client.py", import.meta.url));

describe("the control API on the wire", () => {
  let lab: E2bLab;
  before(async () => void (lab = await E2bLab.start()));
  after(async () => await lab[Symbol.asyncDispose]());

  const create = async (fields?: object) => await lab.created(fields);

  test("refusals have the status as a number in their body", async () => {
    const { id } = await create();
    const cases: readonly (readonly [string, string, unknown, number])[] = [
      ["POST", "/v2/sandboxes", { templateID: "nothing" }, 404],
      ["POST", "/v2/sandboxes", { templateID: "minimal:nothing" }, 404],
      ["POST", "/v2/sandboxes", { templateID: "minimal", timeout: 0 }, 400],
      ["POST", "/sandboxes", { templateID: "minimal", timeout: 10_000_000 }, 400],
      ["POST", "/v2/sandboxes", { templateID: "minimal", autoPauseMemory: false }, 400],
      ["POST", "/v2/sandboxes", { templateID: "minimal", iam: { tokens: {} } }, 400],
      ["POST", "/v2/sandboxes", { templateID: "minimal", network: { rules: { "a.example": [] } } }, 400],
      ["POST", "/v2/sandboxes", { templateID: "minimal", network: { httpsPorts: [49_983] } }, 400],
      ["POST", "/v2/sandboxes", { templateID: "minimal", network: { httpsPorts: [0] } }, 400],
      ["GET", "/sandboxes/not-an-id", undefined, 404],
      ["GET", `/sandboxes/${"0".repeat(25)}`, undefined, 404],
      ["POST", `/sandboxes/${id}/resume`, {}, 409],
      ["POST", `/sandboxes/${id}/fork`, { count: 0 }, 400],
      ["GET", "/v2/sandboxes?template=minimal:v1", undefined, 400],
      ["GET", "/v2/sandboxes?state=lost", undefined, 400],
      ["GET", "/v2/sandboxes?nextToken=none", undefined, 400],
      ["DELETE", "/templates/other-team%2Fname%3Av1", undefined, 400],
      ["GET", "/volumes", undefined, 400],
      ["POST", "/secrets", {}, 400],
    ];
    for (const [method, path, body, expected] of cases) {
      const answer = await lab.call(method, path, body);
      assert.equal(answer.status, expected, `${method} ${path}: ${JSON.stringify(answer.body)}`);
      assert.equal(answer.body["code"], expected);
      assert.equal(typeof answer.body["message"], "string");
    }
    const { status, body } = await lab.call("GET", "/v2/sandboxes", undefined, { "x-api-key": "e2b_00" });
    assert.deepEqual([status, body["code"]], [401, 401]);
    await lab.call("DELETE", `/sandboxes/${id}`);
  });

  test("an unknown route names the client and is counted", async () => {
    const headers = { "x-api-key": lab.apiKey, "user-agent": "e2b-js-sdk/9.9.9" };
    const { status, body } = await lab.call("GET", "/sandboxes/x/dreams", undefined, headers);
    assert.equal(status, 404);
    assert.match(String(body["message"]), /e2b-js-sdk\/9\.9\.9/);
    assert.match(String(body["message"]), /e2b-coverage/);
    assert.deepEqual(lab.e2b.unknownRoutes(), [
      { method: "GET", path: "/sandboxes/x/dreams", client: "e2b-js-sdk/9.9.9", count: 1 },
    ]);
    const metrics = await (await fetch(`${lab.url}/metrics`)).text();
    assert.ok(
      metrics.includes(
        'wrenn_e2b_unknown_requests_total{method="GET",path="/sandboxes/x/dreams",client="e2b-js-sdk/9.9.9"} 1\n',
      ),
    );
    const own = await lab.call("GET", "/v1/nothing");
    assert.ok("error" in own.body, "the platform's own API answers as before");
  });

  test("paused sandboxes conflict, and are killed with their state", async () => {
    const { id } = await create({ autoPause: true, autoResume: { enabled: true } });
    assert.equal((await lab.call("POST", `/sandboxes/${id}/pause`, {})).status, 204);
    assert.equal((await lab.call("POST", `/sandboxes/${id}/pause`)).status, 409);
    assert.equal((await lab.call("POST", `/sandboxes/${id}/fork`, {})).status, 409);
    assert.equal((await lab.call("POST", `/sandboxes/${id}/refreshes`, {})).status, 404);
    const { body } = await lab.call("GET", `/sandboxes/${id}`);
    assert.deepEqual(body["lifecycle"], { onTimeout: "pause", autoResume: true });
    assert.equal((await lab.call("POST", `/sandboxes/${id}/connect`, { timeout: 60 })).status, 201);
    assert.equal((await lab.call("POST", `/v2/sandboxes/${id}/connect`, {})).status, 200);
    assert.equal((await lab.call("DELETE", `/sandboxes/${id}`)).status, 204);
    assert.equal((await lab.call("DELETE", `/sandboxes/${id}`)).status, 404);
  });

  test("forks have ids, tokens and ends of their own", async () => {
    const { id } = await create({ metadata: { of: "fork" } });
    const { status, body } = await lab.call("POST", `/sandboxes/${id}/fork`, { count: 2, timeout: 40 });
    assert.equal(status, 201);
    const forks = (body as unknown as { sandbox: Record<string, string> }[]).map(({ sandbox }) => sandbox);
    assert.equal(new Set([id, ...forks.map(({ sandboxID }) => sandboxID)]).size, 3);
    assert.equal(new Set(forks.map(({ envdAccessToken }) => envdAccessToken)).size, 2);
    for (const { sandboxID = "" } of forks) {
      const info = await Sandbox.getInfo(sandboxID, lab.options);
      assert.ok(Math.abs(info.endAt.getTime() - Date.now() - 40_000) < 3000);
    }
  });

  test("a fork that cannot be started leaves the others", async () => {
    const { id } = await create({ metadata: { of: "some" } });
    lab.host.childProblem = "no room for its machine";
    const { status, body } = await lab.call("POST", `/sandboxes/${id}/fork`, { count: 3, timeout: 40 });
    lab.host.childProblem = undefined;
    assert.equal(status, 201, JSON.stringify(body));
    const [first, failed, last] = body as unknown as {
      readonly sandbox?: { readonly sandboxID: string };
      readonly error?: { readonly code: number; readonly message: string };
    }[];
    assert.equal(failed?.sandbox, undefined);
    assert.equal(failed?.error?.code, 502);
    assert.match(failed.error.message, /no room for its machine/);
    const { id: other } = await create();
    using _earlier = withoutForkEach(lab.host);
    const all = await lab.call("POST", `/sandboxes/${other}/fork`, { count: 2 });
    assert.equal(all.status, 201, "a host of an earlier version starts them all");
    assert.ok((all.body as unknown as object[]).every((entry) => "sandbox" in entry));
    const listed = (await lab.call("GET", "/v2/sandboxes?metadata=of%3Dsome")).body as unknown as {
      readonly sandboxID: string;
    }[];
    assert.deepEqual(
      new Set(listed.map(({ sandboxID }) => sandboxID)),
      new Set([id, first?.sandbox?.sandboxID, last?.sandbox?.sandboxID]),
    );
    for (const { sandboxID } of listed) await lab.call("DELETE", `/sandboxes/${sandboxID}`);
  });

  test("network rules are replaced as a whole", async () => {
    const { id } = await create({ network: { denyOut: ["0.0.0.0/0"], allowOut: ["example.org"] } });
    const shown = async () => (await lab.call("GET", `/sandboxes/${id}`)).body;
    assert.equal((await shown())["allowInternetAccess"], false);
    assert.equal((await lab.call("PUT", `/sandboxes/${id}/network`, {})).status, 204);
    const { network, allowInternetAccess } = await shown();
    assert.equal(allowInternetAccess, true);
    assert.deepEqual(network, { allowOut: [], denyOut: [], allowPublicTraffic: true });
    const refused = await lab.call("PUT", `/sandboxes/${id}/network`, { denyOut: ["example.org"] });
    assert.equal(refused.status, 400);
  });

  test("ports whose services speak TLS stay with the sandbox, and forks have them too", async () => {
    const httpsPorts = [8443, 443];
    const { id } = await create({ network: { httpsPorts: [...httpsPorts, 443] } });
    const check = async (sandbox: string): Promise<void> => {
      const { network } = await Sandbox.getInfo(sandbox, lab.options);
      assert.deepEqual(network?.httpsPorts, httpsPorts);
      assert.deepEqual((await lab.controlPlane.ports.find(`cl-${sandbox}`))?.tlsPorts, httpsPorts);
    };
    await check(id);
    const { body } = await lab.call("POST", `/sandboxes/${id}/fork`, {});
    const [fork] = body as unknown as { readonly sandbox: { readonly sandboxID: string } }[];
    await check(fork?.sandbox.sandboxID ?? "");
    await lab.call("POST", `/sandboxes/${id}/pause`, {});
    await lab.call("POST", `/v2/sandboxes/${id}/connect`, {});
    await check(id);
    await lab.restart();
    await check(id);
  });

  test("ports are public, take the traffic token, or are forbidden", async () => {
    const reach = async (id: string, headers: Readonly<Record<string, string>> = {}) => {
      const named = { "e2b-sandbox-id": id, "e2b-sandbox-port": String(lab.servicePort) };
      return (await fetch(lab.url, { headers: { ...named, ...headers } })).status;
    };
    const open = await create({ network: { maskRequestHost: "localhost:${PORT}" } });
    assert.equal(open["trafficAccessToken"], null);
    assert.equal(await reach(open.id), 200);
    assert.deepEqual(lab.served.at(-1), { host: `localhost:${lab.servicePort}`, url: "/" });
    const closed = await create({ network: { allowPublicTraffic: false } });
    const token = String(closed["trafficAccessToken"]);
    assert.match(token, /^[0-9a-f]{64}$/);
    assert.notEqual(token, closed["envdAccessToken"]);
    assert.equal(await reach(closed.id), 403);
    assert.equal(await reach(closed.id, { "e2b-traffic-access-token": token }), 200);
    assert.equal(await reach(open.id, { "e2b-sandbox-port": "none" }), 400);
    assert.equal(await reach("0".repeat(25)), 502);

    const team = await lab.database.db
      .selectFrom("teams")
      .select("id")
      .where("slug", "<>", "platform")
      .executeTakeFirstOrThrow();
    await portQueries.setAllowsPublicPorts(lab.database.db, team.id, false);
    lab.controlPlane.ports.accessChanged(`cl-${open.id}`);
    const forbidden = await create();
    assert.match(String(forbidden["trafficAccessToken"]), /^[0-9a-f]{64}$/);
    assert.equal(await reach(open.id), 403, "ports that were public are private while it is forbidden");
    const asked = await lab.call("POST", "/v2/sandboxes", {
      templateID: "minimal",
      network: { allowPublicTraffic: true },
    });
    assert.equal(asked.status, 403);
    await portQueries.setAllowsPublicPorts(lab.database.db, team.id, true);
  });

  test("people make, rename and delete keys that clients take, and see masks of them", async () => {
    const [owner, member] = [await lab.person("olga", "owner"), await lab.person("mia", "member")];
    const made = await lab.call("POST", "/api-keys", { name: "ci" }, owner);
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const key = String(made.body["key"]);
    assert.match(key, /^e2b_[0-9a-f]{40}$/);
    const at = `/api-keys/${String(made.body["id"])}`;
    const listed = async (headers: Readonly<Record<string, string>>) =>
      (await lab.call("GET", "/api-keys", undefined, headers)).body as unknown as Record<string, unknown>[];
    const renamed = await lab.call("PATCH", at, { name: "deploy" }, owner);
    assert.deepEqual([renamed.status, renamed.body], [200, {}]);
    assert.deepEqual(
      (await listed(owner)).map(({ name }) => name),
      ["deploy", "clients", "First key"],
    );
    const [shown] = await listed(owner);
    assert.ok(!JSON.stringify(await listed(owner)).includes(key));
    const mask = {
      prefix: "e2b_",
      valueLength: 40,
      maskedValuePrefix: key.slice(4, 10),
      maskedValueSuffix: "",
    };
    assert.deepEqual([shown?.["mask"], made.body["mask"]], [mask, mask]);
    assert.match(JSON.stringify(shown?.["createdBy"]), /"email":"olga@example.org"/);
    assert.equal(shown?.["lastUsed"], null);

    assert.deepEqual(await listed(member), [], "members see their own");
    const status = async (method: string, path: string, headers: Readonly<Record<string, string>>) =>
      (await lab.call(method, path, method === "DELETE" ? undefined : { name: "other" }, headers)).status;
    assert.deepEqual(
      [await status("PATCH", at, member), await status("DELETE", at, member)],
      [404, 404],
      "and change no others",
    );
    const byKey = { "x-api-key": key };
    assert.equal((await lab.call("GET", "/v2/sandboxes", undefined, byKey)).status, 200);
    assert.deepEqual(
      [await status("POST", "/api-keys", byKey), await status("DELETE", at, byKey)],
      [401, 401],
    );
    assert.deepEqual(
      [
        await status("DELETE", at, owner),
        await status("DELETE", at, owner),
        await status("PATCH", "/api-keys/x", owner),
      ],
      [204, 404, 404],
    );
    assert.equal((await lab.call("GET", "/v2/sandboxes", undefined, byKey)).status, 401);
    const log = lab.database.db
      .selectFrom("audit_log")
      .select(["action"])
      .where("resource_type", "=", "api_key");
    assert.deepEqual(
      (await log.orderBy("seq").execute()).map(({ action }) => action),
      ["create", "rename", "revoke"],
    );
  });

  test("lists count the running sandboxes that they match, on all pages", async () => {
    const metadata = { of: "count" };
    const [first, second, paused] = [
      await create({ metadata }),
      await create({ metadata }),
      await create({ metadata }),
    ];
    await lab.call("POST", `/sandboxes/${paused.id}/pause`, {});
    const list = async (path: string) => {
      const { headers, body } = await lab.call("GET", path);
      return { running: headers.get("x-total-running"), listed: (body as unknown as unknown[]).length };
    };
    const filter = "metadata=of%3Dcount";
    assert.deepEqual(await list(`/sandboxes?${filter}`), { running: "2", listed: 2 });
    assert.deepEqual(await list(`/v2/sandboxes?${filter}&limit=1`), { running: "2", listed: 1 });
    assert.deepEqual(await list(`/v2/sandboxes?${filter}`), { running: "2", listed: 3 });
    assert.deepEqual(await list(`/v2/sandboxes?${filter}&state=paused`), { running: "0", listed: 1 });
    const { body } = await lab.call("GET", `/sandboxes/${second.id}`);
    const since = `startedAfter=${String(body["startedAt"])}`;
    assert.deepEqual(await list(`/v2/sandboxes?${filter}&${since}`), { running: "1", listed: 2 });
    for (const { id } of [first, second, paused]) await lab.call("DELETE", `/sandboxes/${id}`);
  });

  test("what E2B's Python client sends over HTTP/1.1 is answered as it expects", async () => {
    await using agent = await EnvdLab.start();
    const unknownBefore = lab.e2b.unknownRoutes();
    const input = JSON.stringify({
      api: lab.url,
      apiKey: lab.apiKey,
      agent: agent.url,
      sandboxId: SANDBOX_ID,
      token: TOKEN,
      directory: agent.directory,
    });
    const { stdout } = await runCommand(["python3", "-I", PYTHON_CLIENT], { input });
    assert.deepEqual(stdout.trimEnd().split("\n"), [
      "create",
      "list and info",
      "timeout, connect and metrics",
      "pause and resume",
      "kill and refusals",
      "run",
      "deadline and refusals",
      "input and kill",
      "terminal",
      "write and read",
      "entries",
      "polled watcher",
      "token and health",
      "parallel commands",
    ]);
    assert.deepEqual(lab.e2b.unknownRoutes(), unknownBefore);
  });
});

/** Makes a host one of an earlier version, until the end of a block. */
function withoutForkEach(host: FakeHostAgent): Disposable {
  const forkEach = host.forkEach.bind(host);
  host.forkEach = async () =>
    await Promise.reject(new WrennError("route_not_found", { method: "call", path: "forkEach" }));
  return { [Symbol.dispose]: () => void (host.forkEach = forkEach) };
}
