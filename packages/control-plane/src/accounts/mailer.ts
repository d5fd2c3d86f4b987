import type { Logger } from "@wrenn/core";

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** What the reader is to open. */
  readonly link?: string;
}

/** Takes mails to people. */
export interface Mailer {
  /** Takes a mail over; delivering it, and saying why that failed, happens later. */
  send(mail: Mail): void;
}

/** Without a mail server, mails are in the server's log: whoever runs the server passes links on. */
export function logMailer(logger: Logger): Mailer {
  return {
    send: ({ to, subject, link }) =>
      logger.info("mail.not_configured", { to, subject, ...(link === undefined ? {} : { link }) }),
  };
}
