import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* What users, logins and names are in the built-in template: rows of docs/reference/guest.md. One machine serves all. */

/** Seconds for programs that take a few on an emulated processor of a busy machine. */
const PATIENCE = 120;

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

/** Standard output of a shell line that must succeed and write nothing to standard error. */
async function quiet(user: "root" | "user", line: string): Promise<string> {
  const { stdout, stderr, exit_code } = await server.shell(id, line, { user, timeout_sec: PATIENCE });
  assert.deepEqual([stderr, exit_code], ["", 0], `${line}\n${stdout}`);
  return stdout.trimEnd();
}

/** An environment as `env` prints it. */
function variables(text: string): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(text.split("\n").map((line) => line.split(/=(.*)/s, 2) as [string, string]));
}

const LOGIN_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games";
const ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Every way to become a user; the first capsule's `user` has run nothing before. */
const WAYS = {
  "su -": ["root", "su - user -c env"],
  "sudo -i": ["user", "sudo -i env"],
  "sudo -iu": ["root", "sudo -iu user env"],
  "bash -l": ["user", "bash -lc env"],
} as const;

test("su - and sudo give each user the environment of a Debian login", async () => {
  const { exit_code } = await server.shell(id, "test -d /run/user/1000");
  assert.equal(exit_code, 0, "a session that begins with su has its runtime directory");
  for (const [way, [from, line]] of Object.entries(WAYS)) {
    const environment = variables(await quiet(from, line));
    const root = way === "sudo -i";
    const { HOME, USER, SHELL, LANG, PATH, XDG_RUNTIME_DIR } = environment;
    assert.deepEqual(
      { HOME, USER, SHELL, LANG, PATH, XDG_RUNTIME_DIR },
      {
        HOME: root ? "/root" : "/home/user",
        USER: root ? "root" : "user",
        SHELL: "/bin/bash",
        LANG: "C.UTF-8",
        PATH: root ? ROOT_PATH : LOGIN_PATH,
        XDG_RUNTIME_DIR: root ? "/run/user/0" : "/run/user/1000",
      },
      way,
    );
  }
  assert.equal(
    await quiet("root", "stat -c '%U:%G %a' /run/user/0 /run/user/1000"),
    "root:root 700\nuser:user 700",
  );
});

test("a login shell finds programs in ~/.local/bin and ~/bin", async () => {
  await quiet(
    "user",
    "mkdir -p ~/.local/bin && printf '#!/bin/sh\\necho found\\n' > ~/.local/bin/mine && chmod +x ~/.local/bin/mine",
  );
  assert.equal(await quiet("user", "bash -lc mine"), "found");
  assert.equal(await quiet("root", "su - user -c mine"), "found");
});

test("a shell keeps the editor, pager and language of its caller", async () => {
  const envs = { EDITOR: "vi", PAGER: "cat", LANG: "C", LESS: "" };
  const print = 'echo "$EDITOR $PAGER $LANG"';
  for (const flags of ["-lc", "-ic"]) {
    const { body } = await server.exec(id, "bash", [flags, print], { user: "user", envs });
    assert.equal(body.stdout, "vi cat C\n", flags);
  }
});

test("sudo asks for no password and warns of nothing", async () => {
  assert.equal(
    await quiet("user", "sudo -n id -un; sudo -n -u user id -un; sudo -n hostname"),
    `root\nuser\n${id}`,
  );
  assert.equal(await quiet("user", "sudo -n sh -c 'echo $LANG $PATH'"), `C.UTF-8 ${ROOT_PATH}`);
});

test("files have mask 022 and directories for all are sticky, by every way", async () => {
  const mask = "umask; stat -c %a /tmp /var/tmp | xargs";
  for (const user of ["root", "user"] as const) assert.equal(await quiet(user, mask), "0022\n1777 1777");
  assert.equal(await quiet("root", `su - user -c '${mask}'`), "0022\n1777 1777");
  assert.equal(await quiet("user", `sudo -n sh -c '${mask}'`), "0022\n1777 1777");
});

test("text is UTF-8 by every way to start a program", async () => {
  const print = "python3 -c 'import sys, locale; print(sys.stdout.encoding, locale.getlocale()[1], \"ü€\")'";
  const expected = "utf-8 UTF-8 ü€";
  assert.equal(await quiet("user", print), expected);
  assert.equal(await quiet("root", `su - user -c "${print.replaceAll('"', '\\"')}"`), expected);
  assert.equal(await quiet("user", `sudo -n ${print}`), expected);
  assert.equal(await quiet("root", `setsid --wait ${print}`), expected);
  assert.match(await quiet("user", "locale -a"), /^C\.utf8$/m);
  assert.match(await quiet("user", "locale"), /^LC_ALL=$/m);
});

