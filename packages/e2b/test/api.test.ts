import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { portQueries } from "@wrenn/database";
import { runCommand } from "@wrenn/system";
import { Sandbox } from "e2b";
import { EnvdLab, SANDBOX_ID, TOKEN } from "./envd/support/envd-lab.ts";
import { E2bLab } from "./support/e2b-lab.ts";

const PYTHON_CLIENT = fileURLToPath(new URL("support/python-client.py", import.meta.url));

describe("the control API on the wire", () => {
  let lab: E2bLab;
  before(async () => void (lab = await E2bLab.start()));
  after(async () => await lab[Symbol.asyncDispose]());

  const create = async (fields: object = {}) => {
    const { status, body } = await lab.call("POST", "/v2/sandboxes", { templateID: "minimal", ...fields });
    assert.equal(status, 201, JSON.stringify(body));
    return { ...body, id: String(body["sandboxID"]) } as Record<string, unknown> & { readonly id: string };
  };

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

  test("metrics and logs are read in the forms of all clients", async () => {
    const { id } = await create();
    assert.ok(Array.isArray((await lab.call("GET", `/sandboxes/${id}/metrics`)).body));
    const many = await lab.call("GET", `/sandboxes/metrics?sandbox_ids=${id},unknown`);
    assert.equal(many.status, 200);
    const { body } = await lab.call("GET", `/sandboxes/${id}/logs`);
    const [first] = body["logs"] as { readonly line: string }[];
    const line = JSON.parse(first?.line ?? "{}") as Record<string, unknown>;
    assert.deepEqual(
      ["level", "logger", "message"].map((name) => typeof line[name]),
      ["string", "string", "string"],
    );
    const later = await lab.call("GET", `/v2/sandboxes/${id}/logs?direction=backward&limit=1`);
    assert.equal((later.body["logs"] as unknown[]).length, 1);
    // E2B's command line follows logs until they end.
    await lab.call("DELETE", `/sandboxes/${id}`);
    const ended = await lab.call("GET", `/sandboxes/${id}/logs`);
    assert.deepEqual([ended.status, ended.body], [200, { logs: [], logEntries: [] }]);
  });

  test("ports are public, take the traffic token, or are forbidden", async () => {
    const reach = async (id: string, headers: Readonly<Record<string, string>> = {}) => {
      const named = { "e2b-sandbox-id": id, "e2b-sandbox-port": "8000" };
      return (await fetch(lab.url, { headers: { ...named, ...headers } })).status;
    };
    const open = await create({ network: { maskRequestHost: "localhost:${PORT}" } });
    assert.equal(open["trafficAccessToken"], null);
    assert.equal(await reach(open.id), 200);
    assert.deepEqual(lab.served.at(-1), { capsuleId: `cl-${open.id}`, port: 8000, host: "localhost:8000" });
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
