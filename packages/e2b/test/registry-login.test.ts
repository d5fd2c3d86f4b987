import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { systemClock, WrennError } from "@wrenn/core";
import { Value } from "typebox/value";
import { RegistryFields, registryLogin } from "../src/registries/registry-login.ts";
import { signAwsRequest } from "../src/registries/sign-aws-request.ts";

const CREDENTIALS = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};
const AWS = {
  type: "aws",
  awsAccessKeyId: CREDENTIALS.accessKeyId,
  awsSecretAccessKey: CREDENTIALS.secretAccessKey,
  awsRegion: "eu-central-1",
} as const;
const signal = AbortSignal.timeout(30_000);

/** The service of AWS that gives out passwords, as far as clients see it. */
const asked: { readonly url: string; readonly authorization: string; readonly isSigned: boolean }[] = [];
let answer: { status: number; body: string } = { status: 200, body: "{}" };
const server = createServer((incoming, response) => {
  const pieces: Buffer[] = [];
  incoming.on("data", (piece: Buffer) => pieces.push(piece));
  incoming.on("end", () => {
    const { host = "", authorization = "" } = incoming.headers;
    const names = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(";") ?? [];
    const [, date = "", region = "", service = ""] =
      /Credential=[^/]+\/(\d+)\/([^/]+)\/([^/]+)\//.exec(authorization) ?? [];
    const time = String(incoming.headers["x-amz-date"]);
    const canonical = `${incoming.method}\n${incoming.url}\n\n${names
      .map((name) => `${name}:${String(incoming.headers[name])}\n`)
      .join("")}\n${names.join(";")}\n${createHash("sha256").update(Buffer.concat(pieces)).digest("hex")}`;
    const text = `AWS4-HMAC-SHA256\n${time}\n${date}/${region}/${service}/aws4_request\n${createHash("sha256").update(canonical).digest("hex")}`;
    let key = Buffer.from(`AWS4${CREDENTIALS.secretAccessKey}`);
    for (const part of [date, region, service, "aws4_request"])
      key = createHmac("sha256", key).update(part).digest();
    const expected = createHmac("sha256", key).update(text).digest("hex");
    const isSigned = authorization.endsWith(`Signature=${expected}`) && names.includes("host");
    asked.push({ url: `https://${host}${incoming.url}`, authorization, isSigned });
    response.writeHead(answer.status, { "content-type": "application/x-amz-json-1.1" }).end(answer.body);
  });
}).listen(0, "127.0.0.1");
await once(server, "listening");
after(() => server.close());

/** Leads every name to the server here, which hears of the name by the header. */
const toServer: typeof fetch = async (input, init = {}) => {
  const url = new URL(input instanceof Request ? input.url : input);
  const { port } = server.address() as AddressInfo;
  // `fetch` would write the name of this machine into the header.
  const sent = request({
    host: "127.0.0.1",
    port,
    path: url.pathname,
    method: init.method,
    headers: { ...Object.fromEntries(new Headers(init.headers)), host: url.host },
  });
  sent.end(init.body);
  const [incoming] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  for await (const piece of incoming) text += String(piece);
  return new Response(text, { status: incoming.statusCode ?? 0 });
};

