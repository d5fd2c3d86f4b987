import type { ReadinessCheck } from "../instructions/instruction.ts";

/** A readiness check whose command is words, without a shell that is still to be found. */
export type ImageCheck = Omit<ReadinessCheck, "command"> & { readonly argv: readonly string[] };

/** What holds for capsules of a template. */
export interface ImageConfig {
  readonly env: Readonly<Record<string, string>>;
  /** Name or id, with `:group` where one was given. */
  readonly user: string;
  /** Absolute; undefined: the home of the user. */
  readonly workdir: string | undefined;
  readonly shell: readonly string[];
  /** What `cmd` is appended to; empty where there is none. */
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** `SIGTERM`, or a number. */
  readonly stopSignal: string | undefined;
  /** `8080/tcp`, sorted by their numbers. */
  readonly exposedPorts: readonly string[];
  readonly healthcheck: ImageCheck | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** A template without any settings. */
export const emptyImageConfig: ImageConfig = {
  env: {},
  user: "root",
  workdir: undefined,
  shell: ["/bin/sh", "-c"],
  entrypoint: [],
  cmd: [],
  stopSignal: undefined,
  exposedPorts: [],
  healthcheck: undefined,
  labels: {},
};

/** The words of the command that capsules of a template start with; undefined where there is none. */
export function startCommandOf({
  entrypoint,
  cmd,
}: Pick<ImageConfig, "entrypoint" | "cmd">): readonly string[] | undefined {
  const words = [...entrypoint, ...cmd];
  return words.length === 0 ? undefined : words;
}
