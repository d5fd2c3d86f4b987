// Generated from the server's OpenAPI document by `npm run sdk:types`; do not edit.

/** Objects of the API by their names in its description. */
export interface ApiSchemas {
  /** First message of a client without credentials in its headers. */
  AuthMessage: {
    readonly type: "auth";
    /** API key; `token` is not tried then; at most 8192 characters. */
    readonly api_key?: string;
    /** Access token; at most 8192 characters. */
    readonly token?: string;
  };

  Build: {
    /** `bld-` and 25 characters. */
    readonly id: string;
    /** `name` or `name:tag` of the template. */
    readonly name: string;
    /** A template, or the image of a registry. */
    readonly base_template: string;
    /** One instruction each, as written. */
    readonly recipe: readonly string[];
    /** Of a build from a text. */
    readonly recipe_text?: string;
    readonly healthcheck?: string;
    readonly vcpus: number;
    readonly memory_mb: number;
    readonly skip_pre_post: boolean;
    /** `interrupted`: the control plane that ran it ended. */
    readonly status: "pending" | "running" | "success" | "failed" | "cancelled" | "interrupted";
    /** 0 before the first. */
    readonly current_step: number;
    readonly total_steps: number;
    /** Steps that have ended; empty in lists. */
    readonly logs: readonly {
      /** From 1, across all phases. */
      readonly step: number;
      /** `pre-build`, `recipe` or `post-build`. */
      readonly phase: string;
      readonly cmd: string;
      readonly stdout: string;
      readonly stderr: string;
      readonly exit?: number;
      readonly ok: boolean;
      /** Its result was there from an earlier build. */
      readonly cached: boolean;
      readonly elapsed_ms: number;
    }[];
    /** Lines beyond the limit: they are missing between the first and the last lines of the log. */
    readonly dropped_lines: number;
    /** What the build did besides its steps, as far as it has done it. */
    readonly durations: {
      /** Until the image of FROM was there. */
      readonly import_ms?: number;
      /** Until the health check succeeded. */
      readonly settle_ms?: number;
      /** Storing the template. */
      readonly freeze_ms?: number;
      /** Starting capsules of the template. */
      readonly smoke_test_ms?: number;
    };
    readonly error?: string;
    /** Entry of the error catalogue. */
    readonly reason?: string;
    /** Capsule that it is built in. */
    readonly sandbox_id?: string;
    readonly host_id?: string;
    readonly default_user: string;
    readonly default_env: Readonly<Record<string, string>>;
    readonly created_at: string;
    readonly started_at?: string;
    readonly completed_at?: string;
  };

  /** The build has ended: the last message. */
  BuildEnd: {
    readonly type: "end";
    /** `interrupted`: the control plane that ran it ended. */
    readonly status: "pending" | "running" | "success" | "failed" | "cancelled" | "interrupted";
    /** Lines beyond the limit: they are missing between the first and the last lines of the log. */
    readonly dropped_lines: number;
    /** Entry of the error catalogue. */
    readonly reason?: string;
    readonly error?: string | null;
  };

  /** A line. */
  BuildLine: {
    readonly type: "line";
    /** From 0; there is one gap where lines are beyond the limit. */
    readonly seq: number;
    /** 0 outside of steps. */
    readonly step: number;
    readonly stream: "system" | "stdout" | "stderr";
    readonly text: string;
    readonly at: string;
    /** The line ends its step, or what is done behind the steps. */
    readonly ended?: {
      readonly ok: boolean;
      readonly cached: boolean;
      readonly elapsed_ms: number;
    };
  };

  BuildLogLine: {
    /** From 0; there is one gap where lines are beyond the limit. */
    readonly seq: number;
    /** 0 outside of steps. */
    readonly step: number;
    readonly stream: "system" | "stdout" | "stderr";
    readonly text: string;
    readonly at: string;
    /** The line ends its step, or what is done behind the steps. */
    readonly ended?: {
      readonly ok: boolean;
      readonly cached: boolean;
      readonly elapsed_ms: number;
    };
  };

  /** A capsule. */
  Capsule: {
    readonly id: string;
    /** Left out when it has none. */
    readonly name?: string;
    /** pending, starting, running, paused, hibernated, missing, stopped or error. */
    readonly status: string;
    readonly template: string;
    readonly vcpus: number;
    readonly memory_mb: number;
    readonly timeout_sec: number;
    /** Left out when there is no limit. */
    readonly max_lifetime_sec?: number;
    /** When the present run of a running capsule ends whether or not it is in use. */
    readonly lifetime_ends_at?: string;
    /** pause, pause_disk or destroy. */
    readonly on_lifetime_end: string;
    readonly auto_resume: boolean;
    readonly disk_mb: number;
    /** User of commands that name none; left out for root. */
    readonly user?: string;
    /** Directory of commands that name none. */
    readonly cwd?: string;
    /** Names of the default environment; lists leave it out. The values are never shown. */
    readonly env_names?: readonly string[];
    /** Address of the capsule on its host. */
    readonly host_ip?: string;
    /** RFC 3339, UTC. */
    readonly created_at: string;
    readonly started_at?: string;
    readonly last_active_at?: string;
    readonly last_updated: string;
    /** Why a capsule whose status is error has failed, or why a running one stands still: the disk of its host is full. */
    readonly problem?: string;
    /** Of a capsule that is being created, while its template is copied to its host: how far that is. */
    readonly progress?: {
      /** copying_template. */
      readonly phase: string;
      readonly done_bytes: number;
      readonly total_bytes: number;
    };
    /** Of a paused capsule: whether a resume goes on with its memory, or boots its disk. */
    readonly memory_kept?: boolean;
    /** Of a running capsule that was booted from its disk: clean, or checked when it had not been unmounted and was checked and repaired. */
    readonly disk_at_boot?: string;
    /** Of a running capsule: ok, or not_answering while its guest agent does not answer. Commands, files and pauses with memory need it. */
    readonly health?: string;
    /** Of a running capsule: true while less than 1 % of its disk, or of the files it can hold, is free. */
    readonly disk_full?: boolean;
    /** What its team says about it, and the versions of what runs it (`kernel_version`, …). */
    readonly metadata?: Readonly<Record<string, string>>;
  };

  /** With `capsule_events`: the capsule was paused, or runs again. */
  CapsuleChange: {
    readonly type: "paused" | "resumed";
  };

  CapsuleCreate: {
    /** `name`, `name:tag`, or `team/name:tag` with the slug of a team that made the template public. Without a tag: `default`. */
    readonly template?: string;
    /** 0 or less: 1; at most 64. */
    readonly vcpus?: number;
    /** A guest with less than 128 does not boot; 0 or less: 512; at least 128, at most 65536. */
    readonly memory_mb?: number;
    /** Size of the disk, at least and by default that of the template: 5120 for built-in ones; 0: default; at least 0, at most 102400. */
    readonly disk_mb?: number;
    /** Idle seconds after which the capsule is paused; 0: never; at least 0, at most 2592000. */
    readonly timeout_sec?: number;
    /** Seconds after which the run of the capsule ends whether or not it is in use, from its creation and from each resume; 0: never; at least 0, at most 2592000. */
    readonly max_lifetime_sec?: number;
    /** What happens then: `pause` (default), `pause_disk` (processes and memory are given up, the disk is kept), or `destroy`. */
    readonly on_lifetime_end?: "pause" | "pause_disk" | "destroy";
    /** A request that uses the paused capsule resumes it. */
    readonly auto_resume?: boolean;
    readonly network?: ApiSchemas["NetworkPolicy"];
    /** 1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit. */
    readonly name?: string;
    /** Pairs that say what the capsule is for: at most 64, at most 16 KiB of names and values, without control characters. Lists can be filtered by them. */
    readonly metadata?: Readonly<Record<string, string>>;
    readonly envs?: Readonly<Record<string, string>>;
    /** User of commands, terminals and hooks that name none; default: root; at most 64 characters. */
    readonly user?: string;
    /** Directory in which they start; default: the home of the user; at most 4096 characters. */
    readonly cwd?: string;
  };

  CapsuleMetrics: {
    readonly sandbox_id: string;
    readonly range: string;
    readonly points: readonly ApiSchemas["MetricsPoint"][];
  };

  Checkpoint: {
    readonly id: string;
    /** checkpoint, or pause for the last pauses. */
    readonly kind: string;
    readonly name?: string;
    readonly created_at: string;
    /** Size of the changed pages. */
    readonly memory_bytes: number;
    /** Present for a pause without memory: going back to it boots its disk. */
    readonly disk_only?: boolean;
    /** For how long the capsule stood still. */
    readonly stopped_ms?: number;
  };

  /** The session has failed; the server closes it next, except where output was dropped. */
  ErrorMessage: {
    readonly type: "error";
    /** What is wrong, for people. */
    readonly data: string;
    /** Entry of the error catalogue, when the access of the client has ended. */
    readonly reason?: string;
    /** True in terminals. */
    readonly fatal?: boolean;
    /** With a sub-protocol: the error as answers of the REST API have it, and its HTTP status. */
    readonly error?: {
      readonly code: string;
      readonly message: string;
      readonly reason: string;
      readonly remedy: string;
      readonly request_id: string;
      readonly field?: string;
      readonly status: number;
    };
  };

  /** Standard input, when `start` asked for it. */
  ExecInput: {
    readonly type: "stdin";
    /** Base64. */
    readonly data: string;
  };

  /** Closes standard input behind what was sent. */
  ExecInputEnd: {
    readonly type: "stdin_close";
  };

  ExecRequest: {
    /** Program, found through PATH; no shell is involved; at most 4096 characters. */
    readonly cmd: string;
    /** At most 10000 entries. */
    readonly args?: readonly string[];
    /** 0 or less: 30; no limit in the background and with `wait_sec`; at most 86400. */
    readonly timeout_sec?: number;
    readonly background?: boolean;
    /** The command outlives its request: the answer is 200 when it ends within this time, else 202. Not with `background`; at least 0, at most 600. */
    readonly wait_sec?: number;
    /** In the background and with `wait_sec`: 1 to 256 bytes without control characters that are not all digits; empty: one is chosen. */
    readonly tag?: string;
    readonly envs?: Readonly<Record<string, string>>;
    /** At most 4096 characters. */
    readonly cwd?: string;
    /** At most 64 characters. */
    readonly user?: string;
    readonly limits?: ApiSchemas["ProcessLimits"];
    /** In the background and with `wait_sec`: keep standard input open for POST …/input. */
    readonly stdin?: boolean;
  };

