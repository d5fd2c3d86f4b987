import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom, WrennError } from "@wrenn/core";
import { composeRequest } from "../src/channels/channel-providers.ts";
import type { ChannelConfig, ChannelProvider } from "../src/channels/channel-providers.ts";

const told = {
  event: "capsule.paused",
  timestamp: "2026-01-02T03:04:05.000Z",
  team_id: "team-1",
  actor: { type: "user" as const, id: "usr-1", name: "<!channel> & co" },
  resource: { id: "cl-1", type: "sandbox" as const },
  data: {},
};
const make = (provider: ChannelProvider, config: ChannelConfig) =>
  composeRequest(provider, config, told, systemRandom);
const first = "Capsule cl-1 paused\nEvent: capsule.paused\nResource: sandbox cl-1\n";

test("each service is told in its own form, and names call nobody", () => {
  const texts: readonly [ChannelProvider, ChannelConfig, string, string][] = [
    ["slack", { webhook_url: "https://hooks.slack.com/services/T/B/X" }, "/services/T/B/X", "text"],
    ["discord", { webhook_url: "https://discord.com/api/webhooks/1/t-x" }, "/api/webhooks/1/t-x", "content"],
    ["googlechat", { webhook_url: "https://chat.googleapis.com/v1/x?key=k" }, "/v1/x", "text"],
    ["telegram", { bot_token: "12:ab-C", chat_id: "-5" }, "/bot12:ab-C/sendMessage", "text"],
  ];
  for (const [provider, config, path, field] of texts) {
    const { url, body, method } = make(provider, config);
    const text = String((JSON.parse(body) as Record<string, unknown>)[field]);
    assert.deepEqual([method, url.pathname], ["POST", path]);
    assert.ok(text.startsWith(first), text);
    if (provider === "slack" || provider === "googlechat") assert.ok(!text.includes("<!channel>"));
    if (provider === "discord") assert.match(body, /"allowed_mentions":\{"parse":\[\]\}/);
  }
  const teams = make("teams", { webhook_url: "https://x.webhook.office.com/y" });
  assert.match(teams.body, /"summary":"Capsule cl-1 paused"/);
  const matrix = make("matrix", {
    homeserver_url: "https://m.org",
    access_token: "t",
    room_id: "!a/b:m.org",
  });
  assert.match(
    matrix.url.pathname,
    /^\/_matrix\/client\/v3\/rooms\/!a%2Fb%3Am\.org\/send\/m\.room\.message\/[\w-]{36}$/,
  );
  assert.deepEqual([matrix.method, matrix.headers["authorization"]], ["PUT", "Bearer t"]);
});

test("a configuration that is not the service's is refused, and its values are not told", () => {
  const wrong: readonly [ChannelProvider, ChannelConfig][] = [
    ["webhook", {}],
    ["webhook", { url: "ftp://sEcReT" }],
    ["webhook", { url: "https://x.org", secret: "sEcReT" }],
    ["webhook", { url: "https://x.org", other: "sEcReT" }],
    ["slack", { webhook_url: "https://hooks.slack.com/sEcReT" }],
    ["discord", { webhook_url: "https://discord.com/api/webhooks/1/2/sEcReT" }],
    ["googlechat", { webhook_url: "https://chat.example.org/sEcReT" }],
    ["telegram", { bot_token: "1:a/../sEcReT", chat_id: "1" }],
    ["matrix", { homeserver_url: "https://m.org", access_token: "a\r\nsEcReT", room_id: "!a:m.org" }],
  ];
  for (const [provider, config] of wrong)
    assert.throws(
      () => make(provider, config),
      (error) => WrennError.is(error, "invalid_field") && !error.message.includes("sEcReT"),
      `${provider} ${JSON.stringify(config)}`,
    );
});
