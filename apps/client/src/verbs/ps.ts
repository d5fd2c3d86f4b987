import type { CapsuleInfo, CapsuleStatus } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { capsuleColumns } from "../output/describe-capsule.ts";
import { renderTable } from "../output/table.ts";

export interface ListVerbOptions {
  readonly status?: readonly string[];
  readonly template?: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly limit?: number;
  readonly quiet?: boolean;
}

/** Lists capsules, newest first. */
export async function ps(context: Context, options: ListVerbOptions): Promise<void> {
  const { status, template, label: metadata, limit = Number.POSITIVE_INFINITY, quiet } = options;
  const wrenn = await context.wrenn();
  const found: CapsuleInfo[] = [];
  const filters = { status: status as readonly CapsuleStatus[] | undefined, template, metadata };
  if (limit > 0)
    for await (const { lastInfo } of wrenn.capsules.list({ ...filters, signal: context.signal })) {
      found.push(lastInfo);
      if (found.length >= limit) break;
    }
  context.output.data(found, () =>
    quiet === true
      ? found.map(({ id }) => `${id}\n`).join("")
      : renderTable(capsuleColumns(Date.now()), found),
  );
}
