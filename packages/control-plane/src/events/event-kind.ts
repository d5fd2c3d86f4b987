import type { EventResource } from "@wrenn/database";
import type { TSchema } from "typebox";

/** A kind of event: everything that the API, its description and the guide say about it. */
export interface EventKind {
  /** When it happens, for people. */
  readonly summary: string;
  readonly resource: EventResource;
  /** `data` of such an event. */
  readonly data: TSchema;
  /**
   * Stored events have ids, and a client that reconnects receives those that it missed. Others are sent only while they happen, to
   * streams that ask for their kind and for one capsule.
   */
  readonly stored: boolean;
  /**
   * Who receives it: everyone who may read what the team has; people who are logged in to the team; or its owners and admins, and
   * the person whose key it is.
   */
  readonly audience: "team" | "people" | "keepers";
  /** Release that has it first. */
  readonly since: string;
}
