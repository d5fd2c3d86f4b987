import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { listedFields } from "../src/http/listed-fields.ts";
import { prefersStrict } from "../src/http/strict-fields.ts";

const Schema = Type.Object({
  name: Type.Optional(Type.String()),
  envs: Type.Optional(Type.Record(Type.String(), Type.String())),
  network: Type.Optional(
    Type.Object({
      egress: Type.Optional(Type.String()),
      rules: Type.Array(Type.Object({ port: Type.Integer() })),
    }),
  ),
  either: Type.Optional(
    Type.Union([Type.Object({ left: Type.Integer() }), Type.Object({ right: Type.Integer() })]),
  ),
  both: Type.Optional(
    Type.Intersect([Type.Object({ one: Type.Integer() }), Type.Object({ two: Type.Integer() })]),
  ),
  whatever: Type.Optional(Type.Unknown()),
});

test("fields that a schema lists are kept, and the first other one is named by its path", () => {
  const rows: readonly (readonly [unknown, unknown, string | undefined])[] = [
    [{ name: "a", is_admin: true }, { name: "a" }, "is_admin"],
    [{ envs: { ANY: "1" }, extra: 1 }, { envs: { ANY: "1" } }, "extra"],
    [{ network: { egres: "deny", rules: [] } }, { network: { rules: [] } }, "network.egres"],
    [
      { network: { rules: [{ port: 1 }, { port: 2, host: "x" }] } },
      { network: { rules: [{ port: 1 }, { port: 2 }] } },
      "network.rules.1.host",
    ],
    [{ either: { right: 1, wrong: 2 } }, { either: { right: 1 } }, "either.wrong"],
    [{ both: { one: 1, two: 2, three: 3 } }, { both: { one: 1, two: 2 } }, "both.three"],
    [{ whatever: { a: { b: 1 } } }, { whatever: { a: { b: 1 } } }, undefined],
    [{ toString: 1, constructor: 2 }, {}, "toString"],
    ["text", "text", undefined],
    [null, null, undefined],
    [[{ x: 1 }], [{ x: 1 }], undefined],
  ];
  for (const [value, listed, unlisted] of rows)
    assert.deepEqual(listedFields(Schema, value), { listed, unlisted }, JSON.stringify(value));
});

test("a value that its schema allows loses nothing but what is not listed, whatever is added at any depth", () => {
  const valid = fc.record(
    {
      name: fc.string(),
      envs: fc.dictionary(fc.string(), fc.string()),
      network: fc.record(
        { rules: fc.array(fc.record({ port: fc.nat() }, { noNullPrototype: true })) },
        { noNullPrototype: true },
      ),
      whatever: fc.jsonValue(),
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  const extra = fc.tuple(
    fc.string().filter((name) => name !== "__proto__" && !(name in Schema.properties)),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(valid, extra, (value, [name, added]) => {
      assert.deepEqual(listedFields(Schema, value), { listed: value, unlisted: undefined });
      const more = { ...value, [name]: added };
      const { listed, unlisted } = listedFields(Schema, more);
      assert.deepEqual(listed, value);
      assert.ok(unlisted !== undefined && Value.Check(Schema, listed));
    }),
  );
});

test("a hostile field name is shown shortened and well formed", () => {
  const { unlisted = "" } = listedFields(Schema, { ["\ud800".repeat(5000)]: 1 });
  assert.ok(unlisted.length <= 200 && unlisted.isWellFormed());
});

test("the preference for strict handling is found among others", () => {
  for (const prefer of [
    "handling=strict",
    "respond-async, handling=strict",
    'Handling = "strict"; x=1',
    "handling=strict,wait=1",
  ])
    assert.ok(prefersStrict({ prefer }), prefer);
  for (const prefer of ["handling=lenient", "xhandling=strict", "handling=strictly", "", "handling"])
    assert.ok(!prefersStrict({ prefer }), prefer);
});
