import type { CreateOptions } from "@wrenn/sdk";
import { waysOf } from "./command-text.ts";
import type { ActionCommands } from "./command-text.ts";

const SECOND_MS = 1000;

/** What a launch form would start, as commands. The command line has no flags for the network. */
export function launchCommands(options: CreateOptions): ActionCommands {
  const { template, name, vcpus, memoryMib, diskMib, idleTimeoutMs, maxLifetimeMs } = options;
  const { onLifetimeEnd, autoResume, envs = {}, user, cwd, metadata = {}, network } = options;
  const seconds = (ms: number | undefined): number | undefined =>
    ms === undefined ? undefined : ms / SECOND_MS;
  const flag = (flagName: string, value: string | number | undefined, unit = ""): readonly string[] =>
    value === undefined ? [] : [flagName, `${value}${unit}`];
  const pairs = (flagName: string, given: Readonly<Record<string, string>>): readonly string[] =>
    Object.entries(given).flatMap(([key, value]) => [flagName, `${key}=${value}`]);
  const cli = [
    "create",
    ...flag("--template", template),
    ...flag("--name", name),
    ...flag("--vcpus", vcpus),
    ...flag("--memory", memoryMib, "M"),
    ...flag("--disk", diskMib, "M"),
    ...flag("--idle-timeout", seconds(idleTimeoutMs), "s"),
    ...flag("--max-lifetime", seconds(maxLifetimeMs), "s"),
    ...flag("--on-lifetime-end", onLifetimeEnd),
    ...(autoResume === true ? ["--auto-resume"] : []),
    ...pairs("--env", envs),
    ...flag("--user", user),
    ...flag("--cwd", cwd),
    ...pairs("--label", metadata),
  ];
  const body = {
    template,
    name,
    vcpus,
    memory_mb: memoryMib,
    disk_mb: diskMib,
    timeout_sec: seconds(idleTimeoutMs),
    max_lifetime_sec: seconds(maxLifetimeMs),
    on_lifetime_end: onLifetimeEnd,
    auto_resume: autoResume,
    envs: options.envs,
    user,
    cwd,
    metadata: options.metadata,
    network,
  };
  return waysOf({
    title: "Start it",
    ...(network === undefined ? { cli } : {}),
    method: "POST",
    path: "/v1/capsules",
    body,
    code: `const capsule = await Capsule.create(${JSON.stringify(options, undefined, 2)});\nconsole.log(capsule.id);`,
  });
}
