import type { Db } from "@wrenn/database";

/** What a mail is about. */
export type MailKind =
  | "activation"
  | "account_exists"
  | "password_reset"
  | "password_changed"
  | "password_added"
  | "provider_connected"
  | "invitation"
  | "account_deleted";

export interface Mail {
  readonly kind: MailKind;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** What the reader is to open. */
  readonly link?: string;
  /** Hash of the one-time token in the link: when the token is gone, so is the mail. */
  readonly tokenHash?: string;
  /** After this nobody needs it; a few days without. */
  readonly expiresAt?: Date;
}

/** Takes mails to people. */
export interface Mailer {
  /** Takes a mail over in the transaction of what it tells of; it is delivered after the commit, or not at all. */
  send(db: Db, mail: Mail): Promise<void>;
}

/** Takes a mail to the mail server. */
export interface MailTransport {
  /**
   * @param id - of the mail, the same in every attempt.
   * @throws MailRefused for what no other attempt changes; any other error is tried again. Their messages hold nothing of the mail
   * but the recipient.
   */
  deliver(id: string, mail: Letter, signal: AbortSignal): Promise<void>;
}

/** A mail as people read it. */
export type Letter = Pick<Mail, "to" | "subject" | "text">;

/** The mail server will never take this mail. */
export class MailRefused extends Error {}