  ExecResult: {
    readonly sandbox_id: string;
    readonly cmd: string;
    readonly stdout: string;
    readonly stderr: string;
    /** The program's own, 128 + signal, or 124 when its time was up. */
    readonly exit_code: number;
    readonly duration_ms: number;
    /** utf-8, or base64 for both streams when either is not valid UTF-8. */
    readonly encoding: string;
    /** Signal that ended it. */
    readonly signal?: number;
    /** Its time was up; the output is what it had printed. */
    readonly timed_out?: boolean;
    /** Output beyond the limit of a stream was left out; without `wait_sec` the last line of stderr says so. */
    readonly truncated?: boolean;
    /** With `wait_sec`. */
    readonly pid?: number;
    /** With `wait_sec`. */
    readonly tag?: string;
    /** With `wait_sec`: how far each stream was read, in bytes, including what was left out. */
    readonly next?: {
      readonly stdout: number;
      readonly stderr: number;
    };
  };

  /** Starts the command; the first message. */
  ExecStart: {
    readonly type: "start";
    /** At most 4096 characters. */
    readonly cmd: string;
    readonly args?: readonly string[];
    readonly envs?: Readonly<Record<string, string>>;
    /** At most 4096 characters. */
    readonly cwd?: string;
    /** At most 64 characters. */
    readonly user?: string;
    /** At least 0, at most 86400. */
    readonly timeout_sec?: number;
    readonly stdin?: boolean;
    readonly limits?: ApiSchemas["ProcessLimits"];
    readonly capsule_events?: boolean;
    readonly encoding?: "utf-8" | "base64";
  };

  /** Ends the command and everything that it started. */
  ExecStop: {
    readonly type: "stop";
  };

  /** A file. Bytes of names that are not UTF-8 stand as U+DC80 to U+DCFF. */
  FileEntry: {
    readonly name: string;
    readonly path: string;
    /** file, directory or symlink; what else there is stands in `kind`. */
    readonly type: string;
    /** file, directory, symlink, character-device, block-device, fifo or socket. */
    readonly kind: string;
    readonly size: number;
    /** Permission bits. */
    readonly mode: number;
    /** As ls shows them. */
    readonly permissions: string;
    readonly owner: string;
    readonly group: string;
    /** Unix seconds. */
    readonly modified_at: number;
    readonly symlink_target?: string;
  };

  /** With `heartbeat`: every 15 s. */
  Heartbeat: {
    readonly type: "ping";
  };

  ListeningPort: {
    readonly protocol: "tcp" | "udp";
    readonly port: number;
    /** What it is bound to; `0.0.0.0` and `::` are every address. */
    readonly address: string;
    /** Name of the process, as the guest says. */
    readonly process?: string;
    readonly pid?: number;
    /** User that the socket belongs to. */
    readonly uid: number;
    /** Whether `url` leads to it. */
    readonly reachable: boolean;
    readonly access: "public" | "private";
    /** Absent for ports that cannot be reached from outside. */
    readonly url?: string;
  };

  LogEntry: {
    /** Place in the log: `after` and `Last-Event-ID` continue behind it. */
    readonly id: string;
    /** RFC 3339, with milliseconds; of the console, when the host read it. */
    readonly timestamp: string;
    readonly source: "console" | "platform";
    /** Text; bytes that are not UTF-8 and control characters are U+FFFD. */
    readonly message: string;
    /** Type of the event, as in `GET /v1/events`; `guest.out_of_memory` for a line in which the guest's kernel says so. */
    readonly event?: string;
    /** Why it happened, where that is known. */
    readonly reason?: string;
    readonly actor?: {
      readonly type: string;
      readonly id?: string;
      readonly name?: string;
    };
    /** The checkpoint or port that the event is about. */
    readonly resource?: string;
    /** The exact bytes of a console line in base64, where `message` differs. */
    readonly raw?: string;
    /** The line has no end: it was cut, or the rest follows. */
    readonly partial?: boolean;
    /** Bytes of the console before this line are lost. */
    readonly gap?: boolean;
  };

  MetricsPoint: {
    readonly timestamp_unix: number;
    /** Of all virtual CPUs together, 0 to 100. */
    readonly cpu_pct: number;
    /** Used in the guest. */
    readonly mem_bytes: number;
    /** Occupied by what the capsule has written. */
    readonly disk_bytes: number;
    /** Virtual CPUs. */
    readonly cpu_count?: number;
    /** Memory of the guest. */
    readonly mem_total_bytes?: number;
    /** Used in the root file system of the guest. */
    readonly disk_used_bytes?: number;
    /** Size of that file system. */
    readonly disk_total_bytes?: number;
    /** Received by the network interface since the point before. */
    readonly net_in_bytes?: number;
    /** Sent by the network interface since the point before. */
    readonly net_out_bytes?: number;
  };

  /** What the capsule may reach. `deny` beats `allow`. The host, other capsules, private and link-local networks stay out of reach whatever this says. */
  NetworkPolicy: {
    /** What is in neither list; allow when absent. */
    readonly egress?: "allow" | "deny";
    /** At most 1024 entries. */
    readonly allow?: readonly string[];
    /** At most 1024 entries. */
    readonly deny?: readonly string[];
  };

  /** Bytes of a stream that are not kept. */
  OutputDropped: {
    readonly type: "dropped";
    readonly stream: "stdout" | "stderr";
    /** Bytes of the stream before this; at least 0. */
    readonly from: number;
    /** Bytes of the stream before this; at least 0. */
    readonly to: number;
  };

  /** Either side: so many bytes of the other side were taken. */
  PortTunnelAcknowledge: {
    readonly type: "ack";
    /** Bytes that were taken since the session began; at least 0. */
    readonly bytes: number;
  };

  /** Either side: no more bytes follow; those of the other side still do. */
  PortTunnelEnd: {
    readonly type: "end";
  };

  /** The service has accepted the connection. */
  PortTunnelOpen: {
    readonly type: "open";
    /** Bytes that each side may send and the other has not acknowledged. */
    readonly window: number;
  };

  Process: {
    readonly pid: number;
    readonly tag?: string;
    readonly cmd: string;
    readonly args: readonly string[];
    readonly terminal: boolean;
    /** RFC 3339, UTC. */
    readonly started_at: string;
    /** The time limit that it was started with. */
    readonly timeout_sec?: number;
    /** Bytes of standard input that were taken; absent without an input. */
    readonly input_offset?: number;
    readonly exit?: {
      /** The program's own, 128 + signal, or 124 when its time was up. */
      readonly exit_code: number;
      readonly signal?: number;
      /** `timeout_sec` was over. */
      readonly timed_out?: boolean;
    };
  };

  /** The process has ended: the last message. */
  ProcessExit: {
    readonly type: "exit";
    /** The program's own, or 128 + signal. */
    readonly exit_code: number;
    /** Signal that ended it. */
    readonly signal?: number;
    /** `timeout_sec` was over. */
    readonly timed_out?: boolean;
  };

  /** Resource limits of the command and of what it starts. */
  ProcessLimits: {
    /** At least 0, at most 9007199254740991. */
    readonly cpu_seconds?: number;
    /** At least 0, at most 9007199254740991. */
    readonly file_bytes?: number;
    /** At least 0, at most 9007199254740991. */
    readonly data_bytes?: number;
    /** At least 0, at most 9007199254740991. */
    readonly stack_bytes?: number;
    /** At least 0, at most 9007199254740991. */
    readonly core_bytes?: number;
    /** At least 0, at most 9007199254740991. */
    readonly processes?: number;
    /** At least 0, at most 9007199254740991. */
    readonly open_files?: number;
    /** At least 0, at most 9007199254740991. */
    readonly locked_bytes?: number;
    /** At least 0, at most 9007199254740991. */
    readonly address_space_bytes?: number;
  };

  /** A piece of a stream: text, or base64 where `encoding` says so. */
  ProcessOutput: {
    readonly type: "stdout" | "stderr";
    readonly data: string;
    /** Bytes of the stream before this; at least 0. */
    readonly offset?: number;
    /** Where the piece behind this one begins; at least 0. */
    readonly next?: number;
  };

  /** The process runs, or the session is attached to it. */
  ProcessStarted: {
    readonly type: "start";
    readonly pid: number;
    /** With `from`: output before it was printed before the client connected; at least 0. */
    readonly live_offset?: number;
    /** The same of standard error; at least 0. */
    readonly live_offset_stderr?: number;
  };

  StartedProcess: {
    readonly sandbox_id: string;
    readonly cmd: string;
    readonly pid: number;
    readonly tag: string;
    /** With `wait_sec`, as the following: output so far. */
    readonly stdout?: string;
    readonly stderr?: string;
    /** As in the answer 200. */
    readonly encoding?: string;
    /** With `wait_sec`: how far each stream was read, in bytes, including what was left out. */
    readonly next?: {
      readonly stdout: number;
      readonly stderr: number;
    };
    /** Output before `next` was left out: beyond the limit, or not kept. */
    readonly truncated?: boolean;
  };

  Template: {
    readonly name: string;
    /** base or snapshot. */
    readonly type: string;
    readonly vcpus?: number;
    readonly memory_mb?: number;
    readonly size_bytes: number;
    readonly created_at: string;
    /** Everybody may use it. */
    readonly platform: boolean;
    readonly metadata?: Readonly<Record<string, string>>;
    /** Of the version with the tag `default`, or else of the newest. */
    readonly version?: number;
    /** Of this version. */
    readonly tags: readonly string[];
    /** Every team may start capsules from it. */
    readonly public: boolean;
  };

  /** The client has shown `bytes` more, or, in a session with `session_id`, everything up to `offset`. */
  TerminalAcknowledge: {
    readonly type: "ack";
    /** At least 0. */
    readonly bytes?: number;
    /** At least 0, at most 9007199254740991. */
    readonly offset?: number;
  };

  /** Connects to a terminal that runs; the first message. */
  TerminalConnect: {
    readonly type: "connect";
    /** At most 256 characters. */
    readonly tag: string;
    /** At least 0. */
    readonly from?: number;
    /** With `session_id`: offset up to which the client has shown output; default: `from`; at least 0, at most 9007199254740991. */
    readonly acknowledged?: number;
    readonly binary?: boolean;
    readonly extended?: boolean;
    readonly capsule_events?: boolean;
    /** Chosen by the client, at random: a later connection with it continues this session. */
    readonly session_id?: string;
  };

  /** With `session_id`: the client will not continue its session. */
  TerminalDetach: {
    readonly type: "detach";
  };

  /** With `extended`: bytes that are not kept. */
  TerminalDropped: {
    readonly type: "dropped";
    /** Bytes of the stream before this; at least 0. */
    readonly from: number;
    /** Bytes of the stream before this; at least 0. */
    readonly to: number;
  };

  /** The program of the terminal has ended: the last message. */
  TerminalExit: {
    readonly type: "exit";
    /** The program's own, or 128 + signal. */
    readonly exit_code: number;
    /** Signal that ended it. */
    readonly signal?: number;
  };

  /** What is typed. */
  TerminalInput: {
    readonly type: "input";
    /** Base64. */
    readonly data: string;
  };

