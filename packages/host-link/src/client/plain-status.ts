import { CapsuleStatus } from "@wrenn/protocol";
import { damaged } from "../wire/link-error.ts";
import { plainText } from "../wire/text-from-host.ts";
import { checked } from "./link-client.ts";

const PROBLEM_LIMIT = 2000;
const FACT_LIMIT = 256;
/** Versions of the parts that run a capsule; there are four. */
const METADATA_ENTRIES = 32;

/**
 * The status of a capsule as a host says it, with texts that can be stored and shown.
 *
 * @param id - the capsule that it has to be of, where one was asked about.
 * @throws WrennError `operation_failed` for something else, and for the status of another capsule.
 */
export function plainStatus(value: unknown, id?: string): CapsuleStatus {
  const { problem, hostAddress, metadata, ...status } = checked(CapsuleStatus, value);
  if (id !== undefined && status.id !== id) throw damaged("an answer about another capsule");
  const entries = Object.entries(metadata);
  if (entries.length > METADATA_ENTRIES) throw damaged("an answer of another shape");
  return {
    ...status,
    template: plainText(status.template, FACT_LIMIT),
    ...(problem === undefined ? {} : { problem: plainText(problem, PROBLEM_LIMIT) }),
    ...(hostAddress === undefined ? {} : { hostAddress: plainText(hostAddress, FACT_LIMIT) }),
    metadata: Object.fromEntries(
      entries.map(([name, text]) => [plainText(name, FACT_LIMIT), plainText(text, FACT_LIMIT)]),
    ),
  };
}

/** The statuses of all capsules that were to be made, each of its own. @throws WrennError `operation_failed`. */
export function plainStatuses(values: readonly unknown[], ids: readonly string[]): readonly CapsuleStatus[] {
  if (values.length !== ids.length) throw damaged("an answer about other capsules");
  return values.map((value, at) => plainStatus(value, ids[at]));
}
