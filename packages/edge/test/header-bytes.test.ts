import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { rawClient } from "./support/http-client.ts";
import { acceptField, startHttp2Lab, statusOf } from "./support/http2-lab.ts";
import { startByteService, startTestEdge } from "./support/test-edge.ts";

/* Bytes above 127 in header fields: HTTP gives them no meaning (RFC 9110 §5.5), so they pass as they are. A character is a byte here. */

/** Names in UTF-8, in Latin-1, and bytes that are neither. */
const NAME = Buffer.from("你é", "utf8").toString("latin1");
const ALL = Array.from({ length: 128 }, (_, at) => String.fromCharCode(128 + at)).join("");
const pathHost = "ports.wrenn.test";

/** What a service got, and the answer it gives to each head that has arrived whole, after its body. */
async function scripted(
  t: TestContext,
  answer: (head: string) => string,
  body = /\r\n\r\n/,
): Promise<{ readonly port: number; readonly heads: string[] }> {
  const heads: string[] = [];
  const port = await startByteService(t, (socket) => {
    let got = "";
    socket.on("data", (chunk: Buffer) => {
      got += chunk.toString("latin1");
      if (!body.test(got)) return;
      heads.push(got);
      socket.write(answer(got), "latin1");
      got = "";
    });
  });
  return { port, heads };
}

/** The part of an answer that begins with a status line that is not informational. */
const headFields = (received: string): string[] => received.split("\r\n\r\n")[0]?.split("\r\n") ?? [];

const answerFields = [
  `Content-Disposition: attachment; filename="${NAME}.txt"`,
  `Location: /caf${NAME}?q=${ALL}`,
  `Set-Cookie: ${NAME}=${ALL.replaceAll(/[\u0080-\u00a0]/g, "")}; Path=/`,
  `X-All: ${ALL}`,
];