  /** With `session_id`: how much of the session's input the terminal has taken. */
  TerminalInputTaken: {
    readonly type: "input_ack";
    /** Bytes of input since the beginning of the session; at least 0. */
    readonly offset: number;
  };

  /** Ends the program of the terminal and everything that it started. */
  TerminalKill: {
    readonly type: "kill";
  };

  /** Output, unless the client asked for binary frames. */
  TerminalOutput: {
    readonly type: "output";
    /** At most 16 KiB, as base64. */
    readonly data: string;
    /** With `extended`: where it begins; at least 0. */
    readonly offset?: number;
  };

  /** Every 30 s; with `session_id` every 15 s. */
  TerminalPing: {
    readonly type: "ping";
  };

  /** Changes the size of the terminal. */
  TerminalResize: {
    readonly type: "resize";
    /** At least 1, at most 10000. */
    readonly cols: number;
    /** At least 1, at most 10000. */
    readonly rows: number;
  };

  /** With `extended`: a client has changed the size. */
  TerminalResized: {
    readonly type: "resized";
    readonly cols: number;
    readonly rows: number;
  };

  /** Starts a terminal; the first message. */
  TerminalStart: {
    readonly type: "start";
    /** At most 4096 characters. */
    readonly cmd?: string;
    readonly args?: readonly string[];
    /** At least 0, at most 10000. */
    readonly cols?: number;
    /** At least 0, at most 10000. */
    readonly rows?: number;
    readonly envs?: Readonly<Record<string, string>>;
    /** At most 4096 characters. */
    readonly cwd?: string;
    /** At most 64 characters. */
    readonly user?: string;
    readonly binary?: boolean;
    readonly extended?: boolean;
    readonly capsule_events?: boolean;
    /** Chosen by the client, at random: a later connection with it continues this session. */
    readonly session_id?: string;
  };

  /** The terminal runs, or the session is attached to it. */
  TerminalStarted: {
    readonly type: "started";
    /** With which clients connect again. */
    readonly tag: string;
    readonly pid: number;
    /** Output before this offset was printed before the client connected; at least 0. */
    readonly live_offset: number;
    /** With `session_id`: the server knows the session. */
    readonly resumed?: boolean;
    /** With `session_id`: bytes of the session's input that were taken; at least 0. */
    readonly input_offset?: number;
    /** With `session_id`: milliseconds between pings; at least 1. */
    readonly ping_ms?: number;
  };

  /** An upload that can be continued. */
  Upload: {
    readonly id: string;
    readonly path: string;
    readonly size: number;
    /** Bytes that have arrived. */
    readonly offset: number;
    /** A day after the last byte. */
    readonly expires_at: string;
  };

  /** A change. */
  WatchChange: {
    readonly type: "change";
    /** Kind of the change. */
    readonly change: string;
    /** Place in the changes of this session; at least 0. */
    readonly offset: number;
    readonly path: string;
    readonly directory: boolean;
    /** Where what was moved came from. */
    readonly old_path?: string;
  };

  /** What is watched was removed. */
  WatchEnd: {
    readonly type: "gone";
    readonly path: string;
  };

  /** Changes were lost: read the directory again. */
  WatchOverflow: {
    readonly type: "overflow";
    /** Place in the changes of this session; at least 0. */
    readonly offset: number;
  };

  /** Every later change is reported. */
  WatchStarted: {
    readonly type: "watching";
    readonly path: string;
  };

  /** Changes in this directory are not reported. */
  WatchUnwatched: {
    readonly type: "unwatched";
    /** Place in the changes of this session; at least 0. */
    readonly offset: number;
    /** The directory; empty: others that are not named. */
    readonly path: string;
    readonly reason: "limit" | "permission" | "depth" | "unavailable";
  };

