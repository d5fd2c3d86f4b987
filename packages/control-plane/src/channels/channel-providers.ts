import { createHmac } from "node:crypto";
import { WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { notificationText } from "./notification.ts";
import type { Notification } from "./notification.ts";
import type { OutgoingRequest } from "./outgoing.ts";

export const channelProviders = [
  "webhook",
  "slack",
  "discord",
  "teams",
  "googlechat",
  "telegram",
  "matrix",
] as const;
export type ChannelProvider = (typeof channelProviders)[number];
export type ChannelConfig = Readonly<Record<string, string>>;

type Compose = (config: ChannelConfig, notification: Notification, random: Random) => OutgoingRequest;

/** The request that each service expects (docs/reference/control-plane.md#events). */
const composers: Readonly<
  Record<ChannelProvider, { readonly keys: readonly string[]; readonly compose: Compose }>
> = {
  webhook: { keys: ["url", "secret"], compose: webhook },
  slack: {
    keys: ["webhook_url"],
    compose: (config, notification) =>
      post(urlOf(config, "webhook_url", /^\/services\/[^/]+\/[^/]+\/[^/]+$/), {
        text: escapeMarkup(notificationText(notification)),
      }),
  },
  discord: {
    keys: ["webhook_url"],
    // Names that people chose must not call everybody.
    compose: (config, notification) =>
      post(urlOf(config, "webhook_url", /^\/api\/webhooks\/\d+\/[\w-]+$/), {
        content: notificationText(notification).slice(0, 2000),
        allowed_mentions: { parse: [] },
      }),
  },
  teams: {
    keys: ["webhook_url"],
    compose: (config, notification) =>
      post(urlOf(config, "webhook_url"), {
        "@type": "MessageCard",
        "@context": "https://schema.org/extensions",
        summary: notificationText(notification).split("\n")[0],
        text: notificationText(notification).replaceAll("\n", "\n\n"),
      }),
  },
  googlechat: {
    keys: ["webhook_url"],
    compose: (config, notification) => {
      const url = urlOf(config, "webhook_url");
      if (url.host !== "chat.googleapis.com")
        throw invalidConfig("webhook_url", "must be on chat.googleapis.com");
      return post(url, { text: escapeMarkup(notificationText(notification)) });
    },
  },
  telegram: {
    keys: ["bot_token", "chat_id"],
    compose: (config, notification) => {
      const token = valueOf(config, "bot_token", /^\d+:[\w-]{1,128}$/);
      return post(new URL(`https://api.telegram.org/bot${token}/sendMessage`), {
        chat_id: valueOf(config, "chat_id", /^(-?\d{1,20}|@\w{1,64})$/),
        text: notificationText(notification),
      });
    },
  },
  matrix: {
    keys: ["homeserver_url", "access_token", "room_id"],
    compose: (config, notification, random) => {
      const room = encodeURIComponent(valueOf(config, "room_id", /^![^\s]{1,254}$/));
      const path = `/_matrix/client/v3/rooms/${room}/send/m.room.message/${random.uuid()}`;
      const token = valueOf(config, "access_token", /^[\x21-\x7e]{1,1024}$/);
      return {
        ...post(new URL(path, urlOf(config, "homeserver_url")), {
          msgtype: "m.text",
          body: notificationText(notification),
        }),
        method: "PUT",
        headers: { authorization: `Bearer ${token}` },
      };
    },
  },
};

/**
 * The request that tells a service.
 *
 * @throws WrennError `invalid_field` for a configuration that is not of this service; values are not in it.
 */
export function composeRequest(
  provider: ChannelProvider,
  config: ChannelConfig,
  notification: Notification,
  random: Random,
): OutgoingRequest {
  const { keys, compose: composeFor } = composers[provider];
  if (Object.keys(config).some((key) => !keys.includes(key)))
    throw new WrennError("invalid_field", {
      field: "config",
      problem: `of ${provider} has the keys ${keys.join(", ")}`,
    });
  return composeFor(config, notification, random);
}

/** Signed if there is a secret: HMAC-SHA256 over the time, a dot, and the body. */
function webhook(config: ChannelConfig, notification: Notification, random: Random): OutgoingRequest {
  const { event, timestamp, team_id, actor, resource } = notification;
  const request = post(urlOf(config, "url"), { event, timestamp, team_id, actor, resource });
  const headers = { "x-wrenn-timestamp": timestamp, "x-wrenn-delivery": random.uuid() };
  if (config["secret"] === undefined) return { ...request, headers };
  const secret = valueOf(config, "secret", /^[\x20-\x7e]{16,256}$/);
  const signature = createHmac("sha256", secret).update(`${timestamp}.${request.body}`).digest("hex");
  return { ...request, headers: { ...headers, "x-wrenn-signature": `sha256=${signature}` } };
}

function post(url: URL, body: object): OutgoingRequest {
  return { method: "POST", url, headers: {}, body: JSON.stringify(body) };
}

/** Slack and Google Chat read `<…>` and `&` as markup; a name such as `<!channel>` would call everybody. */
function escapeMarkup(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function valueOf(config: ChannelConfig, key: string, pattern: RegExp): string {
  const value = config[key];
  if (value === undefined || !pattern.test(value))
    throw invalidConfig(
      key,
      value === undefined ? "is required" : "has not the form that the service gives it",
    );
  return value;
}

function urlOf(config: ChannelConfig, key: string, path?: RegExp): URL {
  const url = URL.parse(valueOf(config, key, /^https?:\/\/\S{1,2000}$/));
  if (!url || (path && !path.test(url.pathname))) throw invalidConfig(key, "is not a URL of this service");
  return url;
}

function invalidConfig(key: string, problem: string): WrennError {
  return new WrennError("invalid_field", { field: `config.${key}`, problem });
}
