import type { ConnectHost, HostCertifier } from "@wrenn/control-plane";
import { formatId, systemClock, systemRandom } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { secretQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { connectHostAgent, ControlPlaneCredentials, HostAuthority } from "@wrenn/host-link";

/** What a control plane needs for hosts on other machines: the authority that all of the database share, and links. */
export interface HostLinks {
  readonly certifier: HostCertifier;
  readonly connectHost: ConnectHost;
  close(): void;
}

export async function openHostLinks(database: Database, logger: Logger): Promise<HostLinks> {
  const kept = await secretQueries.ensureSecret(database.db, "host-authority", async () =>
    Buffer.from(JSON.stringify(await HostAuthority.make(systemClock, systemRandom))),
  );
  const keys = JSON.parse(kept.toString()) as { readonly cert: string; readonly key: string };
  const authority = new HostAuthority(keys, systemClock, systemRandom);
  const credentials = new ControlPlaneCredentials({ authority, logger });
  return {
    certifier: {
      issue: async ({ hostId, ...request }) =>
        await authority.issueHost({ ...request, hostId: formatId("host", hostId) }),
    },
    connectHost: ({ id, ...target }) =>
      connectHostAgent({
        ...target,
        hostId: formatId("host", id),
        credentials: () => credentials.current(),
        clock: systemClock,
        logger,
        random: systemRandom,
      }),
    close: () => credentials.close(),
  };
}