  /** An API key was created. */
  "api_key.created": {
    readonly event: "api_key.created";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "api_key";
    };
    readonly data: {
      readonly name: string;
      readonly scopes: readonly string[];
      /** Id of the person who created the key. */
      readonly created_by?: string;
      readonly expires_at?: string;
    };
  };

  /** An API key was revoked. */
  "api_key.revoked": {
    readonly event: "api_key.revoked";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "api_key";
    };
    readonly data: {
      readonly name: string;
      /** Id of the person who created the key. */
      readonly created_by?: string;
    };
  };

  /** A build was cancelled. */
  "build.cancelled": {
    readonly event: "build.cancelled";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "build";
    };
    readonly data: {
      readonly name: string;
      readonly tag: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
    };
  };

  /** A build has failed. */
  "build.failed": {
    readonly event: "build.failed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "build";
    };
    readonly data: {
      readonly name: string;
      readonly tag: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
    };
  };

  /** A build ended with the control plane that ran it. */
  "build.interrupted": {
    readonly event: "build.interrupted";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "build";
    };
    readonly data: {
      readonly name: string;
      readonly tag: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
    };
  };

  /** A build waits for its turn. */
  "build.pending": {
    readonly event: "build.pending";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "build";
    };
    readonly data: {
      readonly name: string;
      readonly tag: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
    };
  };

  /** A build has begun. */
  "build.running": {
    readonly event: "build.running";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "build";
    };
    readonly data: {
      readonly name: string;
      readonly tag: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
    };
  };

  /** A build has made its template. */
  "build.success": {
    readonly event: "build.success";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "build";
    };
    readonly data: {
      readonly name: string;
      readonly tag: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
    };
  };

  /** The guest agent answers again. */
  "capsule.answering": {
    readonly event: "capsule.answering";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** There is room again, and the capsule runs. */
  "capsule.continued": {
    readonly event: "capsule.continued";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
    };
  };

  /** The capsule runs for the first time. */
  "capsule.created": {
    readonly event: "capsule.created";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** State that the capsule is in now. */
      readonly status: string;
      /** State that it was in before. */
      readonly previous: string;
      /** `requested`: by `actor`. `idle`: `timeout_sec` passed. `lifetime`: `max_lifetime_sec` passed. `expired`: a rule of retention. `failed`: see `problem`. `host_unreachable`, `host_returned`: its host. `host_reported`: its host says so and gives no reason. */
      readonly reason: "requested" | "idle" | "lifetime" | "expired" | "failed" | "host_unreachable" | "host_returned" | "host_reported";
      /** The operation under way, such as `create`, `resume` or `fork`. */
      readonly operation?: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
      /** Where the time of the operation went, in milliseconds: docs/reference/server-timing.md. */
      readonly phases?: Readonly<Record<string, number>>;
      /** Of a paused capsule: whether a resume goes on with its memory. */
      readonly memory_kept?: boolean;
      /** Of a capsule that was booted from its disk: clean, or checked and repaired. */
      readonly disk_at_boot?: string;
    };
  };

  /** The capsule has ended. */
  "capsule.destroyed": {
    readonly event: "capsule.destroyed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** State that the capsule is in now. */
      readonly status: string;
      /** State that it was in before. */
      readonly previous: string;
      /** `requested`: by `actor`. `idle`: `timeout_sec` passed. `lifetime`: `max_lifetime_sec` passed. `expired`: a rule of retention. `failed`: see `problem`. `host_unreachable`, `host_returned`: its host. `host_reported`: its host says so and gives no reason. */
      readonly reason: "requested" | "idle" | "lifetime" | "expired" | "failed" | "host_unreachable" | "host_returned" | "host_reported";
      /** The operation under way, such as `create`, `resume` or `fork`. */
      readonly operation?: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
      /** Where the time of the operation went, in milliseconds: docs/reference/server-timing.md. */
      readonly phases?: Readonly<Record<string, number>>;
      /** Of a paused capsule: whether a resume goes on with its memory. */
      readonly memory_kept?: boolean;
      /** Of a capsule that was booted from its disk: clean, or checked and repaired. */
      readonly disk_at_boot?: string;
    };
  };

  /** At least 5 % of it is free again. */
  "capsule.disk_freed": {
    readonly event: "capsule.disk_freed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** `space`: bytes. `files`: files and directories, whatever their size (inodes). */
      readonly resource: "space" | "files";
    };
  };

  /** Less than 1 % of the capsule's disk, or of the files that it can hold, is free. */
  "capsule.disk_full": {
    readonly event: "capsule.disk_full";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** `space`: bytes. `files`: files and directories, whatever their size (inodes). */
      readonly resource: "space" | "files";
    };
  };

  /** A rule removes the paused capsule in a day or later. */
  "capsule.expiring": {
    readonly event: "capsule.expiring";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** The capsule could not be started, or its machine crashed. */
  "capsule.failed": {
    readonly event: "capsule.failed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** State that the capsule is in now. */
      readonly status: string;
      /** State that it was in before. */
      readonly previous: string;
      /** `requested`: by `actor`. `idle`: `timeout_sec` passed. `lifetime`: `max_lifetime_sec` passed. `expired`: a rule of retention. `failed`: see `problem`. `host_unreachable`, `host_returned`: its host. `host_reported`: its host says so and gives no reason. */
      readonly reason: "requested" | "idle" | "lifetime" | "expired" | "failed" | "host_unreachable" | "host_returned" | "host_reported";
      /** The operation under way, such as `create`, `resume` or `fork`. */
      readonly operation?: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
      /** Where the time of the operation went, in milliseconds: docs/reference/server-timing.md. */
      readonly phases?: Readonly<Record<string, number>>;
      /** Of a paused capsule: whether a resume goes on with its memory. */
      readonly memory_kept?: boolean;
      /** Of a capsule that was booted from its disk: clean, or checked and repaired. */
      readonly disk_at_boot?: string;
    };
  };

  /** Other capsules were made of it. */
  "capsule.forked": {
    readonly event: "capsule.forked";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** The host of the capsule does not answer. */
  "capsule.missing": {
    readonly event: "capsule.missing";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** State that the capsule is in now. */
      readonly status: string;
      /** State that it was in before. */
      readonly previous: string;
      /** `requested`: by `actor`. `idle`: `timeout_sec` passed. `lifetime`: `max_lifetime_sec` passed. `expired`: a rule of retention. `failed`: see `problem`. `host_unreachable`, `host_returned`: its host. `host_reported`: its host says so and gives no reason. */
      readonly reason: "requested" | "idle" | "lifetime" | "expired" | "failed" | "host_unreachable" | "host_returned" | "host_reported";
      /** The operation under way, such as `create`, `resume` or `fork`. */
      readonly operation?: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
      /** Where the time of the operation went, in milliseconds: docs/reference/server-timing.md. */
      readonly phases?: Readonly<Record<string, number>>;
      /** Of a paused capsule: whether a resume goes on with its memory. */
      readonly memory_kept?: boolean;
      /** Of a capsule that was booted from its disk: clean, or checked and repaired. */
      readonly disk_at_boot?: string;
    };
  };

  /** The guest agent of the running capsule does not answer. */
  "capsule.not_answering": {
    readonly event: "capsule.not_answering";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** The memory of the capsule was full, and its kernel killed a process. */
  "capsule.out_of_memory": {
    readonly event: "capsule.out_of_memory";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** Name of the process that was killed last, as the guest says; at most 64 characters. */
      readonly process: string;
      /** Its number in the guest. */
      readonly pid: number;
      /** Memory that it held. */
      readonly memory_bytes: number;
      /** Processes that were killed since the event before. */
      readonly killed: number;
      /** When the last one was killed. */
      readonly at: string;
    };
  };

  /** The capsule is paused. */
  "capsule.paused": {
    readonly event: "capsule.paused";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** State that the capsule is in now. */
      readonly status: string;
      /** State that it was in before. */
      readonly previous: string;
      /** `requested`: by `actor`. `idle`: `timeout_sec` passed. `lifetime`: `max_lifetime_sec` passed. `expired`: a rule of retention. `failed`: see `problem`. `host_unreachable`, `host_returned`: its host. `host_reported`: its host says so and gives no reason. */
      readonly reason: "requested" | "idle" | "lifetime" | "expired" | "failed" | "host_unreachable" | "host_returned" | "host_reported";
      /** The operation under way, such as `create`, `resume` or `fork`. */
      readonly operation?: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
      /** Where the time of the operation went, in milliseconds: docs/reference/server-timing.md. */
      readonly phases?: Readonly<Record<string, number>>;
      /** Of a paused capsule: whether a resume goes on with its memory. */
      readonly memory_kept?: boolean;
      /** Of a capsule that was booted from its disk: clean, or checked and repaired. */
      readonly disk_at_boot?: string;
    };
  };

  /** The capsule runs again: resumed, or its host is back. */
  "capsule.running": {
    readonly event: "capsule.running";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** State that the capsule is in now. */
      readonly status: string;
      /** State that it was in before. */
      readonly previous: string;
      /** `requested`: by `actor`. `idle`: `timeout_sec` passed. `lifetime`: `max_lifetime_sec` passed. `expired`: a rule of retention. `failed`: see `problem`. `host_unreachable`, `host_returned`: its host. `host_reported`: its host says so and gives no reason. */
      readonly reason: "requested" | "idle" | "lifetime" | "expired" | "failed" | "host_unreachable" | "host_returned" | "host_reported";
      /** The operation under way, such as `create`, `resume` or `fork`. */
      readonly operation?: string;
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
      /** Where the time of the operation went, in milliseconds: docs/reference/server-timing.md. */
      readonly phases?: Readonly<Record<string, number>>;
      /** Of a paused capsule: whether a resume goes on with its memory. */
      readonly memory_kept?: boolean;
      /** Of a capsule that was booted from its disk: clean, or checked and repaired. */
      readonly disk_at_boot?: string;
    };
  };

  /** The capsule stands still: its host has no room for what it writes. */
  "capsule.stalled": {
    readonly event: "capsule.stalled";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** What went wrong; at most 500 characters. */
      readonly problem?: string;
    };
  };

  /** Its name, metadata, timeouts or network policy was changed. */
  "capsule.updated": {
    readonly event: "capsule.updated";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** A checkpoint of the capsule was made. */
  "checkpoint.created": {
    readonly event: "checkpoint.created";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "checkpoint";
    };
    readonly data: {
      readonly name?: string;
    };
  };

  /** The checkpoint was deleted on request. */
  "checkpoint.deleted": {
    readonly event: "checkpoint.deleted";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "checkpoint";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** A rule has removed the checkpoint. */
  "checkpoint.expired": {
    readonly event: "checkpoint.expired";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "checkpoint";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** A rule removes the checkpoint in a day or later. */
  "checkpoint.expiring": {
    readonly event: "checkpoint.expiring";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "checkpoint";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** The capsule was taken back to the checkpoint. */
  "checkpoint.restored": {
    readonly event: "checkpoint.restored";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "checkpoint";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** Events that are not stored are missing here. */
  "events.gap": {
    readonly event: "events.gap";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    /** Events that are not stored are missing here: read the present state. */
    readonly data: {
      /** `not_stored`: the client was away. `too_many`: more happened than is sent. `host_unreachable`: the host of the capsule did not answer. */
      readonly reason: "not_stored" | "too_many" | "host_unreachable";
      /** Kinds of which events are missing. */
      readonly types: readonly string[];
      /** How many, where that is known. */
      readonly dropped?: number;
    };
  };

  /** A host was added, and has not registered yet. */
  "host.created": {
    readonly event: "host.created";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "host";
    };
    readonly data: {
      readonly status: string;
    };
  };

  /** The host was removed. */
  "host.deleted": {
    readonly event: "host.deleted";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "host";
    };
    readonly data: {
      readonly status: string;
    };
  };

  /** The host does not answer. */
  "host.down": {
    readonly event: "host.down";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "host";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** The host gets no new capsules. */
  "host.draining": {
    readonly event: "host.draining";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "host";
    };
    readonly data: {
      readonly status: string;
    };
  };

  /** The host has joined. */
  "host.registered": {
    readonly event: "host.registered";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "host";
    };
    readonly data: {
      readonly status: string;
    };
  };

  /** The host gets new capsules again. */
  "host.undrained": {
    readonly event: "host.undrained";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "host";
    };
    readonly data: {
      readonly status: string;
    };
  };

  /** The host answers again. */
  "host.up": {
    readonly event: "host.up";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "host";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** An invitation was accepted, declined or withdrawn. */
  "invitation.closed": {
    readonly event: "invitation.closed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "invitation";
    };
    readonly data: {
      readonly role: "owner" | "admin" | "member";
    };
  };

  /** A person was invited to the team, or invited again. */
  "invitation.opened": {
    readonly event: "invitation.opened";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "invitation";
    };
    readonly data: {
      readonly role: "owner" | "admin" | "member";
    };
  };

  /** A person became a member of the team. */
  "member.joined": {
    readonly event: "member.joined";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "member";
    };
    readonly data: {
      readonly role: "owner" | "admin" | "member";
    };
  };

  /** A person left the team, or was removed by `actor`. */
  "member.removed": {
    readonly event: "member.removed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "member";
    };
    readonly data: {
      readonly role: "owner" | "admin" | "member";
    };
  };

  /** A member has another role. */
  "member.role_changed": {
    readonly event: "member.role_changed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "member";
    };
    readonly data: {
      readonly role: "owner" | "admin" | "member";
      readonly previous: "owner" | "admin" | "member";
    };
  };

  /** The rules of the capsule decided about a connection or a name. */
  "network.decision": {
    readonly event: "network.decision";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      /** name (DNS), server_name (TLS to port 443) or destination. */
      readonly kind: string;
      readonly subject: string;
      readonly verdict: "allowed" | "denied";
      readonly reason: string;
      /** How often since the event before. */
      readonly count: number;
      readonly at: string;
    };
  };

  /** It was set who may use the port of the capsule. */
  "port.access_changed": {
    readonly event: "port.access_changed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "port";
    };
    readonly data: {
      readonly access: "public" | "private";
    };
  };

  /** No process listens on the port of the capsule any longer. */
  "port.closed": {
    readonly event: "port.closed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "port";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** A link to the port of the capsule was made. */
  "port.link_created": {
    readonly event: "port.link_created";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "port";
    };
    readonly data: {
      /** Id of the link; its address is not told. */
      readonly link: string;
    };
  };

  /** A link to the port of the capsule was revoked. */
  "port.link_revoked": {
    readonly event: "port.link_revoked";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "port";
    };
    readonly data: {
      /** Id of the link; its address is not told. */
      readonly link: string;
    };
  };

  /** A process listens on a port of the capsule. */
  "port.opened": {
    readonly event: "port.opened";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "port";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** Such a process has exited. */
  "process.exited": {
    readonly event: "process.exited";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      readonly pid: number;
      readonly tag?: string;
      /** The program, without arguments; at most 200 characters. */
      readonly cmd: string;
      /** Absent when it is not known. */
      readonly exit_code?: number;
      readonly signal?: number;
      /** Its time limit was over. */
      readonly timed_out?: boolean;
    };
  };

  /** A process that was started through the API runs. */
  "process.started": {
    readonly event: "process.started";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "sandbox";
    };
    readonly data: {
      readonly pid: number;
      readonly tag?: string;
      /** The program, without arguments; at most 200 characters. */
      readonly cmd: string;
      readonly terminal: boolean;
      readonly started_at: string;
    };
  };

  /** The team has another name. */
  "team.renamed": {
    readonly event: "team.renamed";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "team";
    };
    readonly data: {
      readonly name: string;
    };
  };

  /** A template of the team was made. */
  "template.snapshot.created": {
    readonly event: "template.snapshot.created";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "snapshot";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };

  /** A template of the team was deleted. */
  "template.snapshot.deleted": {
    readonly event: "template.snapshot.deleted";
    /** RFC 3339, UTC. */
    readonly timestamp: string;
    readonly team_id: string;
    readonly actor: {
      readonly type: "user" | "api_key" | "system";
      readonly id?: string;
      readonly name?: string;
    };
    readonly resource: {
      readonly id: string;
      readonly type: "snapshot";
    };
    readonly data: Readonly<Record<string, unknown>>;
  };
}

/** What each route takes and answers. */
export interface ApiRoutes {
  /** Version, features, limits and ways to sign in. */
  "GET /v1/info": {
    readonly answers: {
      readonly 200: {
        readonly name: "wrenn";
        readonly version: string;
        readonly api_versions: readonly string[];
        /** The server's clock, RFC 3339, UTC. */
        readonly time: string;
        /** What this server can do; a client that does not know one ignores it. */
        readonly features: readonly string[];
        readonly limits: {
          /** Longest body of JSON. */
          readonly json_body_bytes: number;
          /** Longest message of a WebSocket. */
          readonly message_bytes: number;
          /** Kept of each stream of a foreground command. */
          readonly exec_output_bytes: number;
          /** Longest timeout of a command. */
          readonly exec_timeout_sec: number;
          /** How long an access token works. */
          readonly access_token_sec: number;
        };
        /** Where ports of capsules are: `{scheme}://{port of the capsule}-{capsule id}.{domain}:{port}/`. */
        readonly ports: {
          readonly scheme: "http" | "https";
          readonly domain: string;
          readonly port: number;
        };
        readonly sign_in: {
          readonly password: boolean;
          /** POST /v1/auth/device. */
          readonly device: boolean;
          readonly sign_up: "open" | "invite" | "closed";
          readonly providers: readonly {
            readonly name: string;
            readonly title: string;
          }[];
        };
      };
    };
  };

