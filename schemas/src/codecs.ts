import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { subjectOf, type TopicName } from "./catalogue.ts";
import {
  type Codecs,
  createDecoder,
  createEncoder,
  registeredText,
  type SchemaAnswer,
  type SchemaSource,
} from "./codec-core.ts";
import { openRegistry, type Registry } from "./registry.ts";
import { openSchemaCache, type SchemaCache } from "./schema-cache.ts";

export type { Codecs, Decoder, DecoderOptions, Encoder, Later } from "./codec-core.ts";

export interface CodecsOptions {
  readonly registryUrl: string;
  /** Schemas and ids are kept here, so that an outage of the registry does not stop what is known. */
  readonly cacheDir: string;
  readonly prefix: string;
  readonly log: Logger;
  /** Register a contract that an encoder needs and the registry does not have. Default false. */
  readonly registerMissing?: boolean;
  readonly observer?: {
    dependency(event: {
      readonly name: "registry";
      readonly up: boolean;
      readonly why?: string;
    }): void;
  };
}

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;
/** What is on disk is used if the registry has not said otherwise by then. */
const REGISTRY_PATIENCE_MS = 1_000;
/** A schema that the registry did not know may have been registered since. */
const UNKNOWN_KEPT_MS = 30_000;
/** Ids of garbage are endless; the oldest makes room. */
const UNKNOWN_MAX = 10_000;

/** Codecs over a schema registry. Opens without it: what needs the registry waits for it, and says so. */
export async function openCodecs(options: CodecsOptions): Promise<Codecs> {
  const registry = openRegistry(options.registryUrl);
  const cache = openSchemaCache(options.cacheDir);
  const calls = createCalls(options);
  const source = createSource(registry, cache, calls, options.log);
  const ids = new Map<TopicName, number>();
  const pending = new Map<TopicName, Promise<void>>();
  const foreseen = new Set<TopicName>();

  async function resolveId(topic: TopicName): Promise<void> {
    const subject = subjectOf(options.prefix, topic);
    const contract = registeredText(topic);
    const kept = cache.idOf(subject, contract);
    const found = await calls.ask(() => registry.idOf(subject, contract), kept);
    const schemaId = found ?? (await registerMissing(subject, contract));
    if (schemaId === null) throw new VigError("VIG_SCHEMA_NOT_REGISTERED", { subject });
    if (schemaId !== kept) cache.keepId(subject, contract, schemaId);
    ids.set(topic, schemaId);
  }

  async function registerMissing(subject: string, contract: string): Promise<number | null> {
    if (options.registerMissing !== true) return null;
    const schemaId = await calls.ask(() => registry.register(subject, contract), null);
    options.log.info({ subject, schemaId }, "schema_registered");
    return schemaId;
  }

  function idOf(topic: TopicName): number {
    const schemaId = ids.get(topic);
    if (schemaId !== undefined) return schemaId;
    const subject = subjectOf(options.prefix, topic);
    throw new VigError("VIG_INVARIANT", { what: `ready() came before encoding for ${subject}` });
  }

  /** What a topic is likely to hold is known before its first record, which may come in an outage. */
  async function foresee(topic: TopicName): Promise<void> {
    const subject = subjectOf(options.prefix, topic);
    const schemaId = await calls.ask(() => registry.newestOf(subject), null);
    if (schemaId !== null && source.lookup(schemaId) === undefined) await source.load(schemaId);
  }

  return {
    decoder(topic, decoderOptions) {
      if (!foreseen.has(topic)) {
        foreseen.add(topic);
        // A record asks again, and is told what is wrong.
        foresee(topic).catch(() => {});
      }
      return createDecoder(topic, source, decoderOptions);
    },
    encoder(topic) {
      if (!pending.has(topic)) {
        const resolved = resolveId(topic);
        // Told by ready(); unhandled until then.
        resolved.catch(() => {});
        pending.set(topic, resolved);
      }
      return createEncoder(topic, () => idOf(topic));
    },
    async ready() {
      await Promise.all(pending.values());
    },
    close: () => calls.close(),
  };
}

interface Calls {
  /**
   * The registry's answer, waited for with back-off while it is away.
   * Returns: `kept`, if not null, once patience ends or the registry is away. Once closed, nothing is asked: without
   * `kept` it waits for ever, since an answer without a schema would be asked for again at once, and again.
   */
  ask<T>(call: () => Promise<T>, kept: T | null): Promise<T>;
  close(): void;
}

