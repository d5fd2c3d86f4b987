import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { DefaultUsers } from "../../src/envd/default-users.ts";

test("requests at the same time look once for the default user of their sandbox", async () => {
  const users = new DefaultUsers();
  let looks = 0;
  const without = {
    stat: async (): Promise<never> => {
      looks++;
      await Promise.resolve();
      throw new WrennError("user_not_found", { user: "user" });
    },
  };
  const found = await Promise.all(Array.from({ length: 300 }, async () => await users.of("one", without)));
  assert.deepEqual(new Set(found), new Set(["root"]));
  assert.equal(looks, 1);
  await users.of("other", without);
  assert.equal(looks, 2, "each sandbox has users of its own");
});

test("a look that fails is not remembered", async () => {
  const users = new DefaultUsers();
  const failing = {
    stat: async () => await Promise.reject(new WrennError("guest_busy", { problem: "a test" })),
  };
  await assert.rejects(users.of("one", failing), { reason: "guest_busy" });
  const without = {
    stat: async () => await Promise.reject(new WrennError("user_not_found", { user: "user" })),
  };
  assert.equal(await users.of("one", without), "root");
});