  /** Running capsules and reserved resources, now and over time. */
  "GET /v1/capsules/stats": {
    readonly query?: {
      readonly range?: "5m" | "1h" | "6h" | "24h" | "30d";
    };
    readonly answers: {
      readonly 200: {
        readonly range: string;
        readonly current: {
          readonly running_count: number;
          readonly vcpus_reserved: number;
          readonly memory_mb_reserved: number;
          /** What capsules and templates occupy on hosts. */
          readonly storage_mb: number;
          readonly checkpoints: number;
        };
        readonly peaks: {
          readonly running_count: number;
          readonly vcpus: number;
          readonly memory_mb: number;
        };
        readonly series: {
          readonly labels: readonly string[];
          readonly running: readonly number[];
          readonly vcpus: readonly number[];
          readonly memory_mb: readonly number[];
        };
      };
    };
  };

  /** CPU and memory minutes by day (UTC). */
  "GET /v1/capsules/usage": {
    readonly query?: {
      readonly from?: string;
      readonly to?: string;
    };
    readonly answers: {
      readonly 200: {
        readonly from: string;
        readonly to: string;
        readonly points: readonly {
          readonly date: string;
          readonly cpu_minutes: number;
          readonly ram_mb_minutes: number;
        }[];
      };
    };
  };

  /** What the team may use, and uses. */
  "GET /v1/quota": {
    readonly answers: {
      readonly 200: {
        readonly team_id: string;
        /** Capsules that have not ended, paused ones included. */
        readonly capsules: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Virtual CPUs of capsules that are not paused. */
        readonly vcpus: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Memory of capsules that are not paused, in MiB. */
        readonly memory_mb: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** What capsules, checkpoints and templates occupy on hosts, in MiB, with operations under way. */
        readonly disk_mb: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Templates of the team, with those that are being made. */
        readonly snapshots: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Checkpoints of all capsules, with those that are being made. */
        readonly checkpoints: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Checkpoints of one capsule: `used` is of the capsule that has most. */
        readonly capsule_checkpoints: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Builds of templates that have not ended. */
        readonly builds: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** Notification channels. */
        readonly channels: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
        /** API keys. */
        readonly api_keys: {
          /** Can be more than `limit`: guests that run may write, and limits may fall. */
          readonly used: number;
          readonly limit: number;
          /** What helps at the limit. */
          readonly remedy: string;
        };
      };
    };
  };

  /** Events of the team, as they happen. */
  "GET /v1/events": {
    readonly query?: {
      /** Kinds, comma-separated; `capsule.*` is every kind that begins with `capsule.`; at most 1024 characters. */
      readonly types?: string;
      /** Only events about this capsule and its checkpoints; at most 64 characters. */
      readonly capsule?: string;
      /** RFC 3339: events at this time or later; at most 64 characters. */
      readonly since?: string;
      /** Id of the event after which it begins, like `Last-Event-ID`; at most 64 characters. */
      readonly after?: string;
    };
    readonly header?: {
      /** Id of the last event that the client received. */
      readonly "Last-Event-ID"?: string;
    };
    readonly answers: {
      readonly 200: ApiSchemas["capsule.created"] | ApiSchemas["capsule.running"] | ApiSchemas["capsule.paused"] | ApiSchemas["capsule.updated"] | ApiSchemas["capsule.destroyed"] | ApiSchemas["capsule.failed"] | ApiSchemas["capsule.missing"] | ApiSchemas["capsule.expiring"] | ApiSchemas["capsule.stalled"] | ApiSchemas["capsule.continued"] | ApiSchemas["capsule.not_answering"] | ApiSchemas["capsule.answering"] | ApiSchemas["capsule.out_of_memory"] | ApiSchemas["capsule.disk_full"] | ApiSchemas["capsule.disk_freed"] | ApiSchemas["capsule.forked"] | ApiSchemas["port.opened"] | ApiSchemas["port.closed"] | ApiSchemas["port.access_changed"] | ApiSchemas["port.link_created"] | ApiSchemas["port.link_revoked"] | ApiSchemas["checkpoint.created"] | ApiSchemas["checkpoint.restored"] | ApiSchemas["checkpoint.deleted"] | ApiSchemas["checkpoint.expiring"] | ApiSchemas["checkpoint.expired"] | ApiSchemas["template.snapshot.created"] | ApiSchemas["template.snapshot.deleted"] | ApiSchemas["build.pending"] | ApiSchemas["build.running"] | ApiSchemas["build.success"] | ApiSchemas["build.failed"] | ApiSchemas["build.cancelled"] | ApiSchemas["build.interrupted"] | ApiSchemas["host.created"] | ApiSchemas["host.registered"] | ApiSchemas["host.up"] | ApiSchemas["host.down"] | ApiSchemas["host.draining"] | ApiSchemas["host.undrained"] | ApiSchemas["host.deleted"] | ApiSchemas["member.joined"] | ApiSchemas["member.role_changed"] | ApiSchemas["member.removed"] | ApiSchemas["team.renamed"] | ApiSchemas["invitation.opened"] | ApiSchemas["invitation.closed"] | ApiSchemas["api_key.created"] | ApiSchemas["api_key.revoked"] | ApiSchemas["process.started"] | ApiSchemas["process.exited"] | ApiSchemas["network.decision"] | ApiSchemas["events.gap"];
    };
  };

  /** Events of the team that are kept, newest first. */
  "GET /v1/events/history": {
    readonly query?: {
      /** Kinds, comma-separated; `capsule.*` is every kind that begins with `capsule.`; at most 1024 characters. */
      readonly types?: string;
      /** Only events about this capsule and its checkpoints; at most 64 characters. */
      readonly capsule?: string;
      /** RFC 3339: events at this time or later; at most 64 characters. */
      readonly since?: string;
      /** RFC 3339: events before this time; at most 64 characters. */
      readonly until?: string;
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly ({
        /** Place in the stream, for `Last-Event-ID` and `after`. */
        readonly id: string;
        /** Kind, as docs/reference/events.md lists. */
        readonly event: string;
        /** RFC 3339, UTC. */
        readonly timestamp: string;
        readonly team_id: string;
        readonly actor: {
          readonly type: "user" | "api_key" | "system";
          readonly id?: string;
          readonly name?: string;
        };
        readonly resource: {
          readonly id: string;
          readonly type: string;
        };
        readonly data: Readonly<Record<string, unknown>>;
      })[];
    };
  };

