import type { NewPortLink, PortSetting } from "@wrenn/sdk";
import type { DocumentFields, FieldsOf } from "./document.ts";
import type { VerbReference } from "./verb-reference.ts";

const result: DocumentFields = {
  exitCode: ["number", "exit code of the program"],
  signal: ["string or null", "signal that ended it"],
  timedOut: ["boolean", "whether `--timeout` ended it"],
  durationMs: ["number", "milliseconds that it ran"],
  stdout: ["string", "its output"],
  stdoutEncoding: ["string", "`utf-8`, or `base64` for what is no text"],
  stderr: ["string", "its output"],
  stderrEncoding: ["string", "`utf-8`, or `base64` for what is no text"],
  droppedBytes: ["object", "bytes of each stream that the server did not keep"],
  truncatedBytes: ["object", "bytes of each stream beyond 32 MiB"],
};

const portSetting: FieldsOf<PortSetting> = {
  port: ["number", "port in the capsule"],
  access: ["string", "`public` or `private`"],
  url: ["string", "its address"],
};

const portLink: FieldsOf<NewPortLink> = {
  id: ["string", "with which `port unsign` revokes it"],
  port: ["number", "port in the capsule"],
  createdBy: ["string", "user or API key that made it"],
  createdAt: ["time", "when it was made"],
  expiresAt: ["time", "when it ends"],
  url: ["string", "the link, shown this once"],
};

/** Commands that run programs, copy files, follow streams and lead to ports. */
export const programVerbs: Readonly<Record<string, VerbReference>> = {
  run: {
    examples: [
      "wrenn run -- python3 -c 'print(1)'",
      "wrenn run -t node -e TOKEN=1 --timeout 60s -- npm test",
    ],
    json: { form: "object", name: "ProgramResult", fields: result },
  },
  exec: {
    examples: ["wrenn exec web ls -la", "wrenn exec -it web bash", "wrenn exec -d --tag server web ./serve"],
    json: {
      form: "object",
      name: "ProgramResult",
      fields: result,
      note: "With `-d`: `pid` and `tag` of the process.",
    },
  },
  shell: { examples: ["wrenn shell", "wrenn shell web", "wrenn shell --rm -- python3"] },
  attach: { examples: ["wrenn attach web server", "wrenn attach -i web 123"] },

  cp: {
    examples: [
      "wrenn cp ./app web:/root/",
      "wrenn cp web:/var/log/app.log .",
      "tar c . | wrenn cp - web:/tmp/a.tar",
      "wrenn cp web:/srv - | tar -x",
      "tar c . | wrenn cp - web:/srv/",
    ],
    json: {
      form: "object",
      name: "CopyReport",
      fields: {
        files: ["number", "files that were copied"],
        directories: ["number", "directories that were copied"],
        links: ["number", "links that were copied"],
        bytes: ["number", "their size"],
        skipped: ["strings", "devices, FIFOs and sockets"],
        failed: {
          text: "what was not copied",
          items: { path: ["string", "its path"], message: ["string", "why"] },
        },
      },
    },
  },

  logs: {
    examples: [
      "wrenn logs -f web",
      "wrenn logs --since 10m --source console web",
      "wrenn logs -p server web",
    ],
    json: {
      form: "lines",
      name: "LogEntry",
      fields: {
        id: ["string", "place in the log"],
        at: ["time", "when it happened, or when the host read the line"],
        source: ["string", "`console` or `platform`"],
        message: ["string", "text; what is no UTF-8 or a control character is U+FFFD"],
        event: ["string?", "kind of the event"],
        reason: ["string?", "why it happened"],
        actor: ["object?", "who did it: `type`, `id`, `name`"],
        resource: ["string?", "checkpoint or port that it is about"],
        bytes: ["string?", "exact bytes of the line in base64, where `message` differs"],
        isPartial: ["boolean", "the line has no end"],
        isAfterGap: ["boolean", "bytes before this line are lost"],
      },
      note: "With `--process`: lines with `stream` and `text`, or `stream` and `droppedBytes`, and at the end one with `exit`.",
    },
  },
  events: {
    examples: ["wrenn events -f --type 'capsule.*'", "wrenn events --since 1h --json"],
    json: {
      form: "lines",
      name: "Event",
      fields: {
        id: ["string?", "place in the stream; absent of kinds that are not stored"],
        type: ["string", "kind, see events.md"],
        at: ["time", "when it happened"],
        teamId: ["string", "team that it is of"],
        actor: ["object?", "who did it: `type`, `id`, `name`"],
        resource: ["object?", "what it was done to: `type`, `id`"],
        data: ["object", "facts of the kind"],
      },
    },
  },
  stats: {
    examples: ["wrenn stats", "wrenn stats --no-stream web"],
    json: {
      form: "lines",
      name: "Measurement",
      fields: {
        id: ["string", "the capsule"],
        name: ["string?", "its name"],
        at: ["time", "when it was measured"],
        cpuPercent: ["number", "of all its CPUs together, 0 to 100"],
        cpuCount: ["number?", "virtual CPUs"],
        memoryBytes: ["number", "used in the guest"],
        memoryTotalBytes: ["number?", "memory of the guest"],
        diskBytes: ["number", "occupied on the host"],
        diskUsedBytes: ["number?", "used in the root file system"],
        diskTotalBytes: ["number?", "size of that file system"],
        networkInBytes: ["number?", "received since the measurement before"],
        networkOutBytes: ["number?", "sent since the measurement before"],
      },
      note: "With `--no-stream`: a list of them.",
    },
  },

  "port ls": {
    examples: ["wrenn port ls web", "wrenn port ls --links web"],
    json: {
      form: "list",
      name: "Port",
      fields: {
        port: ["number", "port in the capsule"],
        access: ["string", "`public` or `private`"],
        url: ["string", "its address; empty where it has none"],
        isListening: ["boolean", "whether something listens on it"],
        protocol: ["string?", "`tcp` or `udp`"],
        address: ["string?", "what it is bound to"],
        process: ["string?", "name of the process"],
        pid: ["number?", "its process id"],
        uid: ["number?", "user that the socket belongs to"],
        isReachable: ["boolean?", "whether `url` leads to it"],
      },
      note: "With `--links`: a list of [PortLink](#portlink) without `url`.",
    },
  },
  "port set": {
    examples: ["wrenn port set web 8000 public"],
    json: { form: "object", name: "PortSetting", fields: portSetting },
  },
  "port sign": {
    examples: ["wrenn port sign web 8000 --ttl 2h"],
    json: { form: "object", name: "PortLink", fields: portLink },
  },
  "port unsign": {
    examples: ["wrenn port unsign web --port 8000"],
    json: { form: "list", name: "Removed", fields: { id: ["string", "id of what is gone"] } },
  },
  "port forward": {
    examples: ["wrenn port forward web 8080:8000 5432"],
    json: {
      form: "lines",
      name: "Forward",
      fields: {
        capsule: ["string", "id of the capsule"],
        address: ["string", "local address"],
        local: ["number", "local port"],
        remote: ["number", "port in the capsule"],
      },
    },
  },
  "port open": {
    examples: ["wrenn port open web 8000", "wrenn port open web 8000 --no-browser"],
    json: {
      form: "object",
      name: "PortAddress",
      fields: { url: ["string", "address that a browser can open"] },
    },
  },
};