function createCalls({ log, observer }: CodecsOptions): Calls {
  const closing = Promise.withResolvers<void>();
  let closed = false;
  let up = true;
  let watching = false;

  function tell(isUp: boolean, why?: string): void {
    if (isUp !== up) {
      if (isUp) log.info({}, "registry_back");
      else log.warn({ code: "VIG_REGISTRY_AWAY", why }, "registry_away");
    }
    up = isUp;
    observer?.dependency({ name: "registry", up: isUp, ...(why === undefined ? {} : { why }) });
  }

  async function attempt<T>(call: () => Promise<T>): Promise<{ readonly answer: T } | null> {
    try {
      const answer = await call();
      tell(true);
      return { answer };
    } catch (cause) {
      // An answer, though not the one that was hoped for.
      if (cause instanceof VigError && !cause.retry) throw cause;
      tell(false, messageOf(cause));
      return null;
    }
  }

  /** With what is kept nobody asks again: this finds out when the registry is back. */
  async function watch(call: () => Promise<unknown>): Promise<void> {
    if (watching) return;
    watching = true;
    for (let waitMs = RETRY_FIRST_MS; !up && !closed; waitMs = Math.min(2 * waitMs, RETRY_MAX_MS)) {
      await Promise.race([after(waitMs), closing.promise]);
      if (!up && !closed) await attempt(call);
    }
    watching = false;
  }

  return {
    async ask(call, kept) {
      if (kept !== null) {
        if (closed) return kept;
        const asked = attempt(call);
        void asked.then((done) => (done === null ? watch(call) : undefined));
        const first = await Promise.race([asked, after(REGISTRY_PATIENCE_MS)]);
        return first?.answer ?? kept;
      }
      for (let waitMs = RETRY_FIRST_MS; !closed; waitMs = Math.min(2 * waitMs, RETRY_MAX_MS)) {
        const done = await attempt(call);
        if (done !== null) return done.answer;
        await Promise.race([after(waitMs), closing.promise]);
      }
      return new Promise(() => {});
    },
    close() {
      closed = true;
      closing.resolve();
    },
  };
}

/** Keeps the process alive: a service that starts without its registry waits for it. */
const after = (ms: number): Promise<null> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(null), ms);
  });

function createSource(
  registry: Registry,
  cache: SchemaCache,
  calls: Calls,
  log: Logger,
): SchemaSource {
  const known = new Map<number, SchemaAnswer>();
  const unknownUntil = new Map<number, number>();
  const loading = new Map<number, Promise<void>>();

  async function find(schemaId: number): Promise<void> {
    const kept = cache.schemaOf(schemaId);
    const keptAnswer: SchemaAnswer | null = kept === null ? null : { kind: "schema", schema: kept };
    const told = await calls.ask(() => registry.schemaOf(schemaId), keptAnswer);
    // A registry that lost its schemas does not make the records of before unreadable.
    const answer = told.kind === "unknown" ? (keptAnswer ?? told) : told;
    if (answer.kind === "unknown") {
      const [oldest] = unknownUntil.keys();
      if (unknownUntil.size >= UNKNOWN_MAX && oldest !== undefined) unknownUntil.delete(oldest);
      unknownUntil.set(schemaId, Date.now() + UNKNOWN_KEPT_MS);
      return;
    }
    known.set(schemaId, answer);
    if (answer.kind === "schema" && answer !== keptAnswer) keep(schemaId, answer);
  }

  /** A full disk costs the protection against an outage, not the record. */
  function keep(schemaId: number, { schema }: SchemaAnswer & { kind: "schema" }): void {
    try {
      cache.keepSchema(schemaId, schema);
    } catch (cause) {
      log.warn({ schemaId, why: messageOf(cause) }, "schema_not_cached");
    }
  }

  return {
    lookup(schemaId) {
      const answer = known.get(schemaId);
      if (answer !== undefined) return answer;
      const until = unknownUntil.get(schemaId);
      if (until === undefined) return undefined;
      if (Date.now() < until) return { kind: "unknown" };
      unknownUntil.delete(schemaId);
      return undefined;
    },
    load(schemaId) {
      const running = loading.get(schemaId);
      if (running !== undefined) return running;
      const started = find(schemaId).finally(() => loading.delete(schemaId));
      loading.set(schemaId, started);
      return started;
    },
  };
}
