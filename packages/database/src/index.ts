export { backupEmbedded, restoreEmbedded } from "./backup/embedded-backup.ts";
export type { ClusterOptions, RestoreResult } from "./backup/embedded-backup.ts";
export type { BackupSummary } from "./backup/write-backup.ts";
export { openDatabase, pingDatabase } from "./open-database.ts";
export type { Database, DatabaseOptions } from "./open-database.ts";
export * as accessQueries from "./queries/live-access.ts";
export * as apiKeyQueries from "./queries/api-keys.ts";
export type { ApiKeyRow, KeyGrant } from "./queries/api-keys.ts";
export * as operationQueries from "./queries/operations.ts";
export type { StorageClaim } from "./queries/operations.ts";
export * as retentionQueries from "./queries/retention.ts";
export type {
  CapsuleWithCheckpoints,
  DueWithin,
  Expiring,
  ExpiringCapsule,
  RetentionRules,
} from "./queries/retention.ts";
export * as storageQueries from "./queries/storage.ts";
export type { ReportedStorage } from "./queries/storage.ts";
export * as controlPlaneQueries from "./queries/control-planes.ts";
export * as hostCertificateQueries from "./queries/host-certificates.ts";
export * as hostQueries from "./queries/hosts.ts";
export type { HostRow, HostSize } from "./queries/hosts.ts";
export * as hostTokenQueries from "./queries/host-tokens.ts";
export * as placementQueries from "./queries/placement.ts";
export type { HostLoad } from "./queries/placement.ts";
export type { HostStatus, HostTokenPurpose, HostType } from "./host-tables.ts";
export * as capsuleQueries from "./queries/capsules.ts";
export type { NewCapsule, CapsuleChange, CapsuleRow, StartedCapsule } from "./queries/capsules.ts";
export * as capsuleListQueries from "./queries/capsule-lists.ts";
export type { CapsuleFilter, CapsuleListOptions } from "./queries/capsule-lists.ts";
export * as capsuleSettingQueries from "./queries/capsule-settings.ts";
export type { CapsuleSettings } from "./queries/capsule-settings.ts";
export * as idempotencyQueries from "./queries/idempotency.ts";
export type { EarlierCreate } from "./queries/idempotency.ts";
export * as unansweredQueries from "./queries/unanswered-creates.ts";
export type { DueCapsule } from "./queries/unanswered-creates.ts";
export * as quotaQueries from "./queries/quotas.ts";
export type { StoredUse, TeamUse } from "./queries/quotas.ts";
export * as usageQueries from "./queries/usage.ts";
export type { DayOfUse, UseBucket } from "./queries/usage.ts";
export { isPlace } from "./queries/page.ts";
export type { Page } from "./queries/page.ts";
export * as portLinkQueries from "./queries/port-links.ts";
export type { NewPortLink, PortLinkRow } from "./queries/port-links.ts";
export * as portQueries from "./queries/ports.ts";
export * as secretQueries from "./queries/secrets.ts";
export * as discardedTemplateQueries from "./queries/discarded-templates.ts";
export * as templateCopyQueries from "./queries/template-copies.ts";
export * as templateQueries from "./queries/templates.ts";
export * as templateUseQueries from "./queries/template-uses.ts";
export type { SpawnsOfVersion, TemplateUse } from "./queries/template-uses.ts";
export { DEFAULT_TAG } from "./queries/templates.ts";
export type { NewTemplate, TagRow, TemplateOfTeam, TemplateRow } from "./queries/templates.ts";
export * as announcedBuildQueries from "./queries/announced-builds.ts";
export type { AnnouncedBuild } from "./queries/announced-builds.ts";
export * as buildArchiveQueries from "./queries/build-archives.ts";
export * as buildLogQueries from "./queries/build-logs.ts";
export type { BuildLine, BuildStep, LogChange } from "./queries/build-logs.ts";
export * as buildQueries from "./queries/builds.ts";
export type { BuildEnd, BuildProgress, BuildRow, NewBuild } from "./queries/builds.ts";
export type {
  BuildDurations,
  BuildStatus,
  LineEnd,
  RecipeOptions,
  TemplateSettings,
} from "./build-tables.ts";
export * as teamQueries from "./queries/teams.ts";
export * as upkeepQueries from "./queries/account-upkeep.ts";
export * as deletionQueries from "./queries/deletion.ts";
export * as oneTimeTokenQueries from "./queries/one-time-tokens.ts";
export * as identityQueries from "./queries/identities.ts";
export type { IdentityKey, IdentityRow } from "./queries/identities.ts";
export * as deviceLoginQueries from "./queries/device-logins.ts";
export type { DeviceLoginRow } from "./queries/device-logins.ts";
export * as signInAttemptQueries from "./queries/sign-in-attempts.ts";
export * as signingKeyQueries from "./queries/signing-keys.ts";
export type { SigningKey } from "./queries/signing-keys.ts";
export * as sessionQueries from "./queries/sessions.ts";
export type { ListedSession, LiveSession, ProgramOfSession } from "./queries/sessions.ts";
export * as userQueries from "./queries/users.ts";
export type { UserRow } from "./queries/users.ts";
export { QueuedTransactions } from "./queued-transactions.ts";
export type { ApiKeyScope, DeviceKey } from "./account-tables.ts";
export type { Ingress } from "./capsule-columns.ts";
export type { CapsuleRowStatus, TemplateCopyProgress, Db, OperationKind, Schema, Trx } from "./schema.ts";
export type { Role } from "./account-tables.ts";
export * as auditQueries from "./queries/audit-log.ts";
export type { AuditRow, NewAuditRow } from "./queries/audit-log.ts";
export * as memberQueries from "./queries/members.ts";
export type { Member, TeamOfUser } from "./queries/members.ts";
export * as listeningPortQueries from "./queries/listening-ports.ts";
export * as invitationQueries from "./queries/invitations.ts";
export type { InvitationRow } from "./queries/invitations.ts";
export * as eventQueries from "./queries/events.ts";
export type { EventRow } from "./queries/events.ts";
export type { Actor, EventResource } from "./event-tables.ts";
export type { Listening } from "./listener.ts";
export * as channelQueries from "./queries/channels.ts";
export type { ChannelRow } from "./queries/channels.ts";
export * as deliveryQueries from "./queries/deliveries.ts";
export type { Delivery, DeliveryOutcome } from "./queries/deliveries.ts";
export * as mailQueries from "./queries/mails.ts";
export type { MailRow, WaitingMail } from "./queries/mails.ts";
export * as adminUserQueries from "./queries/admin-users.ts";
export type { ListedUser } from "./queries/admin-users.ts";
export * as adminTeamQueries from "./queries/admin-teams.ts";
export type { ListedTeam, TeamLimits } from "./queries/admin-teams.ts";
