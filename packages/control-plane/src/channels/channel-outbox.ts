import type { Random } from "@wrenn/core";
import { deliveryQueries } from "@wrenn/database";
import type { Database, Delivery } from "@wrenn/database";
import { eventJson } from "../events/event-json.ts";
import type { Outbox } from "../outbox/outbox-worker.ts";
import type { SealedJson } from "../secrets/sealed-json.ts";
import { send } from "./outgoing.ts";
import type { OutgoingPolicy } from "./outgoing.ts";
import { composeRequest } from "./channel-providers.ts";
import type { ChannelConfig, ChannelProvider } from "./channel-providers.ts";

/** After the first failure, the second, and so on; after the last it is given up. */
const WAITS_MS = [10_000, 30_000, 120_000, 600_000, 3_600_000];

export interface ChannelOutboxDeps {
  readonly database: Database;
  readonly random: Random;
  readonly outgoing: OutgoingPolicy;
  readonly sealed: SealedJson<ChannelConfig>;
}

/** Delivers the notifications of channels. */
export function channelOutbox({ database, random, outgoing, sealed }: ChannelOutboxDeps): Outbox<Delivery> {
  return {
    topic: "wrenn_deliveries",
    name: "channel",
    claim: async (limit, claimMs) => await deliveryQueries.claimDeliveries(database.db, limit, claimMs),
    deliver: async ({ provider, config, event, channelId }, signal) => {
      const opened = sealed.open(channelId, config);
      // Ours to write down before, so it is one of them.
      await send(
        outgoing,
        composeRequest(provider as ChannelProvider, opened, eventJson(event), random),
        signal,
      );
    },
    waitAfter: ({ attempts }) => WAITS_MS[attempts - 1],
    settle: async (id, outcome) => await deliveryQueries.settleDelivery(database.db, id, outcome),
  };
}
