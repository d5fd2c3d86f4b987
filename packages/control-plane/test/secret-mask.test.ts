import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { maskSecrets, SecretMask } from "../src/builds/secret-mask.ts";

/** What is hidden of a text, by looking for each secret at each place. */
function maskedSlowly(text: string, secrets: readonly string[]): string {
  const hidden = Array.from({ length: text.length }, () => false);
  for (const secret of secrets) {
    const whole = secret.replace(/[\r\n]+$/, "");
    const lines = whole.split(/\r\n|\r|\n/).map((line) => line.trim());
    for (const one of [whole, ...lines.filter(({ length }) => length >= 6)])
      if (whole.trim() !== "")
        for (let at = text.indexOf(one); at >= 0; at = text.indexOf(one, at + 1))
          hidden.fill(true, at, at + one.length);
  }
  let masked = "";
  for (let at = 0; at < text.length; at++)
    if (!hidden[at]) masked += text[at];
    else if (!hidden[at - 1]) masked += "***";
  return masked;
}

/** Cuts a text at any of its characters, or nowhere. */
function pieces(text: string, cuts: readonly number[]): readonly string[] {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, at) => text.slice(from, places[at] ?? text.length));
}

// Of few characters, so that beginnings of secrets, and secrets within others, occur all the time.
const word = fc.string({ unit: fc.constantFrom("a", "b", "\n", " "), maxLength: 12 });
const secretList = fc.array(word, { maxLength: 5 });
const cutList = fc.array(fc.nat(), { maxLength: 20 });

test("what is masked is what a slow search finds, wherever the text is cut", () => {
  fc.assert(
    fc.property(secretList, fc.array(word, { maxLength: 12 }), cutList, (secrets, words, cuts) => {
      const text = words.join("");
      const stream = new SecretMask(secrets).stream();
      const shown =
        pieces(text, cuts)
          .map((piece) => stream.take(piece))
          .join("") + stream.end();
      assert.equal(shown, maskedSlowly(text, secrets));
      assert.equal(maskSecrets(text, secrets), shown);
      // What came before does not matter for the next text.
      assert.equal(stream.take(text) + stream.end(), shown);
    }),
    { numRuns: 3000 },
  );
});

test("any characters can be secret, and only as much of the text is held back as may be one", () => {
  const text = fc.string({ unit: "binary", maxLength: 10 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), fc.array(text), cutList, (secrets, others, cuts) => {
      const whole = [...others, ...secrets, ...others].join("");
      const stream = new SecretMask(secrets).stream();
      const shown =
        pieces(whole, cuts)
          .map((piece) => stream.take(piece))
          .join("") + stream.end();
      assert.equal(shown, maskedSlowly(whole, secrets));
    }),
    { numRuns: 100 },
  );
  const stream = new SecretMask(["hunter2"]).stream();
  assert.equal(stream.take("line\npass hunt"), "line\npass ");
  assert.equal(stream.take("ing\n"), "hunting\n");
  assert.equal(stream.take("hunter"), "");
  assert.equal(stream.take("2hunter2."), "***.");
});

test("a secret of several lines is hidden as a whole and line by line, with any line ends", () => {
  const key = "-----BEGIN KEY-----\r\n  abcdefgh\r\n  xyz\r\n-----END KEY-----\r\n";
  assert.equal(maskSecrets(`<${key}>`, [key]), "<***\r\n>");
  assert.equal(maskSecrets("abcdefgh|xyz", [key]), "***|xyz");
  assert.equal(maskSecrets(key.replaceAll("\r", ""), [key]), "***\n  ***\n  xyz\n***\n");
  assert.equal(maskSecrets("short", ["short\n"]), "***");
  assert.equal(maskSecrets("nothing  is\n\nhidden", ["", "\n", "  ", "\n\n"]), "nothing  is\n\nhidden");
});

test("the most secrets that a build may have cost memory and time in proportion", () => {
  const secrets = Array.from({ length: 32 }, (_, n) =>
    Array.from({ length: 6500 }, (_line, at) => `${n}:${at * 7919}`).join("\n"),
  );
  const before = process.cpuUsage();
  const mask = new SecretMask(secrets);
  const stream = mask.stream();
  let shown = "";
  for (const secret of secrets) shown += `${stream.take(`<${secret}`)}${stream.take(">\n")}`;
  shown += stream.end();
  assert.equal(shown, "<***>\n".repeat(32));
  const { user } = process.cpuUsage(before);
  assert.ok(user < 10_000_000, `${user} µs`);
});
