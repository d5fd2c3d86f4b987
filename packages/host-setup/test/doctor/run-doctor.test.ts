import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { fail, ok, warn } from "../../src/doctor/check.ts";
import type { Check, Finding } from "../../src/doctor/check.ts";
import { hostProbe } from "../../src/doctor/probe.ts";
import { doctorJson, renderDoctor } from "../../src/doctor/render-doctor.ts";
import { runDoctor } from "../../src/doctor/run-doctor.ts";
import { standardChecks } from "../../src/doctor/standard-checks.ts";
import { describedHost } from "../described-host.ts";

const { signal } = new AbortController();

function check(id: string, inspect: () => Finding): Check {
  return { id, title: `Title of ${id}`, why: `why ${id}`, inspect: () => Promise.try(inspect) };
}

const run = (...checks: Check[]) => runDoctor({ probe: describedHost(), checks, signal });

test("every check runs in order, extra ones last, also after one that throws", async () => {
  const broken = check("broken", () => {
    throw new Error("no such thing");
  });
  const results = await runDoctor({
    probe: describedHost(),
    checks: [broken, check("fine", () => ok("yes"))],
    extra: [check("boot", () => warn("slow", "wait"))],
    signal,
  });
  assert.deepEqual(
    results.map(({ id, status, found }) => `${id} ${status} ${found}`),
    ["broken fail cannot be checked: no such thing", "fine ok yes", "boot warn slow"],
  );
});

test("only a failed check makes the host unfit", async () => {
  assert.equal(doctorJson(await run(check("a", () => warn("x", "y")))).ok, true);
  assert.equal(
    doctorJson(
      await run(
        check("a", () => ok("x")),
        check("b", () => fail("x", "y")),
      ),
    ).ok,
    false,
  );
});

test("JSON holds every field of every check", async () => {
  assert.deepEqual(doctorJson(await run(check("a", () => fail("found it", "mend it")))), {
    ok: false,
    checks: [
      { id: "a", title: "Title of a", why: "why a", status: "fail", found: "found it", remedy: "mend it" },
    ],
  });
});

test("the table says why and what to do for whatever is not in order, and only then", async () => {
  const results = await run(
    check("a", () => ok("well")),
    check("bcd", () => fail("ill", "medicine")),
  );
  assert.equal(
    renderDoctor(results, { colour: false }),
    [
      "✓ Title of a    well",
      "✗ Title of bcd  ill",
      "                Why: why bcd.",
      "                Do:  medicine",
      "",
      "Capsules cannot run on this host: 1 in order, 0 to know about, 1 to mend.",
      "",
    ].join("\n"),
  );
  const coloured = renderDoctor(results, { colour: true });
  assert.notEqual(coloured, stripVTControlCharacters(coloured));
  assert.equal(stripVTControlCharacters(coloured), renderDoctor(results, { colour: false }));
});

test("control sequences in what a program said do not reach the terminal", async () => {
  const text = renderDoctor(await run(check("a", () => ok("\u001b[2Jgone\nnext"))), { colour: false });
  assert.match(text, /gone next\n/);
  assert.equal(text.includes("\u001b"), false);
});

test("an aborted run throws the signal's reason", async () => {
  const reason = new Error("enough");
  const aborted = AbortSignal.abort(reason);
  await assert.rejects(runDoctor({ probe: describedHost(), checks: [], signal: aborted }), reason);
});

test("on this very host every standard check comes to a finding", async () => {
  const checks = standardChecks({
    dataDirectory: "/nowhere/yet",
    kvmProbe: "/nowhere/probe",
    accelerator: "auto",
    libraries: { zygote: "/nowhere", shim: "/nowhere" },
    machineStart: "exec",
  });
  const results = await runDoctor({ probe: hostProbe, checks, signal });
  assert.equal(new Set(results.map(({ id }) => id)).size, 17);
  for (const { id, found, status, remedy } of results) {
    assert.doesNotMatch(found, /cannot be checked/, id);
    assert.equal(remedy === "", status === "ok", id);
  }
});
