import { WrennError } from "../errors/wrenn-error.ts";
import type { HttpClient } from "../transport/http.ts";
import { requireKnownOptions } from "../transport/options.ts";
import { templateBuildOptionNames } from "./build-options.ts";
import type { TemplateBuildOptions } from "./build-options.ts";
import type { Build, BuildLogLine } from "./build.ts";
import { Builds } from "./builds.ts";
import { startBuild } from "./start-build.ts";

/** Time for the request that cancels a build. */
const CANCEL_MS = 5000;
/** Lines of the failing step that its error has. */
const LAST_LINES = 20;

/** Builds a template and waits for its end: `templates.build`. */
export async function runBuild(http: HttpClient, options: TemplateBuildOptions): Promise<Build> {
  const call = "templates.build";
  requireKnownOptions(call, options, templateBuildOptionNames);
  return await followBuild(http, async () => await startBuild(http, call, options), options);
}

/** Waits for the end of a build that `start` begins. An abort cancels it. */
export async function followBuild(
  http: HttpClient,
  start: () => Promise<Build>,
  { onStart, onLog, signal }: Pick<TemplateBuildOptions, "onStart" | "onLog" | "signal">,
): Promise<Build> {
  const builds = new Builds(http);
  const started = await start();
  const { id } = started;
  const lines: BuildLogLine[] = [];
  try {
    onStart?.(started);
    for await (const line of builds.logs(id, { follow: true, signal })) {
      onLog?.(line);
      if (line.stream === "system") continue;
      // Only the step that runs can fail.
      if (lines[0] !== undefined && lines[0].step !== line.step) lines.length = 0;
      if (lines.push(line) > LAST_LINES) lines.shift();
    }
    const build = await builds.get(id, { signal });
    if (build.status === "success") return build;
    throw buildFailed(build, lines);
  } catch (error) {
    if (signal?.aborted === true)
      // A build that has ended meanwhile cannot be cancelled.
      await builds.cancel(id, { signal: AbortSignal.timeout(CANCEL_MS) }).catch(() => undefined);
    throw error;
  }
}

function buildFailed(build: Build, lines: readonly BuildLogLine[]): WrennError {
  const { id, name, status, error, reason } = build;
  const step = build.steps.find(({ isOk }) => !isOk);
  return new WrennError({
    code: "build_failed",
    reason: reason ?? `build_${status}`,
    message: `build ${id} of ${name} has ended: ${error ?? status}`,
    remedy: "The last lines of its log are in details.lines; builds.logs has all of them.",
    details: {
      build,
      ...(step && { step }),
      lines: lines.filter((line) => step === undefined || line.step === step.step),
    },
  });
}
