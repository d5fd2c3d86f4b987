import { formatId, problemOf, SharedWork, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { discardedTemplateQueries, templateCopyQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import type { Fleet } from "../hosts/fleet.ts";
import { CopyMetrics } from "./copy-metrics.ts";
import { sendTemplate, SourceFailed } from "./send-template.ts";
import type { CopiedTemplate, SentBytes } from "./send-template.ts";
import { MAKING_MS } from "./templates.ts";

/** Until the host of a copy is told again that it is being made. */
const RENEW_MS = 60_000;
/** Between two reports of progress. */
const REPORT_MS = 500;
/** A copy that no capsule was started from for this long is removed. */
const UNUSED_MS = 7 * 24 * 3_600_000;
const AT_ONCE = 20;
const ABANDON_MS = 10_000;
const DELETE_MS = 60_000;

export interface TemplateCopiesDeps {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface EnsureOptions {
  /** Called again and again while the template is copied. */
  readonly onProgress: (sent: SentBytes) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Copies templates to hosts that need them: each template once at a time for each host, however many capsules wait for it. */
export class TemplateCopies {
  readonly metrics = new CopyMetrics();
  readonly #deps: TemplateCopiesDeps;
  readonly #shared = new SharedWork<void>();
  /** Of copies under way, by template and host. */
  readonly #progress = new Map<string, SentBytes>();

  constructor(deps: TemplateCopiesDeps) {
    this.#deps = deps;
  }

  /**
   * Makes sure that a host has a template.
   *
   * @param holders - hosts that had it when it was looked up.
   * @throws WrennError `template_hosts_unreachable`, `template_copy_failed`, `disk_full`, `snapshot_incompatible`, `template_copy_invalid`,
   *   `template_not_found` when its version ended meanwhile.
   */
  async ensure(
    template: CopiedTemplate,
    holders: readonly string[],
    hostId: string,
    { onProgress, signal }: EnsureOptions,
  ): Promise<void> {
    if (holders.includes(hostId)) {
      if (holders[0] !== hostId)
        await templateCopyQueries.touchCopy(this.#deps.database.db, template.hostKey, hostId);
      return;
    }
    const key = `${template.hostKey} ${hostId}`;
    const ended = new AbortController();
    const reporting = this.#report(key, onProgress, AbortSignal.any([signal, ended.signal]));
    try {
      await this.#shared.join(key, (inner) => this.#copy(key, template, hostId, inner), signal);
    } finally {
      ended.abort();
      await reporting;
    }
  }

  /** A host does not have a template that it had. @returns whether it was a copy, which may be made again. */
  async forget(hostKey: string, hostId: string): Promise<boolean> {
    return await templateCopyQueries.deleteCopy(this.#deps.database.db, hostKey, hostId);
  }

  /** @throws WrennError `template_hosts_unreachable`, `no_hosts` when a team can get a template from no host. */
  requireReachable(teamId: string, name: string, holders: readonly string[]): void {
    this.#deps.fleet.sourcesFor(teamId, name, holders);
  }

  /** Removes copies that were not used for a week. Called periodically. */
  async sweep(): Promise<void> {
    const { database, logger } = this.#deps;
    const unused = await database.db.transaction().execute(async (trx) => {
      const copies = await templateCopyQueries.deleteUnusedCopies(trx, UNUSED_MS, AT_ONCE);
      for (const copy of copies) await discardedTemplateQueries.discardTemplate(trx, copy, 0);
      return copies;
    });
    for (const { hostKey, hostId } of unused)
      logger.info("template.copy_unused", { template: hostKey, host: formatId("host", hostId) });
  }

  async #report(key: string, onProgress: EnsureOptions["onProgress"], signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    let last: SentBytes | undefined;
    while (!signal.aborted)
      try {
        const sent = this.#progress.get(key);
        if (sent && sent !== last) await onProgress(sent);
        last = sent;
        await clock.sleep(REPORT_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        // The copy goes on.
        logger.debug("template.progress_lost", { problem: problemOf(error) });
      }
  }

  async #copy(key: string, template: CopiedTemplate, hostId: string, signal: AbortSignal): Promise<void> {
    const { logger, clock } = this.#deps;
    const facts = { template: template.hostKey, host: formatId("host", hostId) };
    const since = clock.monotonic();
    logger.info("template.copying", facts);
    this.#progress.set(key, { doneBytes: 0, totalBytes: 0 });
    try {
      await this.#copyFromSome(key, template, hostId, signal);
      this.metrics.copies.labels("copied").inc();
      const bytes = this.#progress.get(key)?.totalBytes ?? 0;
      logger.info("template.copied", { ...facts, bytes, ms: Math.round(clock.monotonic() - since) });
    } catch (error) {
      this.metrics.copies.labels("failed").inc();
      logger.warn("template.copy_failed", { ...facts, problem: problemOf(error) });
      throw error;
    } finally {
      this.#progress.delete(key);
    }
  }

  async #copyFromSome(
    key: string,
    template: CopiedTemplate,
    hostId: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { database, fleet, logger } = this.#deps;
    const { hostKey } = template;
    const holders = await templateCopyQueries.listHolders(database.db, hostKey);
    if (holders.length === 0) throw new WrennError("template_not_found", { template: template.name });
    if (holders.includes(hostId)) return;
    let failure: unknown;
    for (const source of fleet.sourcesFor(fleet.ownerOf(hostId), template.name, holders))
      try {
        await this.#copyFrom(key, template, source, hostId, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof SourceFailed)) throw error;
        logger.warn("template.source_failed", {
          template: hostKey,
          host: formatId("host", source),
          problem: problemOf(error),
        });
        if (!WrennError.is(error.cause, "host_unavailable")) failure = failed(template, hostId, error.cause);
      }
    throw failure ?? unreachable(template.name, holders);
  }

  async #copyFrom(
    key: string,
    template: CopiedTemplate,
    source: string,
    hostId: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { database, clock, fleet } = this.#deps;
    const { hostKey } = template;
    // If this process ends before the copy has a row, its host removes it.
    const begin = (): Promise<void> =>
      discardedTemplateQueries.discardTemplate(database.db, { hostKey, hostId }, MAKING_MS);
    await begin();
    const over = new AbortController();
    const renewing = (async () => {
      for (;;) {
        await clock.sleep(RENEW_MS, over.signal);
        await begin();
      }
    })().catch(() => undefined);
    const target = fleet.agent(hostId);
    let before = 0;
    const onProgress = (sent: SentBytes): void => {
      this.metrics.bytes.inc(Math.max(0, sent.doneBytes - before));
      before = sent.doneBytes;
      this.#progress.set(key, sent);
    };
    const send = async (): Promise<void> =>
      await sendTemplate(template, fleet.agent(source), target, { clock, onProgress }, signal);
    try {
      await this.#makingRoom(hostId, send);
    } catch (error) {
      // What a cut link has delivered waits for the next attempt; the host gives it up after a while.
      if (!WrennError.is(error, "host_unavailable") && !(error instanceof SourceFailed))
        await target.abandonTemplateCopy(hostKey, AbortSignal.timeout(ABANDON_MS)).catch(() => undefined);
      signal.throwIfAborted();
      if (WrennError.is(error, "template_copy_invalid"))
        throw new WrennError(error.reason, {
          template: template.name,
          problem: String(error.context["problem"]),
        });
      if (WrennError.is(error, "route_not_found"))
        throw failed(template, hostId, new WrennError("host_outdated", { what: "copies of templates" }));
      throw WrennError.is(error, "host_unavailable") ? failed(template, hostId, error) : error;
    } finally {
      over.abort();
      await renewing;
    }
    await this.#record(template, hostId);
  }

  /** Does what needs room on a host, again and again, until none of its copies can be removed any more. */
  async #makingRoom(hostId: string, work: () => Promise<void>): Promise<void> {
    for (;;)
      try {
        await work();
        return;
      } catch (error) {
        if (!WrennError.is(error, "disk_full") || !(await this.#evict(hostId))) throw error;
      }
  }

  /** Removes the copy from a host that was not used for longest and that no capsule needs. @returns whether there was one. */
  async #evict(hostId: string): Promise<boolean> {
    const { database, fleet, logger } = this.#deps;
    for (const hostKey of await templateCopyQueries.listCopiesOn(database.db, hostId, AT_ONCE))
      try {
        await fleet.agent(hostId).deleteSnapshot(hostKey, AbortSignal.timeout(DELETE_MS));
        await templateCopyQueries.deleteCopy(database.db, hostKey, hostId);
        logger.info("template.copy_evicted", { template: hostKey, host: formatId("host", hostId) });
        return true;
      } catch (error) {
        if (!WrennError.is(error, "template_in_use")) throw error;
      }
    return false;
  }

  /** @throws WrennError `template_not_found` when the version ended while it was copied: its host removes the files. */
  async #record({ hostKey, name }: CopiedTemplate, hostId: string): Promise<void> {
    const { db } = this.#deps.database;
    const isThere = await db.transaction().execute(async (trx) => {
      if (!(await templateCopyQueries.putCopy(trx, hostKey, hostId))) return false;
      await discardedTemplateQueries.forgetDiscarded(trx, hostKey, hostId);
      return true;
    });
    if (isThere) return;
    await discardedTemplateQueries.discardTemplate(db, { hostKey, hostId }, 0);
    throw new WrennError("template_not_found", { template: name });
  }
}

function unreachable(template: string, holders: readonly string[]): WrennError {
  const hosts = holders.map((id) => formatId("host", id)).join(", ");
  return new WrennError("template_hosts_unreachable", { template, hosts });
}

function failed({ name: template }: CopiedTemplate, hostId: string, cause: unknown): WrennError {
  const host = formatId("host", hostId);
  return new WrennError("template_copy_failed", { template, host, problem: problemOf(cause) }, { cause });
}
