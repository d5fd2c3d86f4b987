import type { ConnectHost, HostCertifier } from "@wrenn/control-plane";
import { formatId, problemOf, systemClock, systemRandom } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { secretQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { connectHostAgent, HostAuthority } from "@wrenn/host-link";

/** Our own certificate lives a day; a new one is there after half of it, or as soon as making one succeeds again. */
const RENEW_MS = 12 * 3_600_000;
const RETRY_MS = 60_000;

/** What a control plane needs for hosts on other machines: the authority that all of the database share, and links. */
export interface HostLinks {
  readonly certifier: HostCertifier;
  readonly connectHost: ConnectHost;
  close(): void;
}

export async function openHostLinks(database: Database, logger: Logger): Promise<HostLinks> {
  const fresh = Buffer.from(JSON.stringify(await HostAuthority.make(systemClock, systemRandom)));
  const kept = Buffer.from(await secretQueries.ensureSecret(database.db, "host-authority", fresh)).toString();
  const keys = JSON.parse(kept) as { readonly cert: string; readonly key: string };
  const authority = new HostAuthority(keys, systemClock, systemRandom);
  let credentials = await authority.issueControlPlane();
  const renew = async (): Promise<void> => {
    try {
      credentials = await authority.issueControlPlane();
      timer = later(RENEW_MS);
    } catch (error) {
      logger.error("link.renewal_failed", { problem: problemOf(error) });
      timer = later(RETRY_MS);
    }
  };
  const later = (ms: number): NodeJS.Timeout => setTimeout(() => void renew(), ms).unref();
  let timer = later(RENEW_MS);
  return {
    certifier: {
      issue: async ({ hostId, ...request }) =>
        await authority.issueHost({ ...request, hostId: formatId("host", hostId) }),
    },
    connectHost: ({ id, address }) =>
      connectHostAgent({
        hostId: formatId("host", id),
        address,
        credentials: () => credentials,
        clock: systemClock,
        logger,
        random: systemRandom,
      }),
    close: () => clearTimeout(timer),
  };
}
