import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DAY_MS, silentLogger, systemRandom } from "@wrenn/core";
import { decodeJwt, decodeProtectedHeader, SignJWT } from "jose";
import { Type } from "typebox";
import { SignedTokens } from "../src/secrets/signed-tokens.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { clock, database } = platform;
const Claims = Type.Object({ sub: Type.String() });
const WEEK_SEC = 7 * 86_400;

async function open(): Promise<SignedTokens> {
  return await SignedTokens.open({ database, clock, random: systemRandom, logger: silentLogger });
}

async function admits(
  tokens: SignedTokens,
  audience: "wrenn:people" | "wrenn:hosts",
  token: string,
): Promise<boolean> {
  return await tokens.verify(audience, token, Claims, () => true).catch(() => false);
}

test("a token for people is worth nothing for hosts, and the other way round", async () => {
  const tokens = await open();
  for (const [mine, other] of [
    ["wrenn:people", "wrenn:hosts"],
    ["wrenn:hosts", "wrenn:people"],
  ] as const) {
    const token = await tokens.sign(mine, "someone", { typ: "host" }, 60);
    assert.ok(await admits(tokens, mine, token));
    assert.ok(!(await admits(tokens, other, token)), `${mine} for ${other}`);
  }
  tokens.close();
});

test("a login's token names its audience; one without, of a key of now, is not accepted", async () => {
  const person = await platform.person("audience");
  assert.equal(decodeJwt(person.token).aud, "wrenn:people");
  const keys = database.db.selectFrom("signing_keys").selectAll().orderBy("created_at", "desc");
  const { kid, secret } = await keys.executeTakeFirstOrThrow();
  const claims = decodeJwt(person.token);
  delete claims.aud;
  const bare = await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid }).sign(secret);
  assert.equal(reasonOf(await platform.call("GET", "/v1/me", { token: bare })), "token_invalid");
  for (const aud of ["wrenn:hosts", ["wrenn:people", "wrenn:hosts"], ""]) {
    const other = await new SignJWT({ ...claims, aud })
      .setProtectedHeader({ alg: "HS256", kid })
      .sign(secret);
    assert.equal(reasonOf(await platform.call("GET", "/v1/me", { token: other })), "token_invalid");
  }
});

test("after an upgrade a new key signs, and tokens of the key of before are good until they end", async () => {
  await database.db.updateTable("signing_keys").set({ requires_audience: false }).execute();
  const [old] = await database.db.selectFrom("signing_keys").selectAll().execute();
  const now = Math.floor(clock.now() / 1000);
  const bare = await new SignJWT({})
    .setProtectedHeader({ alg: "HS256", kid: old?.kid ?? "" })
    .setIssuer("wrenn")
    .setSubject("someone")
    .setExpirationTime(now + WEEK_SEC)
    .sign(old?.secret ?? Buffer.alloc(0));
  const tokens = await open();
  assert.ok(await admits(tokens, "wrenn:hosts", bare));
  const fresh = await tokens.sign("wrenn:people", "someone", {}, 60);
  assert.notEqual(decodeProtectedHeader(fresh).kid, old?.kid);
  tokens.close();
});

test("keys are replaced after 30 days, known to every control plane, and deleted when nothing of them is good", async () => {
  const [one, other] = [await open(), await open()];
  const first = await one.sign("wrenn:hosts", "host", {}, WEEK_SEC);
  const { kid } = decodeProtectedHeader(first);
  clock.advance(29 * DAY_MS);
  await one.rotate();
  const late = await one.sign("wrenn:hosts", "host", {}, WEEK_SEC);
  assert.equal(decodeProtectedHeader(late).kid, kid);
  clock.advance(2 * DAY_MS);
  await one.rotate();
  const next = await one.sign("wrenn:hosts", "host", {}, WEEK_SEC);
  assert.notEqual(decodeProtectedHeader(next).kid, kid);
  assert.ok(await admits(other, "wrenn:hosts", next), "a key that another control plane made");
  assert.ok(await admits(one, "wrenn:hosts", late), "a token of the key of before");
  clock.advance(9 * DAY_MS);
  await one.rotate();
  const kids = await database.db.selectFrom("signing_keys").select("kid").execute();
  assert.ok(!kids.some((key) => key.kid === kid));
  one.close();
  other.close();
});

test("control planes that rotate at once agree on one key", async () => {
  clock.advance(31 * DAY_MS);
  const all = await Promise.all(Array.from({ length: 5 }, open));
  const kids = new Set<string | undefined>();
  for (const tokens of all) {
    kids.add(decodeProtectedHeader(await tokens.sign("wrenn:people", "someone", {}, 60)).kid);
    tokens.close();
  }
  assert.equal(kids.size, 1);
});

test("unknown keys make the database be asked once a second at most", async () => {
  let asked = 0;
  const { db } = database;
  const counted = new Proxy(db, {
    get: (target, name: keyof typeof db) => {
      if (name === "selectFrom") asked++;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const counting = await SignedTokens.open({
    database: { ...database, db: counted },
    clock,
    random: systemRandom,
    logger: silentLogger,
  });
  asked = 0;
  const forged = await new SignJWT({})
    .setProtectedHeader({ alg: "HS256", kid: "f".repeat(16) })
    .sign(Buffer.alloc(32));
  for (let n = 0; n < 50; n++) assert.ok(!(await admits(counting, "wrenn:people", forged)));
  assert.equal(asked, 1);
  clock.advance(1100);
  await admits(counting, "wrenn:people", forged);
  assert.equal(asked, 2);
  counting.close();
});
