import type { Build, BuildStep, TemplateDetails, TemplateVersion, Wrenn } from "@wrenn/sdk";
import { secondsText, titleOf } from "../builds/build-tasks.ts";
import type { Context } from "../context.ts";
import { ageText, bytesText, sizeText } from "../output/describe-capsule.ts";
import { renderDetails } from "../output/details.ts";
import { renderTable } from "../output/table.ts";

/** A version, and the build that made it, where the server still has it. */
export interface InspectedVersion extends TemplateVersion {
  readonly build?: Build;
}

/** What is printed of a template. */
export interface InspectedTemplate extends Omit<TemplateDetails, "versions"> {
  readonly versions: readonly InspectedVersion[];
}

/** The clocks of a host and of the database may differ by this much. */
const TOLERANCE_MS = 2000;

/** Shows a template with its versions and tags, and the steps of the build that made the newest version. */
export async function inspect(context: Context, name: string): Promise<void> {
  const wrenn = await context.wrenn();
  const { signal } = context;
  const details = await wrenn.templates.get(name, { signal });
  const template: InspectedTemplate = { ...details, versions: await withBuilds(wrenn, details, signal) };
  context.output.data(template, () => render(template, Date.now()));
}

async function withBuilds(
  wrenn: Wrenn,
  { name, isOwn, versions }: TemplateDetails,
  signal: AbortSignal,
): Promise<readonly InspectedVersion[]> {
  // Builds of other teams and of the platform are not listed.
  if (!isOwn || versions.length === 0) return versions;
  const builds: Build[] = [];
  for await (const build of wrenn.builds.list({ signal }))
    if (build.status === "success" && build.name.split(":")[0] === name) builds.push(build);
  const found: InspectedVersion[] = [];
  for (const version of versions) {
    const made = builds.find((build) => madeBy(build, version));
    found.push(
      made === undefined ? version : { ...version, build: await wrenn.builds.get(made.id, { signal }) },
    );
  }
  return found;
}

/** Whether a version was made while the build ran, and has its tag: builds of one name with two tags may run at a time. */
function madeBy({ name, startedAt, completedAt }: Build, { createdAt, tags }: TemplateVersion): boolean {
  if (startedAt === undefined || completedAt === undefined) return false;
  const at = createdAt.getTime();
  const [, tag = "default"] = name.split(":");
  // A tag may have been taken away since.
  const isNamed = tags.length === 0 || tags.includes(tag);
  return isNamed && at >= startedAt.getTime() - TOLERANCE_MS && at <= completedAt.getTime() + TOLERANCE_MS;
}

function render(template: InspectedTemplate, now: number): string {
  const built = template.versions.find(({ build }) => build !== undefined);
  const [newest] = template.versions;
  return [
    renderDetails([
      ["name", template.name],
      ["of", template.isPlatform ? "the platform" : template.isOwn ? "the team" : "another team"],
      ["public", template.isPublic ? "yes" : "no"],
      ["ports", newest?.exposedPorts.join(", ")],
      ["stop signal", newest?.stopSignal],
      ["labels", newest && labelsText(newest)],
    ]),
    "\n",
    renderTable<InspectedVersion>(
      [
        { title: "version", value: ({ version }) => String(version), isNumber: true },
        { title: "tags", value: ({ tags }) => tags.join(", ") },
        { title: "cpus", value: ({ vcpus }) => String(vcpus), isNumber: true },
        { title: "memory", value: ({ memoryMib }) => sizeText(memoryMib), isNumber: true },
        { title: "size", value: ({ sizeBytes }) => bytesText(sizeBytes), isNumber: true },
        { title: "steps", value: ({ build }) => (build ? String(build.steps.length) : ""), isNumber: true },
        {
          title: "cached",
          value: ({ build }) => (build ? String(build.steps.filter(({ isCached }) => isCached).length) : ""),
          isNumber: true,
        },
        { title: "built in", value: ({ build }) => (build ? timeOf(build) : ""), isNumber: true },
        { title: "age", value: ({ createdAt }) => ageText(createdAt, now) },
      ],
      template.versions,
    ),
    ...(built?.build === undefined ? [] : ["\n", renderSteps(built.version, built.build)]),
  ].join("");
}

function renderSteps(version: number, { id, steps, durations = {} }: Build): string {
  const { importMs, settleMs, freezeMs, smokeTestMs } = durations;
  const work = [
    ["import", importMs],
    ["settle", settleMs],
    ["freeze", freezeMs],
    ["start twice", smokeTestMs],
  ] as const;
  return [
    `version ${version} is of build ${id}\n\n`,
    renderTable<BuildStep>(
      [
        { title: "step", value: ({ step }) => String(step), isNumber: true },
        {
          title: "time",
          value: ({ isCached, durationMs }) => (isCached ? "cached" : secondsText(durationMs)),
          isNumber: true,
        },
        { title: "instruction", value: ({ cmd }) => titleOf(cmd) },
      ],
      steps,
    ),
    ...work.flatMap(([name, ms]) => (ms === undefined ? [] : [`${name}: ${secondsText(ms)}\n`])),
  ].join("");
}

function labelsText({ labels }: TemplateVersion): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}

function timeOf({ startedAt, completedAt }: Build): string {
  return startedAt === undefined || completedAt === undefined
    ? ""
    : secondsText(completedAt.getTime() - startedAt.getTime());
}
