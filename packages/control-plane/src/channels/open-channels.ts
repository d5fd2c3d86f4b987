import type { Clock, Logger, Random } from "@wrenn/core";
import type { Database, Delivery } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import { OutboxWorker } from "../outbox/outbox-worker.ts";
import { SealedJson } from "../secrets/sealed-json.ts";
import { channelOutbox } from "./channel-outbox.ts";
import { ChannelsService } from "./channels-service.ts";
import type { OutgoingPolicy } from "./outgoing.ts";
import type { ChannelConfig } from "./channel-providers.ts";

export interface ChannelServicesDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly audit: AuditLog;
  readonly outgoing: OutgoingPolicy;
}

/** Opens the channels of teams and the worker that delivers their notifications. */
export async function openChannels({
  database,
  clock,
  logger,
  random,
  audit,
  outgoing,
}: ChannelServicesDeps): Promise<{
  readonly channels: ChannelsService;
  readonly channelWorker: OutboxWorker<Delivery>;
}> {
  const sealed = await SealedJson.open<ChannelConfig>(database, random, "channel-configs");
  return {
    channels: new ChannelsService({ database, clock, random, audit, sealed }),
    channelWorker: new OutboxWorker(
      { database, clock, logger },
      channelOutbox({ database, random, outgoing, sealed }),
    ),
  };
}
