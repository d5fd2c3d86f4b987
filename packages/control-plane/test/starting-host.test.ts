import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { systemRandom } from "@wrenn/core";
import type { HostAgent } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());

test("a control plane serves no requests before the host of its process has taken over its capsules", async () => {
  const agent = Promise.withResolvers<HostAgent>();
  const routes = platform.schemas.size;
  let isServing = false;
  const serving = platform.serve({ id: systemRandom.uuid(), agent: agent.promise }).then((served) => {
    isServing = true;
    return served;
  });
  await eventually("its routes are ready", () => platform.schemas.size > routes);
  assert.equal(isServing, false);
  agent.resolve(new FakeHostAgent());
  const { url } = await serving;
  assert.equal((await fetch(`${url}/ready`)).status, 200);
});

test("a host that cannot start is the failure of the control plane", async () => {
  const agent = Promise.withResolvers<HostAgent>();
  const serving = platform.serve({ id: systemRandom.uuid(), agent: agent.promise });
  agent.promise.catch(() => {});
  agent.reject(new Error("the host cannot start"));
  await assert.rejects(serving, /the host cannot start/);
});
