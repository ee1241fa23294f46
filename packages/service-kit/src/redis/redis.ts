import { readFileSync } from "node:fs";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { type RedisOptions as DriverOptions, Redis } from "ioredis";

export interface RedisOptions {
  /** redis://… or rediss://… for TLS. */
  readonly url: string;
  /** PEM of the authority that signed the server. */
  readonly caPath?: string | null;
  /** Stands before every key, see `key`. */
  readonly prefix: string;
  readonly connectionName: string;
  readonly log: Logger;
  /** A command without an answer after this is given up. */
  readonly commandTimeoutMs?: number;
}

export type RedisValue = string | number | Buffer;

/** A Lua script under its SHA-1; sent whole only when the server does not know it. */
export type RedisScript = (
  keys: readonly string[],
  args: readonly RedisValue[],
) => Promise<unknown>;

/**
 * Every call throws VIG_REDIS_AWAY when the server does not answer; it may have done what was
 * asked.
 */
export interface RedisStore {
  /** The key of `name` under this installation's prefix. Nothing else adds it. */
  key(name: string): string;
  command(name: string, ...args: readonly RedisValue[]): Promise<unknown>;
  /** For commands that belong together: a script runs whole, and on one server. */
  script(lua: string): RedisScript;
  /** One that writes nothing: it is answered, too, while a failover holds writes back. Throws, when it writes. */
  readScript(lua: string): RedisScript;
  ping(): Promise<void>;
  close(): Promise<void>;
}

const COMMAND_TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 5_000;
/**
 * A command is tried once more after a reconnection, then refused: the caller decides whether to
 * wait.
 */
const RETRIES_PER_COMMAND = 1;
/** Reconnection is tried for ever, at least this often. */
const RECONNECT_MAX_MS = 1_000;

/** Connects in the background: a service starts while Redis is away, and health says so. */
export function openRedis(options: RedisOptions): RedisStore {
  const client = new Redis(options.url, driverOptions(options));
  watch(client, options.log);
  const command: RedisStore["command"] = (name, ...args) => asked(client.call(name, [...args]));
  const shas = new Map<string, Promise<string>>();
  const loaded = (lua: string, anew: boolean): Promise<string> => {
    const known = anew ? undefined : shas.get(lua);
    if (known !== undefined) return known;
    const loading = command("SCRIPT", "LOAD", lua).then(String);
    shas.set(lua, loading);
    loading.catch(() => shas.delete(lua));
    return loading;
  };
  /** Once more with the script loaded anew when the server has forgotten it. */
  const runs =
    (name: "EVALSHA" | "EVALSHA_RO") =>
    (lua: string): RedisScript =>
    async (keys, args) => {
      const given = [keys.length, ...keys, ...args];
      try {
        return await command(name, await loaded(lua, false), ...given);
      } catch (error) {
        if (!messageOf(error).includes("NOSCRIPT")) throw error;
        return await command(name, await loaded(lua, true), ...given);
      }
    };
  return {
    key: (name) => options.prefix + name,
    command,
    script: runs("EVALSHA"),
    readScript: runs("EVALSHA_RO"),
    async ping() {
      await command("PING");
    },
    async close() {
      // QUIT waits for what is in flight; a server that is away has nothing in flight.
      await client.quit().catch(() => client.disconnect());
    },
  };
}

function driverOptions(options: RedisOptions): Omit<DriverOptions, "replyMapping"> {
  return {
    connectionName: options.connectionName,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: RETRIES_PER_COMMAND,
    retryStrategy: (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 6), RECONNECT_MAX_MS),
    // After a failover the connection may still be to the server that was the primary: the address is another's now.
    reconnectOnError: (error: Error) => error.message.includes("READONLY"),
    ...(options.caPath && { tls: { ca: readFileSync(options.caPath, "utf8") } }),
  };
}

function watch(client: Redis, log: Logger): void {
  let away = false;
  client.on("error", (error: Error) => {
    if (!away) log.warn({ why: messageOf(error) }, "redis_away");
    away = true;
  });
  client.on("ready", () => {
    if (away) log.info({}, "redis_back");
    away = false;
  });
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw redisError(error);
  }
}

/**
 * A reply of the server is its own matter; everything else means it is away, except that it is
 * loading.
 */
function redisError(error: unknown): unknown {
  const replied = error instanceof Error && error.name === "ReplyError";
  const loading = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN)/.test(messageOf(error));
  if (error instanceof VigError || (replied && !loading)) return error;
  return new VigError("VIG_REDIS_AWAY", { why: messageOf(error) }, { cause: error });
}
