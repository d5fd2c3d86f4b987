import { DAY_MS, defined } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { mailQueries } from "@wrenn/database";
import type { Database, Db, MailRow, Page, WaitingMail } from "@wrenn/database";
import type { Outbox } from "../outbox/outbox-worker.ts";
import { SealedJson } from "../secrets/sealed-json.ts";
import { MailRefused } from "./mailer.ts";
import type { Letter, Mail, Mailer, MailTransport } from "./mailer.ts";

const CHANNEL = "wrenn_mails";
const DEFAULT_LIFE_MS = 3 * DAY_MS;
/** After the first failure, the second, and so on; after the last of them always the last, until the mail is over. */
const WAITS_MS = [10_000, 30_000, 120_000, 600_000, 3_600_000] as const;

/** What lies encrypted in the database. */
interface Content {
  readonly subject: string;
  readonly text: string;
  readonly link?: string;
}

export interface MailOutboxDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** Without a mail server administrators pass on what is to be told. */
  readonly transport?: MailTransport | undefined;
}

/** A mail as administrators see it. */
export interface ListedMail extends MailRow {
  readonly place?: string;
  /** Only while there is no mail server: administrators forward it. */
  readonly toForward?: Content;
}

/** Mails on their way: in the database until the mail server has them, or until they are over. */
export class MailOutbox implements Mailer {
  readonly #deps: MailOutboxDeps;
  readonly #sealed: SealedJson<Content>;

  private constructor(deps: MailOutboxDeps, sealed: SealedJson<Content>) {
    this.#deps = deps;
    this.#sealed = sealed;
  }

  static async open(deps: MailOutboxDeps): Promise<MailOutbox> {
    return new MailOutbox(deps, await SealedJson.open(deps.database, deps.random, "mails"));
  }

  async send(db: Db, mail: Mail): Promise<void> {
    const { clock, logger, random, transport } = this.#deps;
    const { kind, to, subject, text, link, tokenHash } = mail;
    const id = random.uuid();
    const content = { subject, text, ...defined({ link }) };
    const expiresAt = mail.expiresAt ?? new Date(clock.now() + DEFAULT_LIFE_MS);
    const state = transport ? "waiting" : "kept";
    const row = {
      id,
      recipient: to,
      kind,
      content: this.#sealed.seal(id, content),
      tokenHash,
      state,
      expiresAt,
    };
    await mailQueries.insertMail(db, { ...row, state }, CHANNEL);
    // The link opens the account that it is for: administrators read it with GET /v1/admin/mails, which is audited.
    if (!transport) logger.info("mail.not_configured", { to, subject });
  }

  /** Newest first. */
  async list(page?: Page): Promise<readonly ListedMail[]> {
    const { database, clock } = this.#deps;
    const rows = await mailQueries.listMails(database.db, new Date(clock.now()), page);
    return rows.map((row) =>
      row.state === "kept" && row.content
        ? { ...row, toForward: this.#sealed.open(row.id, row.content) }
        : row,
    );
  }

  /** What a worker takes to the mail server; undefined without one. */
  deliveries(): Outbox<WaitingMail> | undefined {
    const { database, clock, transport } = this.#deps;
    if (!transport) return undefined;
    return {
      topic: CHANNEL,
      name: "mail",
      claim: async (limit, claimMs) =>
        await mailQueries.claimMails(database.db, limit, claimMs, new Date(clock.now())),
      deliver: async ({ id, recipient, content }, signal) =>
        await transport.deliver(id, letterOf(recipient, this.#sealed.open(id, content)), signal),
      waitAfter: ({ attempts, expiresAt }, error) => {
        const wait = WAITS_MS[attempts - 1] ?? WAITS_MS[4];
        const isOver = clock.now() + wait >= expiresAt.getTime();
        return error instanceof MailRefused || isOver ? undefined : wait;
      },
      settle: async (id, outcome) => await mailQueries.settleMail(database.db, id, outcome),
    };
  }
}

function letterOf(to: string, { subject, text, link }: Content): Letter {
  const paragraphs = ["Hello,", text, ...(link === undefined ? [] : [link]), "-- \nWrenn"];
  return { to, subject, text: `${paragraphs.join("\n\n")}\n` };
}