  /** What a capsule may reach. */
  "GET /v1/capsules/{id}/network": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly answers: {
      readonly 200: ApiSchemas["NetworkPolicy"];
    };
  };

  /** Change what a capsule may reach, at once. */
  "PUT /v1/capsules/{id}/network": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: ApiSchemas["NetworkPolicy"];
    readonly answers: {
      readonly 200: ApiSchemas["NetworkPolicy"];
    };
  };

  /** What a running capsule lately wanted to reach, and what became of it. */
  "GET /v1/capsules/{id}/network/decisions": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly answers: {
      readonly 200: readonly {
        /** name (DNS), server_name (TLS to port 443) or destination. */
        readonly kind: string;
        readonly subject: string;
        /** allowed or denied. */
        readonly verdict: string;
        readonly reason: string;
        readonly count: number;
        /** Of the last time. */
        readonly at: string;
      }[];
    };
  };

  /** Create a capsule. */
  "POST /v1/capsules": {
    readonly header?: {
      /** Makes the request repeatable for a day: 1 to 255 printable characters. */
      readonly "Idempotency-Key"?: string;
    };
    readonly body: ApiSchemas["CapsuleCreate"];
    readonly answers: {
      readonly 201: ApiSchemas["Capsule"];
    };
  };

  /** List capsules, newest first. */
  "GET /v1/capsules": {
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
      /** Exactly this name; at most 256 characters. */
      readonly name?: string;
      /** One or several, repeated or separated by commas: pending, starting, running, paused, missing. */
      readonly status?: string | readonly string[];
      /** At most 256 characters. */
      readonly template?: string;
      /** `key=value`; repeated, a capsule must have all of them. */
      readonly metadata?: string | readonly string[];
      /** RFC 3339 with a zone; exclusive; at most 40 characters. */
      readonly created_after?: string;
      /** RFC 3339 with a zone; exclusive; at most 40 characters. */
      readonly created_before?: string;
      /** By creation: desc, the newest first, is the default. */
      readonly order?: "desc" | "asc";
    };
    readonly answers: {
      readonly 200: readonly ApiSchemas["Capsule"][];
    };
  };

  /** Read a capsule. */
  "GET /v1/capsules/{id}": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly answers: {
      readonly 200: ApiSchemas["Capsule"];
    };
  };

  /** Destroy a capsule. */
  "DELETE /v1/capsules/{id}": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Change a capsule. */
  "PATCH /v1/capsules/{id}": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** null removes the name. */
      readonly name?: string | null;
      /** Pairs to add or replace; null as a value removes the pair, and null as a whole all of them. Others stay. */
      readonly metadata?: Readonly<Record<string, string | null>> | null;
      /** Idle seconds after which the capsule is paused; 0: never; at least 0, at most 2592000. */
      readonly timeout_sec?: number;
      /** Seconds after which the run of the capsule ends whether or not it is in use, from its creation and from each resume; 0: never; at least 0, at most 2592000. */
      readonly max_lifetime_sec?: number;
      /** What happens then: `pause` (default), `pause_disk` (processes and memory are given up, the disk is kept), or `destroy`. */
      readonly on_lifetime_end?: "pause" | "pause_disk" | "destroy";
      /** A request that uses the paused capsule resumes it. */
      readonly auto_resume?: boolean;
      readonly network?: ApiSchemas["NetworkPolicy"];
    };
    readonly answers: {
      readonly 200: ApiSchemas["Capsule"];
    };
  };

  /** Move the end of the present run of a capsule. */
  "POST /v1/capsules/{id}/extend": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Seconds after the end as it is; at least 1, at most 2592000. */
      readonly by_sec?: number;
      /** Seconds from now, which may be before the end as it is; at least 1, at most 2592000. */
      readonly from_now_sec?: number;
    };
    readonly answers: {
      readonly 200: ApiSchemas["Capsule"];
    };
  };

  /** Pause a capsule. */
  "POST /v1/capsules/{id}/pause": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Whether memory and processes are kept; default: true. */
      readonly memory?: boolean;
    };
    readonly answers: {
      readonly 200: ApiSchemas["Capsule"];
    };
  };

  /** Resume a paused capsule. */
  "POST /v1/capsules/{id}/resume": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Whether it runs on with its memory, or is booted from its disk; default: true. */
      readonly memory?: boolean;
    };
    readonly answers: {
      readonly 200: ApiSchemas["Capsule"];
    };
  };

  /** Count as activity. */
  "POST /v1/capsules/{id}/ping": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Start capsules from this moment of a running one. */
  "POST /v1/capsules/{id}/fork": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** At least 1, at most 32. */
      readonly count?: number;
    };
    readonly answers: {
      readonly 201: readonly ApiSchemas["Capsule"][];
    };
  };

  /** How busy a capsule was. */
  "GET /v1/capsules/{id}/metrics": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query?: {
      readonly range?: "5m" | "10m" | "1h" | "2h" | "6h" | "12h" | "24h";
      /** Seconds of a point. Default and smallest: 5m 5 and 1, 10m 5 and 5, 1h 30 and 30, 2h 30 and 30, 6h 300 and 300, 12h 300 and 300, 24h 300 and 300.; at least 1, at most 300. */
      readonly step?: number;
    };
    readonly answers: {
      readonly 200: ApiSchemas["CapsuleMetrics"];
    };
  };

  /** How busy a capsule is, as it is measured. */
  "GET /v1/capsules/{id}/metrics/stream": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query?: {
      /** Seconds of a point; default: 1; at least 1, at most 60. */
      readonly step?: number;
    };
    readonly header?: {
      /** Id of the last event that the client received. */
      readonly "Last-Event-ID"?: string;
    };
    readonly answers: {
      readonly 200: ApiSchemas["MetricsPoint"];
    };
  };

  /** Keep this moment of a running capsule. */
  "POST /v1/capsules/{id}/checkpoints": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** 1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit. */
      readonly name?: string;
    };
    readonly answers: {
      readonly 201: ApiSchemas["Checkpoint"];
    };
  };

  /** List moments that the capsule can go back to, newest first. */
  "GET /v1/capsules/{id}/checkpoints": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly ApiSchemas["Checkpoint"][];
    };
  };

  /** Go back to a moment; what came after it is lost. */
  "POST /v1/capsules/{id}/checkpoints/{checkpoint}/restore": {
    readonly path: {
      readonly id: string;
      /** Id of the checkpoint, such as g3. */
      readonly checkpoint: string;
    };
    readonly answers: {
      readonly 200: ApiSchemas["Capsule"];
    };
  };

  /** Delete a checkpoint. */
  "DELETE /v1/capsules/{id}/checkpoints/{checkpoint}": {
    readonly path: {
      readonly id: string;
      /** Id of the checkpoint, such as g3. */
      readonly checkpoint: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Make a template of a capsule. */
  "POST /v1/snapshots": {
    readonly query?: {
      readonly overwrite?: boolean;
    };
    readonly body: {
      /** Id or name of the capsule. */
      readonly sandbox_id: string;
      /** `name` or `name:tag`; both have 1 to 64 of letters, digits, dot, underscore, hyphen, and begin with a letter or digit. Without a tag: `default`. */
      readonly name?: string;
    };
    readonly answers: {
      readonly 201: ApiSchemas["Template"];
    };
  };

  /** List templates, newest first. */
  "GET /v1/snapshots": {
    readonly query?: {
      readonly type?: "base" | "snapshot";
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly ApiSchemas["Template"][];
    };
  };

  /** Log of a capsule: its console, and what the platform did. */
  "GET /v1/capsules/{id}/logs": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query?: {
      readonly source?: "console" | "platform";
      /** RFC 3339 with a zone: entries from then on; at most 64 characters. */
      readonly since?: string;
      /** `id` of an entry, or `next`; at most 64 characters. */
      readonly after?: string;
      /** Default: 1000; at least 1, at most 5000. */
      readonly limit?: number;
      /** Only so many of the last entries; at least 0, at most 5000. */
      readonly tail?: number;
      readonly follow?: boolean;
    };
    readonly header?: {
      /** Id of the last event that the client received. */
      readonly "Last-Event-ID"?: string;
    };
    readonly answers: {
      readonly 200: {
        readonly entries: readonly ApiSchemas["LogEntry"][];
        /** `after` of the next request. */
        readonly next: string;
        /** Whether there are more entries already. */
        readonly has_more: boolean;
        /** The host does not answer: lines of the console are missing. */
        readonly incomplete: boolean;
      } | ApiSchemas["LogEntry"];
    };
  };

  /** Run a command. */
  "POST /v1/capsules/{id}/exec": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: ApiSchemas["ExecRequest"];
    readonly answers: {
      readonly 200: ApiSchemas["ExecResult"];
      readonly 202: ApiSchemas["StartedProcess"];
    };
  };

  /** List live processes. */
  "GET /v1/capsules/{id}/processes": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly answers: {
      readonly 200: {
        readonly processes: readonly {
          readonly pid: number;
          readonly tag?: string;
          readonly cmd: string;
          readonly args?: readonly string[];
          /** Whether it runs in a terminal. */
          readonly terminal: boolean;
        }[];
      };
    };
  };

  /** End a process and everything it started. */
  "DELETE /v1/capsules/{id}/processes/{selector}": {
    readonly path: {
      readonly id: string;
      /** pid (all digits) or tag, percent-encoded; at most 256 characters. */
      readonly selector: string;
    };
    readonly query?: {
      /** SIGTERM, or anything else for SIGKILL. */
      readonly signal?: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Describe a process, also after its end. */
  "GET /v1/capsules/{id}/processes/{selector}": {
    readonly path: {
      readonly id: string;
      /** pid (all digits) or tag, percent-encoded; at most 256 characters. */
      readonly selector: string;
    };
    readonly answers: {
      readonly 200: ApiSchemas["Process"];
    };
  };

  /** Read what a process has printed, also after its end. */
  "GET /v1/capsules/{id}/processes/{selector}/logs": {
    readonly path: {
      readonly id: string;
      /** pid (all digits) or tag, percent-encoded; at most 256 characters. */
      readonly selector: string;
    };
    readonly query?: {
      /** Offset in standard output; at least 0. */
      readonly from?: number;
      /** Offset in standard error; at least 0. */
      readonly from_stderr?: number;
    };
    readonly answers: {
      readonly 200: {
        readonly stdout: {
          readonly data: string;
          /** utf-8, or base64 when the bytes are no text. */
          readonly encoding: string;
          readonly offset: number;
          readonly next: number;
        };
        readonly stderr: {
          readonly data: string;
          /** utf-8, or base64 when the bytes are no text. */
          readonly encoding: string;
          readonly offset: number;
          readonly next: number;
        };
        readonly exit?: {
          /** The program's own, 128 + signal, or 124 when its time was up. */
          readonly exit_code: number;
          readonly signal?: number;
          /** `timeout_sec` was over. */
          readonly timed_out?: boolean;
        };
      };
    };
  };

  /** Write to a process's standard input. */
  "POST /v1/capsules/{id}/processes/{selector}/input": {
    readonly path: {
      readonly id: string;
      /** pid (all digits) or tag, percent-encoded; at most 256 characters. */
      readonly selector: string;
    };
    readonly body: {
      readonly data?: string;
      readonly encoding?: "utf-8" | "base64";
      /** Place of the first byte of `data` in the whole input: bytes that were taken before are skipped, so that a repeated request writes nothing twice; at least 0, at most 9007199254740991. */
      readonly offset?: number;
      /** Closes standard input after the data. */
      readonly close?: boolean;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Send a signal. */
  "POST /v1/capsules/{id}/processes/{selector}/signal": {
    readonly path: {
      readonly id: string;
      /** pid (all digits) or tag, percent-encoded; at most 256 characters. */
      readonly selector: string;
    };
    readonly body: {
      /** Such as SIGINT or SIGUSR1. */
      readonly signal: string;
      /** The process group (the default), or everything the process started. */
      readonly scope?: "group" | "tree";
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Follow the output of a process. */
  "GET /v1/capsules/{id}/processes/{selector}/output": {
    readonly path: {
      readonly id: string;
      /** pid (all digits) or tag, percent-encoded; at most 256 characters. */
      readonly selector: string;
    };
    readonly query?: {
      /** Offset in standard output, or `oldest` (default). */
      readonly from?: string;
      /** Offset in standard error; default: 0; at least 0, at most 9007199254740991. */
      readonly from_stderr?: number;
      /** Frames when the status of the capsule changes. */
      readonly capsule_events?: boolean;
    };
    readonly answers: {
      readonly 200: string;
    };
  };

  /** Delete a template. */
  "DELETE /v1/snapshots/{name}": {
    readonly path: {
      /** 1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit. */
      readonly name: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** List templates of the team, or those that teams have made public, newest first. */
  "GET /v1/templates": {
    readonly query?: {
      readonly public?: boolean;
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly {
        readonly name: string;
        /** base or snapshot. */
        readonly type: string;
        readonly vcpus?: number;
        readonly memory_mb?: number;
        readonly size_bytes: number;
        readonly created_at: string;
        /** Everybody may use it. */
        readonly platform: boolean;
        readonly metadata?: Readonly<Record<string, string>>;
        /** Of the version with the tag `default`, or else of the newest. */
        readonly version?: number;
        /** Of this version. */
        readonly tags: readonly string[];
        /** Every team may start capsules from it. */
        readonly public: boolean;
        /** What a create names as `template`. */
        readonly reference: string;
      }[];
    };
  };

  /** A template with its versions and tags. */
  "GET /v1/templates/{name}": {
    readonly path: {
      /** `name`, `name:tag`, or `team/name:tag` with the slug of a team that made the template public. Without a tag: `default`. */
      readonly name: string;
    };
    readonly answers: {
      readonly 200: {
        readonly name: string;
        /** Everybody may use it. */
        readonly platform: boolean;
        /** Every team may start capsules from it. */
        readonly public: boolean;
        /** The team may change it. */
        readonly own: boolean;
        /** Newest first; none for a built-in template. */
        readonly versions: readonly {
          readonly version: number;
          readonly tags: readonly string[];
          readonly vcpus: number;
          readonly memory_mb: number;
          readonly size_bytes: number;
          readonly created_at: string;
          /** Of its image or recipe: a name or a number. */
          readonly stop_signal?: string;
          /** Likewise, such as `8080/tcp`. */
          readonly exposed_ports: readonly string[];
          /** Likewise. */
          readonly labels: Readonly<Record<string, string>>;
        }[];
        readonly tags: readonly {
          readonly tag: string;
          readonly version: number;
          /** When the tag was given to this version. */
          readonly tagged_at: string;
        }[];
      };
    };
  };

  /** Let every team start capsules from a template, or no longer. */
  "PATCH /v1/templates/{name}": {
    readonly path: {
      /** 1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit. */
      readonly name: string;
    };
    readonly body: {
      readonly public: boolean;
    };
    readonly answers: {
      readonly 200: {
        readonly name: string;
        /** Everybody may use it. */
        readonly platform: boolean;
        /** Every team may start capsules from it. */
        readonly public: boolean;
        /** The team may change it. */
        readonly own: boolean;
        /** Newest first; none for a built-in template. */
        readonly versions: readonly {
          readonly version: number;
          readonly tags: readonly string[];
          readonly vcpus: number;
          readonly memory_mb: number;
          readonly size_bytes: number;
          readonly created_at: string;
          /** Of its image or recipe: a name or a number. */
          readonly stop_signal?: string;
          /** Likewise, such as `8080/tcp`. */
          readonly exposed_ports: readonly string[];
          /** Likewise. */
          readonly labels: Readonly<Record<string, string>>;
        }[];
        readonly tags: readonly {
          readonly tag: string;
          readonly version: number;
          /** When the tag was given to this version. */
          readonly tagged_at: string;
        }[];
      };
    };
  };

  /** List the tags of a template. */
  "GET /v1/templates/{name}/tags": {
    readonly path: {
      /** `name`, `name:tag`, or `team/name:tag` with the slug of a team that made the template public. Without a tag: `default`. */
      readonly name: string;
    };
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly {
        readonly tag: string;
        readonly version: number;
        /** When the tag was given to this version. */
        readonly tagged_at: string;
      }[];
    };
  };

  /** Give a tag to a version of a template. */
  "PUT /v1/templates/{name}/tags/{tag}": {
    readonly path: {
      /** 1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit. */
      readonly name: string;
      /** 1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit. */
      readonly tag: string;
    };
    readonly body: {
      /** At least 1, at most 2147483647. */
      readonly version: number;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Take a tag away. */
  "DELETE /v1/templates/{name}/tags/{tag}": {
    readonly path: {
      /** 1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit. */
      readonly name: string;
      /** 1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit. */
      readonly tag: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Delete a version of a template, with its tags. */
  "DELETE /v1/templates/{name}/versions/{version}": {
    readonly path: {
      /** 1 to 64 of letters, digits, dot, underscore, hyphen; begins with a letter or digit. */
      readonly name: string;
      /** At least 1, at most 2147483647. */
      readonly version: number;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Begin an upload that can be continued. */
  "POST /v1/capsules/{id}/files/uploads": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly header?: {
      /** Entity tags, or `*` for any file: 412 for other versions and for no file. */
      readonly "If-Match"?: string;
      /** Entity tags: 412 for these versions; `*`: 409 when there is a file. */
      readonly "If-None-Match"?: string;
      /** 412 when the file was changed since. */
      readonly "If-Unmodified-Since"?: string;
    };
    readonly body: {
      /** At most 16384 characters. */
      readonly path: string;
      /** Bytes of the whole file; at least 0, at most 999999999999999. */
      readonly size: number;
      /** Octal permissions; a file that exists keeps its own without them. */
      readonly mode?: string;
      /** At most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 201: ApiSchemas["Upload"];
    };
  };

  /** Where an upload stands. */
  "GET /v1/capsules/{id}/files/uploads/{upload}": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
      /** Upload id, `up-` and 25 characters. */
      readonly upload: string;
    };
    readonly answers: {
      readonly 200: ApiSchemas["Upload"];
    };
  };

  /** Where an upload stands. */
  "HEAD /v1/capsules/{id}/files/uploads/{upload}": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
      /** Upload id, `up-` and 25 characters. */
      readonly upload: string;
    };
    readonly answers: {
      readonly 200: undefined;
    };
  };

  /** Abandon an upload. */
  "DELETE /v1/capsules/{id}/files/uploads/{upload}": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
      /** Upload id, `up-` and 25 characters. */
      readonly upload: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Continue an upload. */
  "PATCH /v1/capsules/{id}/files/uploads/{upload}": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
      /** Upload id, `up-` and 25 characters. */
      readonly upload: string;
    };
    readonly header: {
      readonly "upload-offset": string;
      /** `sha-256=:…:` of the body, which is verified. */
      readonly "Content-Digest"?: string;
    };
    readonly body: Uint8Array;
    readonly answers: {
      readonly 200: {
        readonly entry: ApiSchemas["FileEntry"];
      };
      readonly 204: undefined;
    };
  };

  /** List a directory. */
  "POST /v1/capsules/{id}/files/list": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly path: string;
      /** At least 0, at most 100. */
      readonly depth?: number;
      /** Most entries of one page; with only a cursor 1000, without either all; at least 1, at most 10000. */
      readonly limit?: number;
      /** `next_cursor` of the page before; at most 40000 characters. */
      readonly cursor?: string;
      /** Whose permissions hold; root when absent; at most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: {
        readonly entries: readonly ApiSchemas["FileEntry"][];
        /** `cursor` of the next page; the last page has none. */
        readonly next_cursor?: string;
      };
    };
  };

  /** Make a directory with its parents. */
  "POST /v1/capsules/{id}/files/mkdir": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly path: string;
      /** Whose permissions hold; root when absent; at most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: {
        readonly entry: ApiSchemas["FileEntry"];
      };
    };
  };

  /** Remove a file, or a directory with all it holds. */
  "POST /v1/capsules/{id}/files/remove": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly path: string;
      /** Whose permissions hold; root when absent; at most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Describe a file; links are not followed. */
  "POST /v1/capsules/{id}/files/stat": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly path: string;
      /** Whose permissions hold; root when absent; at most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: {
        readonly entry: ApiSchemas["FileEntry"];
      };
    };
  };

  /** Whether a path exists. */
  "POST /v1/capsules/{id}/files/exists": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly path: string;
      /** Whose permissions hold; root when absent; at most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: {
        readonly exists: boolean;
      };
    };
  };

  /** Move or rename. */
  "POST /v1/capsules/{id}/files/move": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly source: string;
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly destination: string;
      readonly overwrite?: boolean;
      /** Whose permissions hold; root when absent; at most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: {
        readonly entry: ApiSchemas["FileEntry"];
      };
    };
  };

  /** Copy a file, or a directory with all it holds. */
  "POST /v1/capsules/{id}/files/copy": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly source: string;
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly destination: string;
      readonly overwrite?: boolean;
      /** Whose permissions hold; root when absent; at most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: {
        readonly entry: ApiSchemas["FileEntry"];
      };
    };
  };

  /** Change permissions. */
  "POST /v1/capsules/{id}/files/chmod": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      /** Absolute, `~`-prefixed, or relative to the user's home. */
      readonly path: string;
      /** Octal, such as 0755. */
      readonly mode: string;
      readonly recursive?: boolean;
      /** Whose permissions hold; root when absent; at most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: {
        readonly entry: ApiSchemas["FileEntry"];
      };
    };
  };

  /** Download a file. */
  "POST /v1/capsules/{id}/files/read": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      readonly path: string;
      /** At most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: Uint8Array;
    };
  };

  /** Download a file. */
  "POST /v1/capsules/{id}/files/stream/read": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly body: {
      readonly path: string;
      /** At most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: Uint8Array;
    };
  };

  /** Download a directory as tar.gz. */
  "GET /v1/capsules/{id}/files/archive": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query: {
      /** At most 16384 characters. */
      readonly path: string;
      /** At most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: Uint8Array;
    };
  };

  /** List ports whose access was set. */
  "GET /v1/capsules/{id}/ports": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly ({
        readonly port: number;
        readonly access: "public" | "private";
        readonly url: string;
      })[];
    };
  };

  /** Say who may use a port. */
  "PUT /v1/capsules/{id}/ports/{port}": {
    readonly path: {
      readonly id: string;
      /** At least 1, at most 65535. */
      readonly port: number;
    };
    readonly body: {
      readonly access: "public" | "private";
    };
    readonly answers: {
      readonly 200: {
        readonly port: number;
        readonly access: "public" | "private";
        readonly url: string;
      };
    };
  };

  /** List ports that processes listen on. */
  "GET /v1/capsules/{id}/ports/listening": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly answers: {
      readonly 200: {
        readonly ports: readonly ApiSchemas["ListeningPort"][];
        readonly unlisted: number;
        /** When the host looked; null when it has not. */
        readonly seen_at: string | null;
      };
    };
  };

  /** Create a signed link to a port. */
  "POST /v1/capsules/{id}/ports/{port}/link": {
    readonly path: {
      readonly id: string;
      /** At least 1, at most 65535. */
      readonly port: number;
    };
    readonly body: {
      /** At least 1, at most 2592000. */
      readonly expires_in_sec?: number;
    };
    readonly answers: {
      readonly 201: {
        readonly id: string;
        readonly port: number;
        /** Id of the user or API key; the link ends with it. */
        readonly created_by: string;
        readonly created_at: string;
        readonly expires_at: string;
        readonly url: string;
      };
    };
  };

  /** List signed links to ports, newest first. */
  "GET /v1/capsules/{id}/ports/links": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
      /** At least 1, at most 65535. */
      readonly port?: number;
    };
    readonly answers: {
      readonly 200: readonly {
        readonly id: string;
        readonly port: number;
        /** Id of the user or API key; the link ends with it. */
        readonly created_by: string;
        readonly created_at: string;
        readonly expires_at: string;
      }[];
    };
  };

  /** Revoke a signed link, with the connections that it opened. */
  "DELETE /v1/capsules/{id}/ports/{port}/links/{link}": {
    readonly path: {
      readonly id: string;
      /** At least 1, at most 65535. */
      readonly port: number;
      readonly link: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Build a template. */
  "POST /v1/builds": {
    readonly body: {
      /** `name` or `name:tag`; both have 1 to 64 of letters, digits, dot, underscore, hyphen, and begin with a letter or digit. Without a tag: `default`. */
      readonly name: string;
      /** `name`, `name:tag`, or `team/name:tag` with the slug of a team that made the template public. Without a tag: `default`. */
      readonly base_template?: string;
      /** One instruction each: RUN, START, ENV, WORKDIR, USER, COPY. Either this or recipe_text; at most 200 entries. */
      readonly recipe?: readonly string[];
      /** The text of a recipe; at most 1048576 characters. */
      readonly recipe_text?: string;
      /** Its name in messages; at most 255 characters. */
      readonly recipe_file?: string;
      /** Values for ARG. */
      readonly args?: Readonly<Record<string, string>>;
      /** Of a text: what each step copies, by its number. The archive has a directory of that name for it. */
      readonly sources?: Readonly<Record<string, {
        /** Of names, bytes and modes of its files. */
        readonly digest: string;
        /** One file, and the target is its name unless it is a directory. */
        readonly single?: boolean;
        /** Paths of archives that ADD unpacks; at most 1000 entries. */
        readonly archives?: readonly string[];
      }>>;
      /** Values for RUN --mount=type=secret, by their ids. */
      readonly secrets?: Readonly<Record<string, string>>;
      /** For the registry of the image that FROM names, before what the host has for it. */
      readonly registry_login?: {
        /** At most 1024 characters. */
        readonly username: string;
        /** At most 65536 characters. */
        readonly password: string;
      };
      /** Performs every step. */
      readonly no_cache?: boolean;
      /** Performs this step and those behind it; at least 1, at most 1000. */
      readonly from_step?: number;
      /** Command that exits with 0 when the template is ready, with flags before it: --interval, --timeout, --start-period, --retries, --deadline; at most 4096 characters. */
      readonly healthcheck?: string;
      /** 0 or less: 1; at most 64. */
      readonly vcpus?: number;
      /** 0 or less: 512; at least 128, at most 65536. */
      readonly memory_mb?: number;
      /** Without the steps before and after the recipe; the recipe runs as root. A text has none. */
      readonly skip_pre_post?: boolean;
    };
    readonly answers: {
      readonly 201: ApiSchemas["Build"];
    };
  };

  /** List builds, newest first. */
  "GET /v1/builds": {
    readonly query?: {
      /** Entries of one page; without it, all; at least 1, at most 1000. */
      readonly limit?: number;
      /** `X-Next-Cursor` of the page before; the last page has none; at most 400 characters. */
      readonly cursor?: string;
    };
    readonly answers: {
      readonly 200: readonly ApiSchemas["Build"][];
    };
  };

  /** A build with the steps that have ended. */
  "GET /v1/builds/{id}": {
    readonly path: {
      /** Build id, `bld-` and 25 characters. */
      readonly id: string;
    };
    readonly answers: {
      readonly 200: ApiSchemas["Build"];
    };
  };

  /** Lines of the log of a build. */
  "GET /v1/builds/{id}/logs": {
    readonly path: {
      /** Build id, `bld-` and 25 characters. */
      readonly id: string;
    };
    readonly query?: {
      /** At least 0, at most 2147483647. */
      readonly from?: number;
      /** At least 1, at most 1000. */
      readonly limit?: number;
    };
    /** Messages of the client. */
    readonly client: ApiSchemas["AuthMessage"];
    /** Messages of the server. */
    readonly server: ApiSchemas["BuildLine"] | ApiSchemas["BuildEnd"] | ApiSchemas["Heartbeat"] | ApiSchemas["ErrorMessage"];
    readonly answers: {
      readonly 200: {
        readonly lines: readonly ApiSchemas["BuildLogLine"][];
        readonly next_from: number;
        /** `interrupted`: the control plane that ran it ended. */
        readonly status: "pending" | "running" | "success" | "failed" | "cancelled" | "interrupted";
      };
    };
  };

  /** Cancel a build. */
  "POST /v1/builds/{id}/cancel": {
    readonly path: {
      /** Build id, `bld-` and 25 characters. */
      readonly id: string;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Make a template of the image in an archive. */
  "POST /v1/builds/import": {
    readonly body: {
      /** `name` or `name:tag`; both have 1 to 64 of letters, digits, dot, underscore, hyphen, and begin with a letter or digit. Without a tag: `default`. */
      readonly name: string;
      /** Name of the image in the archive; default: its only one; at most 1024 characters. */
      readonly image?: string;
      /** Command that exits with 0 when the template is ready, with flags before it: --interval, --timeout, --start-period, --retries, --deadline; at most 4096 characters. */
      readonly healthcheck?: string;
      /** 0 or less: 1; at most 64. */
      readonly vcpus?: number;
      /** 0 or less: 512; at least 128, at most 65536. */
      readonly memory_mb?: number;
    };
    readonly answers: {
      readonly 201: ApiSchemas["Build"];
    };
  };

  /** Download a file. */
  "GET /v1/capsules/{id}/files/content": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query: {
      /** At most 16384 characters. */
      readonly path: string;
      /** At most 64 characters. */
      readonly user?: string;
    };
    readonly header?: {
      /** `bytes=0-99`: a part of the file. */
      readonly Range?: string;
      /** Entity tag: the whole file when it is another version. */
      readonly "If-Range"?: string;
      /** Entity tags: 412 for other versions. */
      readonly "If-Match"?: string;
      /** Entity tags: 304 for these versions. */
      readonly "If-None-Match"?: string;
      /** 304 when the file was not changed since. */
      readonly "If-Modified-Since"?: string;
      /** 412 when the file was changed since. */
      readonly "If-Unmodified-Since"?: string;
    };
    readonly answers: {
      readonly 200: Uint8Array;
      readonly 206: Uint8Array;
    };
  };

  /** Download a file. */
  "HEAD /v1/capsules/{id}/files/content": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query: {
      /** At most 16384 characters. */
      readonly path: string;
      /** At most 64 characters. */
      readonly user?: string;
    };
    readonly answers: {
      readonly 200: undefined;
    };
  };

  /** Upload a file. */
  "PUT /v1/capsules/{id}/files/content": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly query: {
      /** At most 16384 characters. */
      readonly path: string;
      /** At most 64 characters. */
      readonly user?: string;
      /** Octal permissions; a file that exists keeps its own without them. */
      readonly mode?: string;
    };
    readonly header?: {
      /** `sha-256=:…:` of the body, which is verified. */
      readonly "Content-Digest"?: string;
      /** Entity tags, or `*` for any file: 412 for other versions and for no file. */
      readonly "If-Match"?: string;
      /** Entity tags: 412 for these versions; `*`: 409 when there is a file. */
      readonly "If-None-Match"?: string;
      /** 412 when the file was changed since. */
      readonly "If-Unmodified-Since"?: string;
    };
    readonly body: Uint8Array;
    readonly answers: {
      readonly 200: {
        readonly entry: ApiSchemas["FileEntry"];
      };
    };
  };

  /** Upload a file of up to 100 MB. */
  "POST /v1/capsules/{id}/files/write": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly header?: {
      /** Entity tags, or `*` for any file: 412 for other versions and for no file. */
      readonly "If-Match"?: string;
      /** Entity tags: 412 for these versions; `*`: 409 when there is a file. */
      readonly "If-None-Match"?: string;
      /** 412 when the file was changed since. */
      readonly "If-Unmodified-Since"?: string;
    };
    readonly body: {
      readonly path: string;
      readonly user?: string;
      readonly file: Uint8Array;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Upload a file of any size. */
  "POST /v1/capsules/{id}/files/stream/write": {
    readonly path: {
      /** Id of a capsule, `cl-` and 25 characters, or its name. */
      readonly id: string;
    };
    readonly header?: {
      /** Entity tags, or `*` for any file: 412 for other versions and for no file. */
      readonly "If-Match"?: string;
      /** Entity tags: 412 for these versions; `*`: 409 when there is a file. */
      readonly "If-None-Match"?: string;
      /** 412 when the file was changed since. */
      readonly "If-Unmodified-Since"?: string;
    };
    readonly body: {
      readonly path: string;
      readonly user?: string;
      readonly file: Uint8Array;
    };
    readonly answers: {
      readonly 204: undefined;
    };
  };

  /** Run a command and stream its output. */
  "GET /v1/capsules/{id}/exec/stream": {
    readonly path: {
      readonly id: string;
    };
    /** Messages of the client. */
    readonly client: ApiSchemas["AuthMessage"] | ApiSchemas["ExecStart"] | ApiSchemas["ExecInput"] | ApiSchemas["ExecInputEnd"] | ApiSchemas["ExecStop"];
    /** Messages of the server. */
    readonly server: ApiSchemas["ProcessStarted"] | ApiSchemas["ProcessOutput"] | ApiSchemas["OutputDropped"] | ApiSchemas["CapsuleChange"] | ApiSchemas["ProcessExit"] | ApiSchemas["ErrorMessage"];
  };

  /** Open a terminal, or connect to one. */
  "GET /v1/capsules/{id}/pty": {
    readonly path: {
      readonly id: string;
    };
    /** Messages of the client. */
    readonly client: ApiSchemas["AuthMessage"] | ApiSchemas["TerminalStart"] | ApiSchemas["TerminalConnect"] | ApiSchemas["TerminalInput"] | ApiSchemas["TerminalResize"] | ApiSchemas["TerminalAcknowledge"] | ApiSchemas["TerminalKill"] | ApiSchemas["TerminalDetach"];
    /** Messages of the server. */
    readonly server: ApiSchemas["TerminalStarted"] | ApiSchemas["TerminalOutput"] | ApiSchemas["TerminalInputTaken"] | ApiSchemas["TerminalPing"] | ApiSchemas["TerminalDropped"] | ApiSchemas["TerminalResized"] | ApiSchemas["CapsuleChange"] | ApiSchemas["TerminalExit"] | ApiSchemas["ErrorMessage"];
  };

  /** Follow the output of a process. */
  "GET /v1/capsules/{id}/processes/{selector}/stream": {
    readonly path: {
      readonly id: string;
      readonly selector: string;
    };
    readonly query?: {
      /** `oldest`, or an offset of standard output. */
      readonly from?: string;
      /** Offset of standard error; at least 0. */
      readonly from_stderr?: number;
      /** `true`: messages when the capsule is paused or resumed. */
      readonly capsule_events?: string;
      /** `base64` carries any bytes; default: text. */
      readonly encoding?: string;
    };
    /** Messages of the client. */
    readonly client: ApiSchemas["AuthMessage"];
    /** Messages of the server. */
    readonly server: ApiSchemas["ProcessStarted"] | ApiSchemas["ProcessOutput"] | ApiSchemas["OutputDropped"] | ApiSchemas["CapsuleChange"] | ApiSchemas["ProcessExit"] | ApiSchemas["ErrorMessage"];
  };

  /** Watch a file or directory. */
  "GET /v1/capsules/{id}/files/watch": {
    readonly path: {
      readonly id: string;
    };
    readonly query?: {
      /** What to watch. */
      readonly path?: string;
      /** `true`: also directories below. */
      readonly recursive?: string;
      /** Whose permissions count. */
      readonly user?: string;
      /** `true`: a message `ping` every 15 s, which clients see that do not see frames of the protocol. */
      readonly heartbeat?: string;
    };
    /** Messages of the client. */
    readonly client: ApiSchemas["AuthMessage"];
    /** Messages of the server. */
    readonly server: ApiSchemas["WatchStarted"] | ApiSchemas["WatchChange"] | ApiSchemas["WatchOverflow"] | ApiSchemas["WatchUnwatched"] | ApiSchemas["WatchEnd"] | ApiSchemas["Heartbeat"] | ApiSchemas["ErrorMessage"];
  };

  /** Connect to a port of a capsule. */
  "GET /v1/capsules/{id}/ports/{port}/tunnel": {
    readonly path: {
      readonly id: string;
      readonly port: string;
    };
    /** Messages of the client. */
    readonly client: ApiSchemas["AuthMessage"] | ApiSchemas["PortTunnelAcknowledge"] | ApiSchemas["PortTunnelEnd"];
    /** Messages of the server. */
    readonly server: ApiSchemas["PortTunnelOpen"] | ApiSchemas["PortTunnelAcknowledge"] | ApiSchemas["PortTunnelEnd"] | ApiSchemas["ErrorMessage"];
  };
}
