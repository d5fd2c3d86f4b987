import { problemOf } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { claimDeliveries, settleDelivery } from "@wrenn/database";
import type { Database, Delivery, Listening } from "@wrenn/database";
import { eventJson } from "../events/event-json.ts";
import { send } from "./outgoing.ts";
import type { OutgoingPolicy } from "./outgoing.ts";
import { compose } from "./providers.ts";
import type { Provider } from "./providers.ts";
import type { SealedConfigs } from "./sealed-config.ts";

const CHANNEL = "wrenn_deliveries";
const AT_ONCE = 10;
/** Longer than an attempt can take. */
const CLAIM_MS = 60_000;
/** Between two looks without a notification: what failed is due by then at the latest. */
const LOOK_MS = 5000;
/** After the first failure, the second, and so on; after the last it is given up. */
const WAITS_MS = [10_000, 30_000, 120_000, 600_000, 3_600_000];

export interface DeliveryWorkerOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly outgoing: OutgoingPolicy;
  readonly sealed: SealedConfigs;
}

/** Tells channels what they want to hear of. Any number of control planes do so at once; each delivery is tried by one at a time. */
export class DeliveryWorker {
  readonly #options: DeliveryWorkerOptions;
  readonly #listening: Listening;
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #hint = Promise.withResolvers<void>();

  constructor(options: DeliveryWorkerOptions) {
    this.#options = options;
    this.#listening = options.database.listen(CHANNEL, () => this.#hint.resolve());
    this.#loop = this.#work();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the control plane is closing"));
    this.#hint.resolve();
    await this.#listening.close();
    await this.#loop;
  }

  async #work(): Promise<void> {
    const { database, clock, logger } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.#hint = Promise.withResolvers<void>();
      let claimed: readonly Delivery[] = [];
      try {
        claimed = await claimDeliveries(database.db, AT_ONCE, CLAIM_MS);
        await Promise.all(claimed.map((delivery) => this.#deliver(delivery)));
      } catch (error) {
        logger.warn("channel.deliveries_failed", { problem: problemOf(error) });
      }
      if (claimed.length > 0) continue;
      const over = new AbortController();
      const quiet = clock.sleep(LOOK_MS, AbortSignal.any([signal, over.signal])).catch(() => undefined);
      await Promise.race([this.#hint.promise, quiet]);
      over.abort();
    }
  }

  async #deliver({ id, attempts, provider, config, event, channelId }: Delivery): Promise<void> {
    const { database, logger, outgoing, random, sealed } = this.#options;
    try {
      const opened = sealed.open(channelId, config);
      // Ours to write down before, so it is one of them.
      await send(
        outgoing,
        compose(provider as Provider, opened, eventJson(event), random),
        this.#closing.signal,
      );
      await settleDelivery(database.db, id, { state: "delivered" });
    } catch (error) {
      // Not tried to its end: it is due again when the claim is over.
      if (this.#closing.signal.aborted) return;
      const problem = problemOf(error);
      const waitMs = WAITS_MS[attempts - 1];
      logger.info("channel.delivery_failed", { delivery: id, attempts, problem });
      await settleDelivery(
        database.db,
        id,
        waitMs === undefined ? { state: "failed", problem } : { state: "waiting", problem, waitMs },
      );
    }
  }
}
