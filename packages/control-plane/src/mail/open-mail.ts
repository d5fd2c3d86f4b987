import type { Clock, Logger, Random } from "@wrenn/core";
import type { Database, WaitingMail } from "@wrenn/database";
import { OutboxWorker } from "../outbox/outbox-worker.ts";
import { MailOutbox } from "./mail-outbox.ts";
import type { MailTransport } from "./mailer.ts";

export interface MailDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** The mail server; without one mails are kept for administrators. */
  readonly mailTransport: MailTransport | undefined;
}

/** Opens the outbox of mails and, where there is a mail server, the worker that delivers them. */
export async function openMail(
  deps: MailDeps,
): Promise<{ readonly mailOutbox: MailOutbox; readonly mailWorker: OutboxWorker<WaitingMail> | undefined }> {
  const { database, clock, logger, random, mailTransport } = deps;
  const mailOutbox = await MailOutbox.open({ database, clock, logger, random, transport: mailTransport });
  const deliveries = mailOutbox.deliveries();
  return { mailOutbox, mailWorker: deliveries && new OutboxWorker({ database, clock, logger }, deliveries) };
}
