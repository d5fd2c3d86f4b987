import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { ControlPlaneClient, ControlPlaneRefusal, requireSecureUrl } from "@wrenn/host-link";

test("a control plane is reached over https, or on this machine", () => {
  for (const url of [
    "https://wrenn.example.org",
    "https://192.0.2.1:8443",
    "http://localhost:8080",
    "http://127.0.0.1:8080",
    "http://[::1]:8080",
  ])
    requireSecureUrl(url);
  for (const url of [
    "http://wrenn.example.org",
    "http://192.0.2.1:8080",
    "http://10.0.0.1",
    "http://localhost.example.org",
    "http://127.0.0.1.example.org",
    "http://127.0.0.1@example.org",
    "ftp://localhost",
    "wrenn.example.org",
    "",
  ])
    assert.throws(() => requireSecureUrl(url), { reason: "control_plane_insecure" }, url);
});

test("a server that is no control plane is refused with a short reason, and its answer has a limit", async () => {
  let body = "";
  let status = 404;
  const server = createServer((_request, response) => {
    response.writeHead(status);
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = new ControlPlaneClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const beat = async (): Promise<unknown> =>
    await client.heartbeat("host-1", "token", AbortSignal.timeout(10_000)).catch((error: unknown) => error);
  try {
    body = "<h1>404 Not Found</h1>";
    const page = await beat();
    assert.ok(page instanceof ControlPlaneRefusal);
    assert.deepEqual([page.status, page.reason], [404, undefined]);
    body = JSON.stringify({ error: { message: `\u001b[2J\n${"x".repeat(9000)}`, reason: "host_not_found" } });
    const known = await beat();
    assert.ok(known instanceof ControlPlaneRefusal);
    assert.equal(known.reason, "host_not_found");
    assert.ok(known.message.length <= 2000);
    assert.doesNotMatch(known.message, /\p{Cc}/u);
    status = 200;
    body = "x".repeat(1 << 20);
    assert.match(String(await beat()), /too long/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
