import assert from "node:assert/strict";
import { test } from "node:test";
import { readMailServer } from "../src/config/mail-server.ts";

const from = "Wrenn <wrenn@example.org>";
const sender = { name: "Wrenn", address: "wrenn@example.org" };

test("a mail server is read with its password, and wants TLS unless it is here or said otherwise", () => {
  assert.equal(readMailServer({}), undefined);
  assert.deepEqual(
    readMailServer({ WRENN_SMTP_URL: "smtp://us%40er:p%3Ass@mail.example.org", WRENN_MAIL_FROM: from }),
    {
      host: "mail.example.org",
      port: 587,
      implicitTls: false,
      requireTls: true,
      login: { user: "us@er", password: "p:ss" },
      from: sender,
    },
  );
  assert.deepEqual(
    readMailServer({ WRENN_SMTP_URL: "smtps://[2001:db8::1]", WRENN_MAIL_FROM: "a@example.org" }),
    {
      host: "2001:db8::1",
      port: 465,
      implicitTls: true,
      requireTls: false,
      from: { name: "", address: "a@example.org" },
    },
  );
  for (const url of ["smtp://127.0.0.1:25", "smtp://relay.example.org:25/?starttls=optional"])
    assert.equal(readMailServer({ WRENN_SMTP_URL: url, WRENN_MAIL_FROM: from })?.requireTls, false);
});

test("half a mail server, and one that does not parse, are refused without showing the password", () => {
  const refused = (url: string, sentBy: string): void =>
    assert.throws(
      () => readMailServer({ WRENN_SMTP_URL: url, WRENN_MAIL_FROM: sentBy }),
      (error: Error) => /WRENN_(SMTP_URL|MAIL_FROM)/.test(error.message) && !error.message.includes("hush"),
    );
  refused("", from);
  refused("smtp://user:hush@mail.example.org", "");
  for (const url of [
    "http://u:hush@x",
    "smtp://u:hush@",
    "smtp://u:hush@x/path",
    "smtp://u:hush@x?tls=off",
    "smtp://u@x",
    "hush",
  ])
    refused(url, from);
  refused("smtp://u:hush%@mail.example.org", from);
  for (const sentBy of ["nobody", "a@b@c", "A <a@b> <c@d>", 'N"ame <a@b>', "N\r\nBcc: x <a@b>"])
    refused("smtp://mail.example.org", sentBy);
});
