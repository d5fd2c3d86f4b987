import { untaggedName } from "@wrenn/control-plane";
import type { SharedServices } from "@wrenn/control-plane";
import { defined, problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { SandboxTokens } from "../access/sandbox-tokens.ts";
import type { FoundSandbox } from "../sandboxes/sandbox-finder.ts";
import type { DefaultUsers } from "./default-users.ts";
import type { AddressedSandbox, EnvdSandbox, SandboxMeasurement } from "./envd-sandbox.ts";
import type { UploadNotices } from "./filesystem/upload-notices.ts";
import { isGone } from "./gone.ts";
import { readEnvironment } from "./read-environment.ts";

/** How long a request waits for a sandbox that is being created or resumed. */
const PATIENCE_MS = 30_000;
const STATE_MS = 5000;
/** The gateway of every guest, which is also `events.e2b.local`: the address needs no resolver. */
const EVENTS_ADDRESS = "http://169.254.0.22";

type Row = FoundSandbox["row"];

export interface AddressSandboxDeps {
  readonly services: Pick<SharedServices, "capsules" | "fleet">;
  readonly tokens: SandboxTokens;
  readonly users: DefaultUsers;
  readonly uploads: UploadNotices;
  readonly logger: Logger;
}

/** A sandbox as the agent's facade needs it, on the services of the platform. */
export function addressSandbox(
  { sandboxId: id, capsuleId, row }: FoundSandbox,
  { services, tokens, users, uploads, logger }: AddressSandboxDeps,
): AddressedSandbox {
  const { running, measurements } = services.capsules;
  const identity = {
    E2B_SANDBOX: "true",
    E2B_SANDBOX_ID: id,
    E2B_TEMPLATE_ID: untaggedName(row.template),
    E2B_EVENTS_ADDRESS: EVENTS_ADDRESS,
  };
  const measure = async (): Promise<SandboxMeasurement> => {
    const last = (await measurements.history(row.team_id, capsuleId, "5m", undefined)).at(-1);
    if (!last) throw new WrennError("metrics_unavailable", { status: row.status });
    return {
      at: last.timestamp,
      cpuCount: last.cpuCount ?? row.vcpus,
      cpuUsedPercent: last.cpuPercent,
      memoryTotalBytes: last.memoryTotalBytes ?? row.memory_mb * 1024 ** 2,
      memoryUsedBytes: last.memoryBytes,
      diskTotalBytes: last.diskTotalBytes ?? row.disk_mb * 1024 ** 2,
      diskUsedBytes: last.diskUsedBytes ?? last.diskBytes,
    };
  };
  const open = async (): Promise<EnvdSandbox> => {
    const capsule = await running.open(row.team_id, capsuleId, PATIENCE_MS);
    const defaultUser = row.default_user ?? (await users.of(row.id, capsule.files));
    return {
      id,
      processes: capsule.processes,
      files: capsule.files,
      uploads,
      defaultUser,
      ...defined({ defaultDirectory: row.default_cwd ?? undefined }),
      identity,
      environment: async (signal) => ({
        ...identity,
        ...(await readEnvironment(capsule.processes, { user: defaultUser, names: row.env_names }, signal)),
      }),
      measure,
      touch: () => {
        capsule.touch().catch((error: unknown) => {
          logger.warn("touch failed", { problem: problemOf(error) });
        });
      },
    };
  };
  const isRunning = async (): Promise<boolean> => {
    try {
      const { state } = await services.fleet.of(row).capsule(capsuleId, AbortSignal.timeout(STATE_MS));
      return state === "running";
    } catch (error) {
      if (isGone(error)) return false;
      throw error;
    }
  };
  return { id, token: tokens.envd(row.id), state: stateOf(row), isRunning, open };
}

/** A sandbox whose disk only was kept is not resumed by requests. */
function stateOf({ status, auto_resume, kept }: Row): AddressedSandbox["state"] {
  if (status === "running" || status === "pending" || status === "starting") return "running";
  return status === "paused" && auto_resume && kept !== "disk" ? "resumable" : "paused";
}
