import type { ProcessLimits, ResourceName } from "@wrenn/protocol";
import { Type } from "typebox";
import type { Static } from "typebox";

/** Names on the wire, as those of setrlimit(2). */
const names = {
  cpu_seconds: "cpuSeconds",
  file_bytes: "fileBytes",
  data_bytes: "dataBytes",
  stack_bytes: "stackBytes",
  core_bytes: "coreBytes",
  processes: "processes",
  open_files: "openFiles",
  locked_bytes: "lockedBytes",
  address_space_bytes: "addressSpaceBytes",
} as const satisfies Readonly<Record<string, ResourceName>>;

const amount = Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }));

export const LimitsBody = Type.Object(
  {
    cpu_seconds: amount,
    file_bytes: amount,
    data_bytes: amount,
    stack_bytes: amount,
    core_bytes: amount,
    processes: amount,
    open_files: amount,
    locked_bytes: amount,
    address_space_bytes: amount,
  },
  { description: "Resource limits of the command and of what it starts" },
);

export function processLimits(body: Static<typeof LimitsBody>): ProcessLimits {
  const limits: Partial<Record<ResourceName, { readonly soft: number; readonly hard: number }>> = {};
  for (const [name, limit] of Object.entries(names)) {
    const value = body[name as keyof typeof names];
    if (value !== undefined) limits[limit] = { soft: value, hard: value };
  }
  return limits;
}
