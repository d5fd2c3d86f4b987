import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { FirstUseBuilder, readConfig } from "@wrenn/server";

/** Builds that end when the test says so. */
class Lab {
  nowMs = 0;
  readonly begun: string[] = [];
  readonly ends = new Map<string, PromiseWithResolvers<void>>();
  readonly say = new Map<string, (text: string) => void>();
  readonly builder = new FirstUseBuilder({
    clock: { monotonic: () => this.nowMs } as Clock,
    logger: silentLogger,
    build: async (name, onProgress, signal) => {
      this.begun.push(name);
      const end = Promise.withResolvers<void>();
      this.ends.set(name, end);
      this.say.set(name, onProgress);
      signal.addEventListener("abort", () => end.reject(signal.reason as Error), { once: true });
      await end.promise;
    },
  });

  async begins(...names: readonly string[]): Promise<void> {
    await eventually("it begins", () => this.begun.join(" ") === names.join(" "));
  }
}

test("a template is built once however many need it, and one after the other", async () => {
  const lab = new Lab();
  await using builder = lab.builder;
  assert.deepEqual(builder.need("python"), { kind: "running", progress: "begins" });
  await lab.begins("python");
  assert.deepEqual(builder.need("node"), { kind: "running", progress: "waits for another one" });
  lab.say.get("python")?.("#1 0.5 Unpacking");
  assert.deepEqual(builder.need("python"), { kind: "running", progress: "#1 0.5 Unpacking" });
  await lab.begins("python");
  lab.ends.get("python")?.resolve();
  await lab.begins("python", "node");
  lab.ends.get("node")?.resolve();
});

test("after a failure a template rests for a minute before it is tried again", async () => {
  const lab = new Lab();
  await using builder = lab.builder;
  builder.need("python");
  await lab.begins("python");
  lab.ends.get("python")?.reject(new Error("no mirror"));
  await eventually("it has failed", () => builder.need("python").kind === "failed");
  assert.deepEqual(builder.need("python"), { kind: "failed", problem: "no mirror" });
  lab.nowMs += 60_000;
  assert.equal(builder.need("python").kind, "running");
  await lab.begins("python", "python");
});

test("the end of the server breaks off the build, and those that wait do not begin", async () => {
  const lab = new Lab();
  lab.builder.need("python");
  lab.builder.need("node");
  await lab.begins("python");
  await lab.builder[Symbol.asyncDispose]();
  assert.deepEqual(lab.begun, ["python"]);
});

test("building on first use is a setting", () => {
  assert.equal(readConfig({}).buildsOnFirstUse, true);
  assert.equal(readConfig({ WRENN_BUILT_IN_TEMPLATES: "manual" }).buildsOnFirstUse, false);
  assert.throws(() => readConfig({ WRENN_BUILT_IN_TEMPLATES: "never" }), {
    reason: "invalid_field",
    message: /WRENN_BUILT_IN_TEMPLATES.*first-use or manual.*never/,
  });
});
