import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostStorage } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { boundsOf } from "../src/wire/answer-bounds.ts";
import { calls } from "../src/wire/calls.ts";
import type { CallName } from "../src/wire/calls.ts";
import { smallValue } from "../src/wire/values.ts";
import { TestLink } from "./support/test-link.ts";

const signal = AbortSignal.timeout(60_000);

/** Lists of at most so many entries count as single values. */
const FEW = 10;

test("each call that answers with a list has its own bounds", () => {
  const lists = (Object.keys(calls) as CallName[]).filter((name) => hasLongList(calls[name].result));
  assert.ok(lists.includes("storage") && lists.includes("listCapsules"));
  const small = lists.filter((name) => boundsOf(name).values <= smallValue.values);
  assert.deepEqual(small, []);
});

/** Whether a schema has a list of no few entries. */
function hasLongList(schema: unknown): boolean {
  if (typeof schema !== "object" || schema === null) return false;
  const { type, maxItems } = schema as { readonly type?: unknown; readonly maxItems?: unknown };
  if (type === "array" && !(typeof maxItems === "number" && maxItems <= FEW)) return true;
  return Object.values(schema).some(hasLongList);
}

test("the storage of a host with thousands of capsules and layers comes over the link", async () => {
  const capsules = Array.from({ length: 2000 }, (_, n) => ({
    id: `cl-${String(n).padStart(25, "0")}`,
    bytes: 2 ** 34 + n,
    checkpoints: 8,
    layers: Array.from({ length: 8 }, (_none, layer) => crypto.randomUUID().replace(/..$/, `${layer}0`)),
  }));
  const large: HostStorage = {
    capsules,
    layers: capsules.flatMap(({ layers }) => layers.map((id) => ({ id, bytes: 2 ** 30 }))),
  };
  const agent = new FakeHostAgent();
  agent.storage = async () => large;
  await using link = await TestLink.open(agent);
  assert.deepEqual(await (await link.client()).storage(signal), large);
});