test("requests to AWS have the signatures of its published examples", () => {
  const at = new Date("2015-08-30T12:36:00Z");
  const cases = [
    [
      "GET",
      "https://example.amazonaws.com/",
      {},
      "",
      "service",
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ],
    [
      "POST",
      "https://example.amazonaws.com/",
      {},
      "",
      "service",
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ],
    [
      "GET",
      "https://example.amazonaws.com/?Param2=value2&Param1=value1",
      {},
      "",
      "service",
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ],
    [
      "POST",
      "https://example.amazonaws.com/",
      { "Content-Type": "application/x-www-form-urlencoded" },
      "Param1=value1",
      "service",
      "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ],
    [
      "GET",
      "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
      { "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" },
      "",
      "iam",
      "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    ],
  ] as const;
  for (const [method, url, headers, body, service, signature] of cases) {
    const request = { method, url: new URL(url), headers, body };
    const { authorization } = signAwsRequest(request, CREDENTIALS, { region: "us-east-1", service, at });
    const type = "Content-Type" in headers ? "content-type;" : "";
    assert.equal(
      authorization,
      `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/${service}/aws4_request, SignedHeaders=${type}host;x-amz-date, Signature=${signature}`,
      `${method} ${url}`,
    );
  }
});

test("AWS is asked for the password of its registry in the region, with the key's signature and not with its secret", async () => {
  const token = Buffer.from("AWS:a:password").toString("base64");
  answer = {
    status: 200,
    body: JSON.stringify({ authorizationData: [{ authorizationToken: token, expiresAt: 1 }] }),
  };
  const deps = { fetch: toServer, clock: systemClock };
  assert.deepEqual(await registryLogin(AWS, deps, signal), { username: "AWS", password: "a:password" });
  await registryLogin({ ...AWS, awsRegion: "cn-north-1" }, deps, signal);
  assert.deepEqual(
    asked.map(({ url, isSigned }) => [url, isSigned]),
    [
      ["https://api.ecr.eu-central-1.amazonaws.com/", true],
      ["https://api.ecr.cn-north-1.amazonaws.com.cn/", true],
    ],
  );
  assert.ok(!asked.some(({ authorization }) => authorization.includes(AWS.awsSecretAccessKey)));
});

test("what AWS refuses, and what is no answer of it, is reported without the secret", async () => {
  const deps = { fetch: toServer, clock: systemClock };
  const refusals: readonly (readonly [number, string, string, RegExp])[] = [
    [
      400,
      '{"__type":"com.amazon#UnrecognizedClientException","message":"x"}',
      "registry_login_refused",
      /UnrecognizedClientException/,
    ],
    [403, "<html>", "registry_login_refused", /status 403/],
    [500, "{}", "registry_unreachable", /500/],
    [200, "no JSON", "registry_unreachable", /without a password/],
    [200, '{"authorizationData":[]}', "registry_unreachable", /without a password/],
    [200, '{"authorizationData":[{"authorizationToken":"bm8gY29sb24="}]}', "registry_unreachable", /without/],
    [200, JSON.stringify("x".repeat(70_000)), "registry_unreachable", /larger than/],
  ];
  for (const [status, body, reason, message] of refusals) {
    answer = { status, body };
    await assert.rejects(registryLogin(AWS, deps, signal), (error: unknown) => {
      assert.ok(error instanceof WrennError, String(error));
      assert.equal(error.reason, reason);
      assert.match(error.message, message);
      assert.ok(
        !JSON.stringify([error.message, error.context, error.remedy]).includes(AWS.awsSecretAccessKey),
      );
      return true;
    });
  }
  const unreachable: typeof fetch = async () => await Promise.reject(new Error("no route"));
  await assert.rejects(registryLogin(AWS, { ...deps, fetch: unreachable }, signal), {
    reason: "registry_unreachable",
    message: /no route/,
  });
});

test("the key of a service account of Google is the password of a fixed user, and other texts are refused", async () => {
  const deps = { fetch: toServer, clock: systemClock };
  const serviceAccountJson = '{"type":"service_account","private_key":"-----BEGIN"}';
  assert.deepEqual(await registryLogin({ type: "gcp", serviceAccountJson }, deps, signal), {
    username: "_json_key",
    password: serviceAccountJson,
  });
  for (const wrong of ["a secret", "7"])
    await assert.rejects(
      registryLogin({ type: "gcp", serviceAccountJson: wrong }, deps, signal),
      (error) => WrennError.is(error, "invalid_field") && !error.message.includes("secret"),
    );
});

test("a region that would lead to another host is not taken", () => {
  assert.ok(Value.Check(RegistryFields, AWS));
  assert.ok(Value.Check(RegistryFields, { ...AWS, awsRegion: "us-gov-west-1" }));
  for (const awsRegion of [
    "evil.example/",
    "eu-central-1.evil.example",
    "",
    "eu-central-1\n",
    "EU-CENTRAL-1",
  ])
    assert.equal(Value.Check(RegistryFields, { ...AWS, awsRegion }), false, awsRegion);
});
