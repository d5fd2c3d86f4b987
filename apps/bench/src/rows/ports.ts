import { Agent, request } from "node:http";
import { samplePairs } from "../row.ts";
import type { Row } from "../row.ts";

const PORT = 8000;
const REQUESTS = 20;

/** One small GET over a kept connection. */
async function get(agent: Agent, url: URL, headers: Readonly<Record<string, string>>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const sent = request(url, { agent, headers }, (response) => {
    response.resume().once("end", resolve);
    if (response.statusCode !== 200) reject(new Error(`${url.href} answered ${response.statusCode}`));
  });
  sent.once("error", reject).end();
  await promise;
}

/** A request to a service in a capsule through the edge, and the same request to the capsule's own address next to it. */
export const portProxy: Row = {
  name: "small GET: port proxy to direct",
  unit: "ratio",
  asked: { p50: 2, better: "lower" },
  prepare: async ({ api, server }) => {
    const { id, host_ip: address } = await api<{ id: string; host_ip: string }>("POST", "/v1/capsules", {});
    const program =
      "import http.server\nclass H(http.server.BaseHTTPRequestHandler):\n protocol_version='HTTP/1.1'\n" +
      " def do_GET(self):\n  self.send_response(200); self.send_header('content-length','2'); self.end_headers(); self.wfile.write(b'ok')\n" +
      " def log_message(self, *a): pass\n" +
      `http.server.ThreadingHTTPServer(('0.0.0.0', ${PORT}), H).serve_forever()\n`;
    await api("POST", `/v1/capsules/${id}/exec`, { cmd: "python3", args: ["-c", program], background: true });
    await api("POST", `/v1/capsules/${id}/exec`, {
      cmd: "sh",
      args: ["-c", `until curl -s localhost:${PORT} >/dev/null; do sleep 0.1; done`],
    });
    const agent = new Agent({ keepAlive: true });
    const direct = new URL(`http://${address}:${PORT}/`);
    const proxied = new URL(server.url);
    const access = { access: "private" };
    const { url } = await api<{ url: string }>("PUT", `/v1/capsules/${id}/ports/${PORT}`, access);
    // Not every resolver knows the names below localhost.
    const headers = { "x-api-key": server.apiKey, host: new URL(url).host };
    const sample = samplePairs(
      REQUESTS,
      () => get(agent, proxied, headers),
      () => get(agent, direct, {}),
    );
    return {
      sample,
      dispose: async () => {
        agent.destroy();
        await api("DELETE", `/v1/capsules/${id}`);
      },
    };
  },
};
