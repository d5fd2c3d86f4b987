import assert from "node:assert/strict";
import { test } from "node:test";
import { PhaseCollector } from "../src/request-phases.ts";

test("the median of each phase is kept by kind of request", () => {
  const collector = new PhaseCollector();
  collector.add("/v1/capsules", "placement;dur=900, total;dur=900");
  collector.isOpen = true;
  collector.add("/v1/capsules", "placement;dur=1.5, other;dur=1, total;dur=9");
  collector.add("/v1/capsules", "placement;dur=2.5, other;dur=3, total;dur=8");
  collector.add("/v1/capsules", "placement;dur=3.5, other;dur=2, total;dur=7");
  collector.add("/v1/capsules/cl-1/exec", "guest;dur=4, junk, total;dur=5;desc=x");
  collector.add("/v1/capsules/cl-1/files/stat", null);
  assert.deepEqual(collector.summary(), [
    { request: "create", phases: { placement: 2.5, other: 2, total: 8 } },
    { request: "exec", phases: { guest: 4 } },
  ]);
});
