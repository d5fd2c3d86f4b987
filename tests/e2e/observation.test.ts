import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());
/** A microVM under emulation on a busy machine is slow. */
const patience = { timeoutMs: 60_000, intervalMs: 250 };

interface LogEntry {
  readonly id: string;
  readonly source: string;
  readonly message: string;
  readonly event?: string;
  readonly resource?: string;
  readonly raw?: string;
}

interface Log {
  readonly entries: readonly LogEntry[];
  readonly next: string;
}

interface ListeningPort {
  readonly protocol: string;
  readonly port: number;
  readonly address: string;
  readonly process?: string;
  readonly pid?: number;
  readonly reachable: boolean;
}

async function log(id: string, query = ""): Promise<Log> {
  const { status, body } = await server.call<Log>("GET", `/v1/capsules/${id}/logs${query}`);
  assert.equal(status, 200);
  return body;
}

async function listening(id: string): Promise<readonly ListeningPort[]> {
  const path = `/v1/capsules/${id}/ports/listening`;
  const { status, body } = await server.call<{ ports: readonly ListeningPort[] }>("GET", path);
  assert.equal(status, 200, JSON.stringify(body));
  return body.ports;
}

test("a log has what the guest writes to its console, over a pause, and what happened to the capsule", async (t) => {
  const id = await server.capsule(t);
  await server.shell(id, String.raw`printf 'first line\n\033[31mred\033[0m\n' > /dev/console`);
  const has = (message: string) => async (): Promise<boolean> =>
    (await log(id)).entries.some((entry) => entry.message === message);
  await eventually("the line is in the log", has("first line"), patience);
  const red = (await log(id)).entries.find(({ message }) => message.includes("red"));
  assert.ok(
    Buffer.from(red?.raw ?? "", "base64")
      .toString()
      .startsWith("\u001b[31mred"),
  );
  const { next } = await log(id);
  assert.ok((await server.call("POST", `/v1/capsules/${id}/pause`)).status < 300);
  await eventually("the console stays while it is paused", has("first line"), patience);
  assert.ok((await server.call("POST", `/v1/capsules/${id}/resume`)).status < 300);
  await server.shell(id, "echo second line > /dev/console");
  await eventually("the next machine's console follows", has("second line"), patience);
  const rest = (await log(id, `?after=${next}`)).entries.map(({ event, message }) => event ?? message);
  assert.deepEqual(rest, ["capsule.paused", "capsule.running", "second line"]);
});

test("sockets that listen are found with their processes, and events say when they open and close", async (t) => {
  const id = await server.capsule(t);
  assert.deepEqual(await listening(id), []);
  const script = [
    "import socket, time",
    "held = []",
    "for family, kind, host, port in [(2, 1, '127.0.0.1', 8001), (10, 1, '::', 8002), (2, 2, '0.0.0.0', 5353)]:",
    "    s = socket.socket(family, kind); s.bind((host, port)); held.append(s)",
    "    if kind == 1: s.listen()",
    "time.sleep(600)",
  ].join("\n");
  const started = await server.exec(id, "python3", ["-c", script], { background: true });
  assert.equal(started.status, 202);
  const found = await eventually(
    "all are listed",
    async () => {
      const ports = await listening(id);
      return ports.length === 3 ? ports : undefined;
    },
    patience,
  );
  assert.deepEqual(
    found.map(({ protocol, address, port, process, reachable }) => [
      protocol,
      address,
      port,
      process,
      reachable,
    ]),
    [
      ["tcp", "127.0.0.1", 8001, "python3", true],
      ["tcp", "::", 8002, "python3", true],
      ["udp", "0.0.0.0", 5353, "python3", false],
    ],
  );
  const { pid } = started.body as unknown as { readonly pid: number };
  assert.ok(
    found.every((one) => one.pid === pid),
    JSON.stringify(found),
  );
  const events = async (type: string): Promise<readonly (string | undefined)[]> =>
    (await log(id, "?source=platform")).entries
      .filter(({ event }) => event === type)
      .map(({ resource }) => resource);
  const all = ["tcp/8001", "tcp/8002", "udp/5353"];
  const allOf = (type: string) => async (): Promise<boolean> =>
    new Set(await events(type)).symmetricDifference(new Set(all)).size === 0;
  await eventually("they opened", allOf("port.opened"), patience);
  await server.call("DELETE", `/v1/capsules/${id}/processes/${pid}`);
  await eventually("they closed", allOf("port.closed"), patience);
  assert.deepEqual(await listening(id), []);
});

test("a stream has a point for each second, and network bytes are those of the interface", async (t) => {
  const id = await server.capsule(t);
  await server.exec(id, "python3", ["-m", "http.server", "8000", "--directory", "/usr/bin"], {
    background: true,
  });
  const { body } = await server.call<{ host_ip: string }>("GET", `/v1/capsules/${id}`);
  const stop = new AbortController();
  const response = await fetch(`${server.url}/v1/capsules/${id}/metrics/stream`, {
    headers: { "x-api-key": server.apiKey },
    signal: stop.signal,
  });
  assert.equal(response.status, 200);
  type Point = { timestamp_unix: number; net_out_bytes: number; cpu_count: number; disk_total_bytes: number };
  const points: Point[] = [];
  const reading = (async () => {
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) points.push(JSON.parse(data) as Point);
      }
    }
  })().catch(() => undefined);
  await eventually("some seconds were measured", () => points.length >= 4, patience);
  const download = async (): Promise<boolean> => {
    try {
      const file = await fetch(`http://${body.host_ip}:8000/python3`, {
        signal: AbortSignal.timeout(20_000),
      });
      return (await file.arrayBuffer()).byteLength > 1_000_000;
    } catch {
      return false;
    }
  };
  await eventually("the service answers", download, patience);
  const sent = (): number => points.reduce((sum, point) => sum + point.net_out_bytes, 0);
  await eventually("what it sent is measured", () => sent() > 1_000_000, patience);
  stop.abort();
  await reading;
  const times = points.map((point) => point.timestamp_unix);
  assert.deepEqual(
    times,
    [...new Set(times)].toSorted((a, b) => a - b),
    "each second once, in order",
  );
  assert.ok(
    points.every((point) => point.cpu_count === 1 && point.disk_total_bytes > 0 && point.net_out_bytes >= 0),
  );
  const history = await server.call<{ points: readonly Point[] }>(
    "GET",
    `/v1/capsules/${id}/metrics?range=5m&step=60`,
  );
  assert.equal(history.status, 200);
  assert.ok(history.body.points.length >= 1 && history.body.points.length <= 6);
});