for (const [framing, body] of [
  ["Content-Length: 2", "\r\n\r\nok"],
  ["Transfer-Encoding: chunked", "\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
  ["Content-Length: 0", "\r\n\r\n"],
] as const)
  for (const method of ["GET", "HEAD", "POST"])
    test(`fields and reason of a response to ${method} pass as they are: ${framing}`, async (t) => {
      const service = await scripted(t, () =>
        method === "HEAD"
          ? `HTTP/1.1 200 ${NAME}\r\n${answerFields.join("\r\n")}\r\n${framing}\r\n\r\n`
          : `HTTP/1.1 200 ${NAME}\r\n${answerFields.join("\r\n")}\r\n${framing}${body}`,
      );
      const edge = await startTestEdge(t);
      const client = rawClient(t, edge.server.port);
      const length = method === "POST" ? "Content-Length: 0\r\n" : "";
      client.socket.write(`${method} / HTTP/1.1\r\nHost: ${edge.host(service.port)}\r\n${length}\r\n`);
      const [status, ...fields] = headFields(await client.until(/\r\n\r\n/));
      assert.equal(status, `HTTP/1.1 200 ${NAME}`);
      assert.deepEqual(
        fields.filter((field) => /^(content-disp|location|set-cookie|x-all)/i.test(field)),
        answerFields,
      );
    });

for (const [name, status] of [
  ["an error", 404],
  ["no content", 204],
  ["not modified", 304],
  ["a redirect", 302],
] as const)
  test(`so do those of ${name}`, async (t) => {
    const service = await scripted(
      t,
      () =>
        `HTTP/1.1 ${status} ${NAME}\r\nLocation: /${NAME}\r\n${status === 404 ? "Content-Length: 0\r\n" : ""}\r\n`,
    );
    const edge = await startTestEdge(t);
    const client = rawClient(t, edge.server.port);
    client.socket.write(`GET / HTTP/1.1\r\nHost: ${edge.host(service.port)}\r\nConnection: close\r\n\r\n`);
    if (status === 302) await client.until(/\r\n\r\n/);
    else await client.closed();
    assert.match(client.received(), new RegExp(`^HTTP/1.1 ${status} ${NAME}\r\nLocation: /${NAME}\r\n`));
  });

for (const [name, framing, body] of [
  ["without a body", "", ""],
  ["with a length", "Content-Length: 2\r\n", "ok"],
  ["in chunks", "Transfer-Encoding: chunked\r\n", `2\r\nok\r\n0\r\nX-Sum: ${NAME}\r\n\r\n`],
] as const)
  test(`fields of a request ${name} pass as they are, and trailers of both messages`, async (t) => {
    const whole =
      name === "in chunks" ? /\r\n0\r\n.*\r\n\r\n$/s : name === "with a length" ? /\r\n\r\nok$/ : /\r\n\r\n$/;
    const service = await scripted(
      t,
      () => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Answer: ${NAME}\r\n\r\n`,
      whole,
    );
    const edge = await startTestEdge(t);
    const client = rawClient(t, edge.server.port);
    const fields = [
      `X-Name: ${NAME}`,
      `X-All: ${ALL}`,
      `Cookie: ${NAME}=${ALL.slice(0x21)}`,
      `Referer: http://x/${NAME}`,
    ];
    client.socket.write(
      `${body === "" ? "GET" : "PUT"} /caf%C3%A9 HTTP/1.1\r\nHost: ${edge.host(service.port)}\r\n${fields.join("\r\n")}\r\n${framing}\r\n${body}`,
      "latin1",
    );
    assert.match(await client.until(/\r\n0\r\n.*\r\n\r\n$/s), new RegExp(`\r\nX-Answer: ${NAME}\r\n\r\n$`));
    const [head = ""] = service.heads;
    for (const field of fields) assert.ok(head.includes(`\r\n${field}\r\n`), `${field} in ${head}`);
    if (name === "in chunks") assert.match(head, new RegExp(`\r\nX-Sum: ${NAME}\r\n\r\n$`));
  });

test("in the path form bytes of a redirect and of cookies stay, behind prefix and tag", async (t) => {
  const service = await scripted(
    t,
    () =>
      `HTTP/1.1 302 ${NAME}\r\nLocation: /${NAME}\r\nSet-Cookie: ${NAME}=${NAME}\r\nContent-Length: 0\r\n\r\n`,
  );
  const edge = await startTestEdge(t, { pathHost });
  const client = rawClient(t, edge.server.port);
  const prefix = `/proxy/${edge.capsuleId}/${service.port}`;
  const tag = `${service.port}-${edge.capsuleId}.`;
  client.socket.write(
    `POST ${prefix}/x HTTP/1.1\r\nHost: ${pathHost}\r\nCookie: ${tag}${NAME}=${NAME}\r\nX-A: ${NAME}\r\nContent-Length: 2\r\n\r\nok`,
    "latin1",
  );
  const fields = headFields(await client.until(/\r\n\r\n/));
  assert.equal(fields[0], `HTTP/1.1 302 ${NAME}`);
  assert.ok(fields.includes(`Location: ${prefix}/${NAME}`), fields.join("\n"));
  assert.ok(fields.includes(`Set-Cookie: ${tag}${NAME}=${NAME}; Path=${prefix}/`), fields.join("\n"));
  assert.ok(service.heads[0]?.includes(`\r\nCookie: ${NAME}=${NAME}\r\n`), String(service.heads[0]));
  assert.ok(service.heads[0]?.includes(`\r\nX-A: ${NAME}\r\n`), String(service.heads[0]));
});

test("fields of an upgrade and of its refusal pass as they are, both ways", async (t) => {
  let isWilling = true;
  const service = await scripted(t, () =>
    isWilling
      ? `HTTP/1.1 101 ${NAME}\r\nConnection: Upgrade\r\nUpgrade: bytes\r\nX-A: ${ALL}\r\n\r\n`
      : `HTTP/1.1 403 ${NAME}\r\nX-A: ${ALL}\r\nContent-Length: 2\r\n\r\nno`,
  );
  const edge = await startTestEdge(t);
  for (const [willing, status] of [
    [true, 101],
    [false, 403],
  ] as const) {
    isWilling = willing;
    const client = rawClient(t, edge.server.port);
    client.socket.write(
      `GET / HTTP/1.1\r\nHost: ${edge.host(service.port)}\r\nConnection: Upgrade\r\nUpgrade: bytes\r\nX-B: ${ALL}\r\n\r\n`,
      "latin1",
    );
    const fields = headFields(await client.until(/\r\n\r\n/));
    assert.equal(fields[0], `HTTP/1.1 ${status} ${NAME}`);
    assert.ok(fields.includes(`X-A: ${ALL}`));
    assert.ok(service.heads.at(-1)?.includes(`\r\nX-B: ${ALL}\r\n`));
  }
});

test("HTTP/2 carries the same bytes in fields and trailers, with and without a body", async (t) => {
  const service = await scripted(
    t,
    () =>
      `HTTP/1.1 200 OK\r\nX-A: ${ALL}\r\nLocation: /${NAME}\r\nSet-Cookie: ${NAME}=1\r\nTransfer-Encoding: chunked\r\n\r\n` +
      `2\r\nok\r\n0\r\nX-Sum: ${NAME}\r\n\r\n`,
    /\r\n\r\n(?:2\r\nok\r\n0\r\nx-end: .*\r\n\r\n)?$/s,
  );
  const lab = await startHttp2Lab(t);
  for (const method of ["GET", "PUT"]) {
    const stream = lab.session.request(
      {
        ":method": method,
        ":authority": lab.edge.host(service.port),
        ":path": "/",
        "x-b": ALL,
        cookie: `${NAME}=1`,
      },
      { endStream: method === "GET", waitForTrailers: method === "PUT" },
    );
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": NAME }));
    const answered = once(stream, "response");
    const ended = once(stream, "trailers");
    if (method === "PUT") stream.end("ok");
    const [headers] = (await answered) as [Record<string, unknown>];
    assert.equal(headers["x-a"], ALL);
    assert.equal(headers["location"], `/${NAME}`);
    assert.deepEqual(headers["set-cookie"], [`${NAME}=1`]);
    assert.equal(await text(stream), "ok");
    const [trailers] = (await ended) as [Record<string, unknown>];
    assert.equal(trailers["x-sum"], NAME);
    const head = service.heads.at(-1) ?? "";
    assert.ok(head.includes(`\r\nx-b: ${ALL}\r\n`), head);
    assert.ok(head.includes(`\r\nCookie: ${NAME}=1\r\n`), head);
    if (method === "PUT") assert.ok(head.endsWith(`\r\nx-end: ${NAME}\r\n\r\n`), head);
  }
});

test("a WebSocket of HTTP/2 carries them both ways", async (t) => {
  const heads: string[] = [];
  const port = await startByteService(t, (socket) => {
    socket.once("data", (head: Buffer) => {
      heads.push(head.toString("latin1"));
      const fields = `Upgrade: websocket\r\nX-A: ${ALL}\r\n${acceptField(head)}`;
      socket.write(`HTTP/1.1 101 Go\r\nConnection: Upgrade\r\n${fields}\r\n`, "latin1");
    });
  });
  const lab = await startHttp2Lab(t);
  const stream = lab.open(port, { "x-b": ALL });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  assert.equal(headers["x-a"], ALL);
  assert.ok(heads[0]?.includes(`\r\nx-b: ${ALL}\r\n`));
  stream.close();
});

test("any value that a field may have passes both ways unchanged", async (t) => {
  const service = await scripted(
    t,
    (head) => {
      const value = /\r\nX-B: ([^\r]*)\r\n/.exec(head)?.[1] ?? "";
      return `HTTP/1.1 200 OK\r\nX-A: ${value}\r\nContent-Length: 0\r\n\r\n`;
    },
    /\r\n\r\n..$/s,
  );
  const edge = await startTestEdge(t);
  const visible = fc.integer({ min: 0x21, max: 0xff }).filter((code) => code !== 0x7f);
  const value = fc
    .array(visible, { minLength: 1, maxLength: 40 })
    .map((codes) => String.fromCharCode(...codes));
  await fc.assert(
    fc.asyncProperty(value, async (sent) => {
      const client = rawClient(t, edge.server.port);
      client.socket.write(
        `POST / HTTP/1.1\r\nHost: ${edge.host(service.port)}\r\nX-B: ${sent}\r\nContent-Length: 2\r\n\r\nok`,
        "latin1",
      );
      const fields = headFields(await client.until(/\r\n\r\n/));
      client.socket.destroy();
      assert.ok(service.heads.at(-1)?.includes(`\r\nX-B: ${sent}\r\n`));
      assert.ok(fields.includes(`X-A: ${sent}`), fields.join("\n"));
    }),
    { numRuns: 60 },
  );
});

test("a request target keeps its bytes, or is refused before a service sees it", async (t) => {
  const service = await scripted(t, () => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  const edge = await startTestEdge(t);
  const client = rawClient(t, edge.server.port);
  client.socket.write(`GET /${NAME}?${ALL} HTTP/1.1\r\nHost: ${edge.host(service.port)}\r\n\r\n`, "latin1");
  const status = (await client.until(/\r\n\r\n/)).slice(0, 12);
  if (status === "HTTP/1.1 200")
    assert.match(service.heads[0] ?? "", new RegExp(`^GET /${NAME}\\?${ALL} HTTP`));
  else assert.deepEqual([status, service.heads], ["HTTP/1.1 400", []]);
  const lab = await startHttp2Lab(t);
  const stream = lab.get(service.port, "/plain");
  assert.equal(await statusOf(stream), 200);
});
