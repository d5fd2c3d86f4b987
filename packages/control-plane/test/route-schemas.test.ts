import assert from "node:assert/strict";
import { after, test } from "node:test";
import { silentLogger, systemRandom } from "@wrenn/core";
import { Type } from "typebox";
import { createApp } from "../src/http/create-app.ts";
import { RouteSchemas } from "../src/http/route-schemas.ts";
import { RouteList } from "./support/route-list.ts";
import { TestPlatform } from "./support/test-platform.ts";

using list = new RouteList();
const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());

test("the schemas of every route can be compiled, and none is before its first use", () => {
  const routes = list.all().length;
  assert.ok(routes > 100, `${routes} routes`);
  const compiled = platform.schemas.compileAll();
  // Every route describes at least its errors.
  assert.ok(compiled > 2 * routes, `${compiled} schemas of ${routes} routes`);
  assert.equal(platform.schemas.compileAll(), 0);
});

test("a request compiles the schemas that it needs, once, and is validated and answered by them", async () => {
  const schemas = new RouteSchemas();
  const app = await createApp({ logger: silentLogger, random: systemRandom, schemas }, "0.0.0");
  const response = { 200: Type.Object({ size: Type.Integer() }), 201: Type.Object({}) };
  const schema = { querystring: Type.Object({ size: Type.Integer() }), response };
  app.get("/sized", { schema }, async ({ query }) => ({ ...query, unlisted: true }));
  await app.ready();
  for (let calls = 0; calls < 2; calls++) {
    const answer = await app.inject("/sized?size=3");
    assert.deepEqual([answer.statusCode, answer.json()], [200, { size: 3 }]);
  }
  assert.equal((await app.inject("/sized?size=three")).statusCode, 400);
  // Of GET the one for 201, and all three of HEAD.
  assert.equal(schemas.compileAll(), 4);
  await app.close();
});

test("parts of a path are converted where a route asks for other values than texts, and checked always", async () => {
  const app = await createApp({ logger: silentLogger, random: systemRandom }, "0.0.0");
  const texts = Type.Object({ id: Type.String({ pattern: "^[a-z0-9]+$" }) });
  const numbers = Type.Object({ id: Type.Integer() });
  app.get("/texts/:id", { schema: { params: texts } }, async ({ params }) => params);
  app.get("/numbers/:id", { schema: { params: numbers } }, async ({ params }) => params);
  await app.ready();
  assert.deepEqual((await app.inject("/texts/5")).json(), { id: "5" });
  assert.deepEqual((await app.inject("/numbers/5")).json(), { id: 5 });
  for (const path of ["/texts/A", "/numbers/x"]) assert.equal((await app.inject(path)).statusCode, 400);
  await app.close();
});

test("a broken schema is reported with its route", async () => {
  const schemas = new RouteSchemas();
  const app = await createApp({ logger: silentLogger, random: systemRandom, schemas }, "0.0.0");
  app.get("/broken", { schema: { response: { 200: { $ref: "nowhere" } } } }, async () => ({}));
  await app.ready();
  assert.throws(() => schemas.compileAll(), /GET \/broken/);
  await app.close();
});
