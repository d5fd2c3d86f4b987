import { defined, formatId, parseId, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { channelQueries, teamQueries } from "@wrenn/database";
import type { ChannelRow, Database, LiveSession, Trx } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import type { Notification } from "./notification.ts";
import { composeRequest } from "./channel-providers.ts";
import type { ChannelConfig, ChannelProvider } from "./channel-providers.ts";
import type { SealedJson } from "../secrets/sealed-json.ts";

const SECRET_BYTES = 32;

export interface NewChannel {
  readonly name: string;
  readonly provider: ChannelProvider;
  readonly config: ChannelConfig;
  readonly events: readonly string[];
}

export interface ChannelsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly audit: AuditLog;
  readonly sealed: SealedJson<ChannelConfig>;
}

/** Channels of teams (docs/reference/rest-api.md#channels): any member may set them up, since they tell what members see anyway. */
export class ChannelsService {
  readonly #deps: ChannelsDeps;

  constructor(deps: ChannelsDeps) {
    this.#deps = deps;
  }

  /** @returns also the secret of a webhook that was given none; it is shown this once. @throws WrennError `channel_name_taken`, `quota_exceeded`, `invalid_field`. */
  async create(
    session: LiveSession,
    channel: NewChannel,
  ): Promise<{ readonly row: ChannelRow; readonly secret: string | undefined }> {
    const { database, random, sealed } = this.#deps;
    const { teamId } = session;
    const { config, generated } = this.#completeConfig(channel.provider, channel.config, undefined);
    const team = await teamQueries.findTeam(database.db, teamId);
    const limit = team?.max_channels ?? 0;
    const present = await this.list(teamId);
    if (present.length >= limit)
      throw new WrennError("quota_exceeded", { what: "channels", limit, wanted: present.length + 1 });
    const id = random.uuid();
    const row = await database.db.transaction().execute(async (trx) => {
      const inserted = await channelQueries.insertChannel(trx, {
        id,
        team_id: teamId,
        name: channel.name,
        provider: channel.provider,
        events: [...channel.events],
        config: sealed.seal(id, config),
      });
      if (!inserted) throw new WrennError("channel_name_taken", { name: channel.name });
      await this.#audit(trx, session, inserted, "create", "success");
      return inserted;
    });
    return { row, secret: generated };
  }

  async list(teamId: string): Promise<readonly ChannelRow[]> {
    return await channelQueries.listChannels(this.#deps.database.db, teamId);
  }

  /** @throws WrennError `channel_not_found`. */
  async get(teamId: string, publicId: string): Promise<ChannelRow> {
    const row = await channelQueries.findChannel(
      this.#deps.database.db,
      teamId,
      parseId("channel", publicId),
    );
    if (!row) throw new WrennError("channel_not_found", {});
    return row;
  }

  /** Changes what is given and leaves the rest. @throws WrennError `channel_not_found`, `channel_name_taken`. */
  async change(
    session: LiveSession,
    publicId: string,
    change: { readonly name?: string | undefined; readonly events?: readonly string[] | undefined },
  ): Promise<ChannelRow> {
    const { database, clock } = this.#deps;
    return await database.db.transaction().execute(async (trx) => {
      const row = await this.get(session.teamId, publicId);
      const { name, events } = change;
      if (
        name !== undefined &&
        name !== row.name &&
        (await channelQueries.findChannelNamed(trx, session.teamId, name))
      )
        throw new WrennError("channel_name_taken", { name });
      const changed = await channelQueries.changeChannel(
        trx,
        row.id,
        defined({ name, events: events && [...events] }),
        new Date(clock.now()),
      );
      await this.#audit(trx, session, changed, "update", "info");
      return changed;
    });
  }

  /**
   * Puts another configuration in the place of the present one. A webhook keeps its secret unless it is given another.
   *
   * @throws WrennError `channel_not_found`, `invalid_field`.
   */
  async configure(session: LiveSession, publicId: string, given: ChannelConfig): Promise<ChannelRow> {
    const { database, clock, sealed } = this.#deps;
    const row = await this.get(session.teamId, publicId);
    const { config } = this.#completeConfig(
      row.provider as ChannelProvider,
      given,
      sealed.open(row.id, row.config),
    );
    return await database.db.transaction().execute(async (trx) => {
      const changed = await channelQueries.changeChannel(
        trx,
        row.id,
        { config: sealed.seal(row.id, config) },
        new Date(clock.now()),
      );
      await this.#audit(trx, session, changed, "rotate_config", "info");
      return changed;
    });
  }

  /** One that is not there is fine. */
  async remove(session: LiveSession, publicId: string): Promise<void> {
    const id = parseId("channel", publicId);
    await this.#deps.database.db.transaction().execute(async (trx) => {
      const row = await channelQueries.findChannel(trx, session.teamId, id);
      if (!row || !(await channelQueries.deleteChannel(trx, session.teamId, id))) return;
      await this.#audit(trx, session, row, "delete", "warning");
    });
  }

  /** Checks a configuration by making a request of it, and gives a webhook a secret. */
  #completeConfig(
    provider: ChannelProvider,
    given: ChannelConfig,
    before: ChannelConfig | undefined,
  ): { readonly config: ChannelConfig; readonly generated: string | undefined } {
    const { random } = this.#deps;
    const needsSecret = provider === "webhook" && given["secret"] === undefined;
    const kept = needsSecret ? before?.["secret"] : undefined;
    const generated = needsSecret && kept === undefined ? randomHex(random, SECRET_BYTES) : undefined;
    const secret = kept ?? generated;
    const config = secret === undefined ? given : { ...given, secret };
    composeRequest(provider, config, sample, random);
    return { config, generated };
  }

  async #audit(
    trx: Trx,
    session: LiveSession,
    row: ChannelRow,
    action: string,
    status: "success" | "info" | "warning",
  ): Promise<void> {
    await this.#deps.audit.write(
      trx,
      { teamId: session.teamId, session },
      {
        resource: "channel",
        resourceId: formatId("channel", row.id),
        action,
        status,
        metadata: { name: row.name, provider: row.provider },
      },
    );
  }
}

const sample: Notification = {
  event: "channel.test",
  timestamp: new Date(0).toISOString(),
  team_id: "team",
  actor: { type: "system" },
  resource: { id: "test", type: "channel" },
  data: {},
};
