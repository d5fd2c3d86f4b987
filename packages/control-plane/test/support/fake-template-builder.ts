import { createHash } from "node:crypto";
import { abortable } from "@wrenn/core";
import { settingsOf } from "../../src/builds/template-settings.ts";
import { StepFailed } from "../../src/builds/template-builder.ts";
import type {
  BuildJob,
  BuildReport,
  BuiltTemplate,
  TemplateBuilder,
} from "../../src/builds/template-builder.ts";

/**
 * A builder without machines. It understands `echo TEXT`, `exit CODE`, `sleep SECONDS` (until it is aborted or {@link release} is called)
 * and `flood LINES` in RUN, and prints the digest of the archive for COPY. Other instructions do nothing.
 */
export class FakeTemplateBuilder implements TemplateBuilder {
  /** UUID of the host that has what is built. */
  readonly hostId: () => string;
  /** Ids of the builds that are under way. */
  readonly running = new Set<string>();
  /** Keys of the files that are there. */
  readonly files = new Set<string>();
  sizeBytes = 1000;
  /** What was built last. */
  last: BuildJob | undefined;
  /** Once the files are there, and before the result is returned. */
  beforeResult: () => Promise<void> = async () => undefined;
  #released = Promise.withResolvers<void>();
  #made = 0;

  constructor(hostId: () => string) {
    this.hostId = hostId;
  }

  /** Ends every `sleep`. */
  release(): void {
    this.#released.resolve();
    this.#released = Promise.withResolvers<void>();
  }

  async build(job: BuildJob, report: BuildReport, signal: AbortSignal): Promise<BuiltTemplate> {
    this.last = job;
    this.running.add(job.id);
    const hostKey = `tpl-built-${job.id}-${++this.#made}`;
    try {
      await report.placed({ hostId: this.hostId() });
      for (const step of job.steps) {
        signal.throwIfAborted();
        await report.stepStarted(step);
        const exit = await this.#run(step.cmd, job, report, signal);
        signal.throwIfAborted();
        await report.stepEnded({ exit, ok: exit === undefined || exit === 0 });
        if (exit !== undefined && exit !== 0) throw new StepFailed(step, `exit code ${exit}`);
      }
      await report.storing({ hostKey, hostId: this.hostId() });
      await report.phaseStarted("freeze");
      this.files.add(hostKey);
      await report.phaseEnded({ ok: true });
      await report.phaseStarted("smoke test");
      await this.beforeResult();
      await report.phaseEnded({ ok: true });
      signal.throwIfAborted();
      return {
        hostKey,
        hostId: this.hostId(),
        vcpus: job.vcpus,
        memoryMib: job.memoryMib,
        diskMib: 5120,
        sizeBytes: this.sizeBytes,
        metadata: {},
        defaultUser: "wrenn-user",
        defaultEnv: { LANG: "C.UTF-8" },
        settings: settingsOf(job.config),
      };
    } catch (error) {
      this.files.delete(hostKey);
      throw error;
    } finally {
      this.running.delete(job.id);
    }
  }

  async #run(
    cmd: string,
    job: BuildJob,
    report: BuildReport,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    if (cmd.startsWith("COPY ")) {
      const hash = createHash("sha256");
      let size = 0;
      for await (const chunk of job.archive?.() ?? []) {
        hash.update(chunk);
        size += chunk.length;
      }
      await report.output("stdout", `${size} ${hash.digest("hex")}\n`);
    }
    if (!cmd.startsWith("RUN ")) return undefined;
    for (const part of cmd.slice(4).split(";")) {
      const [name = "", ...words] = part.trim().split(" ");
      const toError = words.at(-1) === ">&2";
      const text = (toError ? words.slice(0, -1) : words).join(" ");
      if (name === "echo") await report.output(toError ? "stderr" : "stdout", `${text}\n`);
      if (name === "exit") return Number(text);
      if (name === "sleep") await abortable(signal, this.#released.promise);
      if (name === "flood")
        for (let line = 0; line < Number(text); line += 1000)
          await report.output("stdout", `${"x".repeat(60)}\n`.repeat(1000));
    }
    return 0;
  }
}