test("what root sets for all users in /etc/environment and /etc/default/locale reaches commands, terminals and logins", async () => {
  await quiet(
    "root",
    "printf '%s\\n' '# for all' 'FOO=\"bar baz\"' 'LANG=POSIX' > /etc/environment; echo LANG=C > /etc/default/locale",
  );
  try {
    const print = 'echo "$LANG $FOO"';
    assert.equal(await quiet("user", print), "C bar baz");
    assert.equal(await quiet("root", `su - user -c '${print}'`), "C bar baz");
    const terminal = await StreamClient.open(server, `/v1/capsules/${id}/pty`, {
      type: "start",
      cmd: "sh",
      args: ["-c", print],
    });
    await terminal.shows("C bar baz");
    const { body } = await server.exec(id, "sh", ["-c", print], { envs: { FOO: "own" } });
    assert.equal(body.stdout, "C own\n", "a call has the last word");
  } finally {
    await quiet("root", "rm /etc/environment; echo LANG=C.UTF-8 > /etc/default/locale");
  }
});

test("time zones are there, for one command and for the machine", async () => {
  const zone = "date -d @0 '+%Z %H'";
  assert.equal(await quiet("user", `${zone}; TZ=Asia/Tokyo ${zone}`), "UTC 00\nJST 09");
  await quiet("root", "ln -sf /usr/share/zoneinfo/Asia/Tokyo /etc/localtime");
  const { exit_code, stderr } = await server.shell(id, "dpkg-reconfigure -f noninteractive tzdata", {
    timeout_sec: PATIENCE,
  });
  assert.equal(exit_code, 0, stderr);
  assert.equal(await quiet("user", `${zone}; cat /etc/timezone`), "JST 09\nAsia/Tokyo");
  assert.equal(await quiet("user", "python3 -c 'import time; print(time.tzname[0])'"), "JST");
  await quiet("root", "ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime; echo Etc/UTC > /etc/timezone");
});

test("a user that useradd makes logs in at once, with home and runtime directory", async () => {
  await quiet("root", "useradd --create-home --shell /bin/bash bird");
  assert.equal(
    await quiet(
      "root",
      "su - bird -c 'pwd; echo $XDG_RUNTIME_DIR; stat -c \"%U:%G %a\" $XDG_RUNTIME_DIR; ls -A'",
    ),
    "/home/bird\n/run/user/1001\nbird:bird 700\n.bash_logout\n.bashrc\n.profile",
  );
  const { body } = await server.exec(id, "sh", ["-c", "id -un; pwd"], { user: "bird" });
  assert.equal(body.stdout, "bird\n/home/bird\n");
  const denied = await server.exec(id, "sudo", ["-n", "true"], { user: "bird" });
  assert.match(denied.body.stderr, /password is required/);
});

test("passwords work: passwd, su as another user, and none at first", async () => {
  assert.match(await quiet("root", "passwd --status user"), /^user L /);
  await quiet("root", "echo user:a-Long-secret | chpasswd");
  assert.match(await quiet("root", "passwd --status user"), /^user P /);
  await quiet("root", "useradd --create-home wren");
  const su = "printf '%s\\n' PASSWORD | su user -c 'id -un'";
  const { stdout } = await server.shell(id, su.replace("PASSWORD", "a-Long-secret"), { user: "wren" });
  assert.equal(stdout, "user\n");
  const wrong = await server.shell(id, su.replace("PASSWORD", "guess"), { user: "wren" });
  assert.match(wrong.stderr, /Authentication failure/);
  await quiet("root", "passwd --lock user >/dev/null");
});

test("getent answers for users, groups, hosts, services and protocols", async () => {
  const line =
    "getent passwd user; getent group sudo | cut -d: -f1; getent services https; getent protocols udp; getent hosts localhost";
  assert.equal(
    (await quiet("user", line)).replaceAll(/ +/g, " "),
    "user:x:1000:1000::/home/user:/bin/bash\nsudo\nhttps 443/tcp\nudp 17 UDP\n127.0.0.1 localhost",
  );
});

test("the machine's name is the capsule's, for every program that asks", async () => {
  const line =
    "hostname; hostname -f; uname -n; cat /etc/hostname; python3 -c 'import socket; print(socket.getfqdn())'";
  assert.deepEqual(
    (await quiet("user", line)).split("\n"),
    Array.from({ length: 5 }, () => id),
  );
  assert.match(await quiet("user", "cat /etc/resolv.conf"), /^nameserver \S+$/);
});

test("every user pings", async () => {
  for (const user of ["root", "user"] as const)
    assert.match(await quiet(user, "ping -c 1 -W 5 localhost"), / 0% packet loss/);
});

test("orphans that end are collected", async () => {
  // Each shell leaves a child that ends after it, which is then PID 1's.
  await quiet("user", "for i in 1 2 3 4 5; do sh -c 'sleep 0.1 & exec true' & done; wait");
  await eventually("neither orphans nor zombies are left", async () => {
    const { stdout } = await server.shell(id, "ps -eo stat=,args= | grep -c -e ^Z -e 'sleep 0[.]1'");
    return stdout === "0\n";
  });
});

test("who, w and last know of no logins, and wall reaches none", async () => {
  assert.equal(await quiet("user", "who; w -h; last | grep -v '^$' | grep -v begins || true"), "");
  assert.equal((await server.shell(id, "wall hello")).exit_code, 0);
});

test("programs that need systemd or a daemon are not there, and are found missing", async () => {
  for (const name of ["systemctl", "journalctl", "crontab", "at", "man", "shutdown", "reboot", "poweroff"]) {
    const { body } = await server.exec(id, name);
    assert.deepEqual([body.exit_code, body.stderr], [127, `${name}: not found\n`]);
  }
});
