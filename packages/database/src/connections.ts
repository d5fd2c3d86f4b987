import pg from "pg";

/** Told of a connection that broke while nothing was asked of it. */
type Lost = (error: Error) => void;

/**
 * A pool whose connections may break: one that does is replaced at the next query, which reports what it meets. The pool itself
 * listens to idle ones only; one that breaks between two queries of a transaction, or while it is closed, would end the process.
 */
export function openPool(config: pg.PoolConfig, lost: Lost): pg.Pool {
  const pool = new pg.Pool(config);
  pool.on("error", lost);
  pool.on("connect", (client) => client.on("error", lost));
  return pool;
}

/** A single connection that may break; the query that meets it says so. */
export function singleClient(config: pg.ClientConfig): pg.Client {
  const client = new pg.Client(config);
  client.on("error", () => {
    // Without a listener the process would end.
  });
  return client;
}
