import { formatId, problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { discardedTemplateQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import type { HostAgent } from "@wrenn/protocol";

const DELETE_MS = 60_000;
/** Until files that a capsule uses, or that could not be removed, are tried again. */
const AGAIN_MS = 60_000;
/** In one look at a host: the rest is due at the next. */
const AT_ONCE = 20;

/**
 * Has a host remove the files of templates that nobody names any more.
 *
 * @throws WrennError `host_unavailable` when the host does not answer.
 */
export async function removeDiscarded(
  hostId: string,
  agent: HostAgent,
  { database, logger }: { readonly database: Database; readonly logger: Logger },
  closing: AbortSignal,
): Promise<void> {
  for (const hostKey of await discardedTemplateQueries.listDiscarded(database.db, hostId, AT_ONCE)) {
    if (closing.aborted) return;
    try {
      await agent.deleteSnapshot(hostKey, AbortSignal.any([closing, AbortSignal.timeout(DELETE_MS)]));
      await discardedTemplateQueries.forgetDiscarded(database.db, hostKey, hostId);
      logger.info("template.files_removed", { template: hostKey, host: formatId("host", hostId) });
    } catch (error) {
      if (WrennError.is(error, "host_unavailable")) throw error;
      await discardedTemplateQueries.discardTemplate(database.db, { hostKey, hostId }, AGAIN_MS);
      if (!WrennError.is(error, "template_in_use"))
        logger.warn("template.removal_failed", { template: hostKey, problem: problemOf(error) });
    }
  }
}
