import assert from "node:assert/strict";
import { test } from "node:test";
import type { WireAnswer, WireBody, WireMessage, WireObject, WireQuery } from "../../src/wire/api-types.ts";

/** Compiles only when both types are the same. */
type Same<A, B> = [A, B] extends [B, A] ? true : never;

test("the types of a route are looked up by its method and path", () => {
  const same: readonly true[] = [
    true satisfies Same<WireBody<"POST /v1/capsules">, WireObject<"CapsuleCreate">>,
    true satisfies Same<WireAnswer<"GET /v1/capsules">, readonly WireObject<"Capsule">[]>,
    true satisfies Same<WireAnswer<"DELETE /v1/capsules/{id}">, undefined>,
    true satisfies Same<WireAnswer<"POST /v1/capsules/{id}/exec", 202>, WireObject<"StartedProcess">>,
    true satisfies Same<WireQuery<"GET /v1/capsules">["limit"], number | undefined>,
    true satisfies Same<WireBody<"GET /v1/capsules">, never>,
    true satisfies Same<
      Extract<WireMessage<"GET /v1/capsules/{id}/pty", "client">, { type: "resize" }>,
      WireObject<"TerminalResize">
    >,
  ];
  assert.ok(same.every(Boolean));
});
