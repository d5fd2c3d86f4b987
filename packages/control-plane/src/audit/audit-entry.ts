import type { AuditRow } from "@wrenn/database";

/** What the audit log says about something that was done; who did it is added. */
export interface AuditEntry {
  readonly resource: string;
  readonly resourceId?: string;
  readonly action: string;
  readonly scope?: AuditRow["scope"];
  readonly status?: AuditRow["status"];
  readonly metadata?: Readonly<Record<string, string>>;
}
