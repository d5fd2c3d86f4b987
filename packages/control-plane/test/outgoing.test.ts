import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { publicInternet, send } from "../src/channels/outgoing.ts";
import type { OutgoingPolicy } from "../src/channels/outgoing.ts";
import { isPublicAddress } from "@wrenn/network";

const post = (url: string) => ({ method: "POST" as const, url: new URL(url), headers: {}, body: "{}" });
const reason = (problem: RegExp, expected: "target_refused" | "delivery_failed") => (error: unknown) =>
  WrennError.is(error, expected) && problem.test(error.message);

test("only addresses of the public internet are public", () => {
  const refused =
    "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 172.31.255.255 192.168.1.1 198.18.0.1 224.0.0.1 " +
    "240.0.0.1 255.255.255.255 168.63.129.16 100.100.100.200 100.80.80.80 100.96.0.96 192.0.0.192 161.26.0.10 166.9.0.1 192.88.99.1 :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 fc00::1 fd00:ec2::254 " +
    "fe80::1 fec0::1 ff02::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 3fff::1 nonsense fe80::1%lo";
  for (const address of refused.split(" ")) assert.equal(isPublicAddress(address), false, address);
  for (const address of ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
    assert.equal(isPublicAddress(address), true, address);
});

test("other addresses are refused however they are written, before anything is sent", async () => {
  const hosts =
    "127.0.0.1 127.1 2130706433 0x7f.1 0177.0.0.1 [::1] [::ffff:127.0.0.1] [::ffff:7f00:1] 169.254.169.254 localhost";
  for (const host of hosts.split(" "))
    await assert.rejects(
      send(publicInternet, post(`https://${host}/secret`)),
      reason(/public internet/, "target_refused"),
      host,
    );
  await assert.rejects(send(publicInternet, post("http://8.8.8.8/")), reason(/only https/, "target_refused"));
  await assert.rejects(
    send(publicInternet, post("https://a:b@8.8.8.8/")),
    reason(/user or password/, "target_refused"),
  );
  const mixed: OutgoingPolicy = { ...publicInternet, resolve: async () => ["8.8.8.8", "10.0.0.1"] };
  await assert.rejects(send(mixed, post("https://mixed.test/")), reason(/public/, "target_refused"));
});

test("the connection goes to the address that was examined, and redirects are not followed", async () => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.headers.host} ${request.url}`);
    response.writeHead(request.url === "/moved" ? 302 : 204, { location: "/elsewhere" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  let resolved = 0;
  const policy: OutgoingPolicy = {
    // A name that changes its address after the first look.
    resolve: async () => [resolved++ === 0 ? "127.0.0.1" : "10.0.0.1"],
    permits: (address) => address === "127.0.0.1",
    plainHttp: true,
  };
  try {
    await send(policy, post(`http://rebinding.test:${port}/hook`));
    assert.equal(resolved, 1);
    assert.deepEqual(asked, [`rebinding.test:${port} /hook`]);
    resolved = 0;
    await assert.rejects(
      send(policy, post(`http://rebinding.test:${port}/moved`)),
      reason(/answered 302$/, "delivery_failed"),
    );
    assert.equal(asked.length, 2);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
