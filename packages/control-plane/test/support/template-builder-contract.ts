import assert from "node:assert/strict";
import { test } from "node:test";
import { Readable } from "node:stream";
import { systemRandom } from "@wrenn/core";
import { planBuild } from "../../src/builds/recipe.ts";
import { StepFailed } from "../../src/builds/template-builder.ts";
import type { BuildJob, BuildReport, TemplateBuilder } from "../../src/builds/template-builder.ts";

/** A builder, and what it leaves. */
export interface BuilderUnderTest {
  readonly builder: TemplateBuilder;
  readonly base: BuildJob["base"];
  /** Capsules and files that builds have left, apart from those of templates that were made. */
  readonly left: () => Promise<readonly string[]>;
}

/** A report as text, one line for each call. */
class Transcript implements BuildReport {
  readonly calls: string[] = [];
  /** The text of the call that is refused. */
  refused: string | undefined;
  #waiting: (() => void)[] = [];

  async placed(): Promise<void> {
    this.#note("placed");
  }
  async stepStarted({ step, phase, cmd }: { step: number; phase: string; cmd: string }): Promise<void> {
    this.#note(`start ${step} ${phase} ${cmd}`);
  }
  async output(stream: string, text: string): Promise<void> {
    this.#note(`${stream} ${text.trim()}`);
  }
  async stepEnded({ exit, ok }: { exit?: number | undefined; ok: boolean }): Promise<void> {
    this.#note(`end ${exit ?? ""} ${ok}`);
  }
  async storing(): Promise<void> {
    this.#note("storing");
  }
  async phaseStarted(name: string): Promise<void> {
    this.#note(`phase ${name}`);
  }
  async phaseEnded({ ok }: { ok: boolean }): Promise<void> {
    this.#note(`phase ended ${ok}`);
  }

  /** Waits for a call. */
  async until(text: string): Promise<void> {
    while (!this.calls.some((call) => call.startsWith(text)))
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #note(text: string): void {
    if (this.refused !== undefined && text.startsWith(this.refused)) throw new Error(`refused: ${text}`);
    this.calls.push(text);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** What every builder does, whatever it builds in. */
export function templateBuilderContract(name: string, open: () => Promise<BuilderUnderTest>): void {
  let jobs = 0;
  const jobOf = (base: BuildJob["base"], lines: readonly string[]): BuildJob => ({
    ...planBuild({ form: "lines", lines, skipPrePost: true }),
    fromImage: false,
    plan: (env) => planBuild({ form: "lines", lines, skipPrePost: true }, { env }),
    id: `bld-${String(++jobs).padStart(25, "0")}`,
    // What one team has built is not found by another.
    team: `team-${String(jobs).padStart(25, "0")}`,
    ownPrograms: false,
    base,
    baseName: "minimal",
    name: "built",
    hostKey: `tpl-${systemRandom.uuid()}`,
    healthcheck: "",
    vcpus: 1,
    memoryMib: 512,
    findMade: async () => undefined,
    archive: undefined,
    sources: undefined,
    secrets: new Map(),
    repeatFrom: undefined,
  });

  test(`${name}: steps run in their order, and each is reported with its output and its exit code`, async () => {
    const { builder, base, left } = await open();
    const report = new Transcript();
    const job = jobOf(base, ["RUN echo one", "ENV A=b", "RUN echo two >&2"]);
    const built = await builder.build(job, report, AbortSignal.timeout(60_000));
    assert.ok("hostKey" in built && built.hostKey !== "" && built.sizeBytes > 0);
    assert.deepEqual([built.vcpus, built.memoryMib], [1, 512]);
    assert.deepEqual(
      // A step without a process has no exit code.
      report.calls.filter((call) => call !== "placed").map((call) => call.replace("end  true", "end 0 true")),
      [
        "start 1 recipe RUN echo one",
        "stdout one",
        "end 0 true",
        "start 2 recipe ENV A=b",
        "end 0 true",
        "start 3 recipe RUN echo two >&2",
        "stderr two",
        "end 0 true",
        "storing",
        "phase freeze",
        "phase ended true",
        "phase smoke test",
        "phase ended true",
      ],
    );
    assert.deepEqual(await left(), []);
  });

  test(`${name}: a step that fails ends the build with its number, and nothing is left`, async () => {
    const { builder, base, left } = await open();
    const report = new Transcript();
    const job = jobOf(base, ["RUN echo before", "RUN exit 3", "RUN echo after"]);
    await assert.rejects(builder.build(job, report, AbortSignal.timeout(60_000)), (error) => {
      assert.ok(error instanceof StepFailed);
      assert.equal(error.step.step, 2);
      return true;
    });
    assert.ok(report.calls.includes("end 3 false"));
    assert.ok(!report.calls.some((call) => call.startsWith("start 3") || call === "storing"));
    assert.deepEqual(await left(), []);
  });

  test(`${name}: a build that is aborted ends at once, reports nothing more and leaves nothing`, async () => {
    const { builder, base, left } = await open();
    const report = new Transcript();
    const abort = new AbortController();
    const building = builder.build(jobOf(base, ["RUN echo begun; sleep 600"]), report, abort.signal);
    await Promise.race([report.until("stdout begun"), building]);
    const reason = new Error("cancelled");
    abort.abort(reason);
    await assert.rejects(building, (error) => error === reason);
    const { length } = report.calls;
    assert.deepEqual(await left(), []);
    assert.equal(report.calls.length, length);
  });

  test(`${name}: a report that refuses a call ends the build, and nothing is left`, async () => {
    for (const refused of ["start 2", "stdout", "end", "storing", "phase freeze", "phase ended"]) {
      const { builder, base, left } = await open();
      const report = new Transcript();
      report.refused = refused;
      const job = jobOf(base, ["RUN echo one", "RUN echo two"]);
      await assert.rejects(builder.build(job, report, AbortSignal.timeout(60_000)), /refused/);
      assert.deepEqual(await left(), []);
    }
  });

  test(`${name}: an archive that cannot be read fails the build`, async () => {
    const { builder, base, left } = await open();
    const job = {
      ...jobOf(base, ["COPY a b"]),
      archive: () => Readable.from(brokenArchive()),
    };
    await assert.rejects(builder.build(job, new Transcript(), AbortSignal.timeout(60_000)));
    assert.deepEqual(await left(), []);
  });

  test(`${name}: builds at the same time do not mix`, async () => {
    const { builder, base } = await open();
    const words = ["one", "two", "three"];
    const reports = words.map(() => new Transcript());
    const built = await Promise.all(
      words.map(async (word, at) =>
        builder.build(
          jobOf(base, [`RUN echo ${word}`]),
          reports[at] ?? new Transcript(),
          AbortSignal.timeout(60_000),
        ),
      ),
    );
    assert.equal(new Set(built.map((one) => "hostKey" in one && one.hostKey)).size, 3);
    for (const [at, { calls }] of reports.entries())
      assert.deepEqual(
        calls.filter((call) => call.startsWith("stdout")),
        [`stdout ${words[at]}`],
      );
  });
}

async function* brokenArchive(): AsyncGenerator<Buffer> {
  yield Buffer.from("begin");
  throw new Error("the archive is gone");
}
