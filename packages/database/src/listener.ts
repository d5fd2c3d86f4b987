import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import pg from "pg";

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;

export interface Listening {
  close(): Promise<void>;
}

/**
 * Hears notifications of a topic on a connection of its own, which is made again whenever it breaks.
 *
 * @param onPayload called for each notification, and with undefined after each connect: something may have been missed before.
 */
export function listen(
  config: pg.ClientConfig,
  topic: string,
  onPayload: (payload: string | undefined) => void,
  logger: Logger,
): Listening {
  let closed = false;
  let current: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  const again = (wait: number, error: unknown): void => {
    if (closed) return;
    logger.debug("database.listener_lost", { problem: problemOf(error) });
    timer = setTimeout(() => void connect(Math.min(wait * 2, LONGEST_WAIT_MS)), wait);
    timer.unref();
  };
  const connect = async (wait: number): Promise<void> => {
    const client = new pg.Client({ ...config, keepAlive: true });
    current = client;
    let lost = false;
    client.on("error", (error) => {
      if (lost) return;
      lost = true;
      void leave(client);
      again(FIRST_WAIT_MS, error);
    });
    client.on("notification", ({ payload }) => onPayload(payload ?? ""));
    try {
      await client.connect();
      await client.query(`listen ${pg.escapeIdentifier(topic)}`);
      onPayload(undefined);
    } catch (error) {
      lost = true;
      void leave(client);
      again(wait, error);
    }
  };
  void connect(FIRST_WAIT_MS);
  return {
    close: async () => {
      closed = true;
      clearTimeout(timer);
      if (current) await leave(current);
    },
  };
}

/** Ends a connection that may be broken already. */
async function leave(client: pg.Client): Promise<void> {
  try {
    await client.end();
  } catch {
    // It had ended.
  }
}
