import assert from "node:assert/strict";
import { after, test } from "node:test";
import { rawRequest } from "./support/raw-request.ts";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());

const planted = "ab".repeat(32);

async function refresh(cookie: string, host: string) {
  const answer = await rawRequest(platform.url, {
    method: "POST",
    path: "/v1/auth/refresh",
    headers: { host, cookie },
  });
  platform.clock.advance(60_000);
  const set = answer.headers["set-cookie"];
  return { status: answer.status, set: set === undefined ? [] : [set].flat().map(String) };
}

test("a renewal with several cookies is refused, uses none, and removes those of the domain", async () => {
  const { cookie } = await platform.person("planted");
  const [name = "", own = ""] = cookie.split(";", 1)[0]?.split("=") ?? [];
  for (const several of [`${name}=${planted}; ${name}=${own}`, `${name}=${own}; ${name}=${planted}`]) {
    const { status, set } = await refresh(several, "wrenn.example.org:8080");
    assert.equal(status, 401);
    for (const domain of ["wrenn.example.org", "example.org"])
      for (const path of [
        "/",
        "/v1",
        "/v1/",
        "/v1/auth",
        "/v1/auth/",
        "/v1/auth/refresh",
        "/v1/auth/refresh/",
      ])
        assert.ok(
          set.includes(`${name}=; Max-Age=0; Domain=${domain}; Path=${path}`),
          `${domain} ${path} in ${set.join("\n")}`,
        );
    assert.ok(!set.some((one) => /Domain=(?:org|wrenn)(?:;|$)/.test(one)), "no domain above");
  }
  assert.equal((await refresh(`${name}=${own}; ${name}=${own}`, "wrenn.example.org")).status, 200);
});

test("a host that is no name of domains sets no cookie for one", async () => {
  const { cookie } = await platform.person("odd-host");
  const [name = ""] = cookie.split("=", 1);
  const { status, set } = await refresh(`${cookie.split(";", 1)[0]}; ${name}=${planted}`, "[::1]:8080");
  assert.equal(status, 401);
  assert.deepEqual(set, []);
});
