import assert from "node:assert/strict";
import { test } from "node:test";
import { readCorsOrigins } from "../src/config/cors-origins.ts";

test("origins of pages come from the environment; none is listed by default", () => {
  assert.deepEqual(readCorsOrigins(undefined), []);
  assert.deepEqual(readCorsOrigins(""), []);
  assert.deepEqual(readCorsOrigins("https://app.example.org, http://localhost:5173"), [
    "https://app.example.org",
    "http://localhost:5173",
  ]);
});

test("what is not an exact origin is refused", () => {
  for (const wrong of [
    "*",
    "null",
    "https://*.example.org",
    "https://app.example.org/",
    "https://app.example.org/path",
    "https://App.example.org",
    "https://app.example.org:443",
    "app.example.org",
    "file:///",
    "https://user@app.example.org",
    Array.from({ length: 101 }, (_, number) => `https://a${number}.example.org`).join(),
  ])
    assert.throws(() => readCorsOrigins(wrong), { reason: "invalid_field" }, wrong);
});
