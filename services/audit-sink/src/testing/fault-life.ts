import { createPrivateKey } from "node:crypto";
import { silentLogger } from "@vigie/core/log";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import { type Database, openDatabase, type Queryable } from "@vigie/service-kit/postgres/database";
import { openKafka } from "@vigie/stream/kafka/client";
import { databasePlace } from "../checkpoint/database-place.ts";
import { filePlace } from "../checkpoint/file-place.ts";
import type { LogKeys } from "../checkpoint/keys.ts";
import type { Place } from "../checkpoint/place.ts";
import { type Signer, startSigner } from "../checkpoint/signer.ts";
import { keyNamed } from "../checkpoint/testing.ts";
import { topicPlace } from "../checkpoint/topic-place.ts";
import { databaseTree } from "../checkpoint/tree.ts";
import { ROLE } from "../guard.ts";
import { readHead } from "../head.ts";
import { type AuditStore, createAuditStore } from "../store.ts";
import { storeOptions } from "../testing.ts";
import { batchOf, nextOf, nowMsOf, PARTITIONS } from "./fault-records.ts";

/** Where a life works; JSON, so that a process can be told. */
export interface World {
  readonly postgres: string;
  readonly schema: string;
  readonly kafka: string;
  readonly prefix: string;
  readonly folder: string;
  readonly origin: string;
  /** PKCS #8, PEM. */
  readonly signingKey: string;
}

/** Told of every step, before it and while it is under way. */
export interface Watch {
  /** Resolves when the step may go on. */
  before(step: string): Promise<void> | void;
  during(step: string): void;
}

export const unwatched: Watch = { before: () => {}, during: () => {} };

/** A step, by when in it and what it is: "before commit", "during insert into audit_leaves". */
export interface Aim {
  readonly step: string;
  /** From 1. */
  readonly occurrence: number;
}

/** True once: when the step comes for so many times. */
export function aimedAt({ step, occurrence }: Aim): (step: string) => boolean {
  let left = occurrence;
  return (each) => {
    if (each === step) left -= 1;
    return each === step && left === 0;
  };
}

/** Does something where it is due; what is due during a step happens once that has been sent. */
export const watchFor = (
  isDue: (step: string) => boolean,
  act: () => Promise<void> | void,
): Watch => ({
  before: (step) => (isDue(`before ${step}`) ? act() : undefined),
  during(step) {
    if (isDue(`during ${step}`)) setImmediate(() => void act());
  },
});

export function keysOf({ origin, signingKey }: World): LogKeys {
  const signer = keyNamed(origin, createPrivateKey(signingKey));
  return { origin, signer, trusted: [signer.key] };
}

/** A wait for the signer that ends in an error, not in silence. */
const SIGNED_WITHIN_MS = 30_000;

/**
 * Appends batches from where the database is until `isOver` says so of the next one, each signed before the next: what
 * the service does, without the broker that hands it records. A step that fails is begun again at the offset that is
 * stored then. Returns: how many appends failed.
 */
export async function live(
  world: World,
  watch: Watch,
  isOver: (batch: number) => boolean,
): Promise<number> {
  const log = silentLogger;
  const about = { url: world.postgres, schema: world.schema, role: ROLE, log };
  const options = { ...about, statementTimeoutMs: 20_000, poolMax: 2 };
  const appender = openDatabase({ ...options, applicationName: appenderOf(world) });
  const reader = openDatabase({ ...options, applicationName: "reader" });
  const signed = createSigned();
  const signer = startSignerOf(world, reader, { watch, signed });
  try {
    let batch = 0;
    let failures = 0;
    const clock = () => nowMsOf(batch);
    const store = createAuditStore(watched(appender, watch), { ...storeOptions, clock });
    signer.lead(true);
    await signed.upTo(Number((await readHead(reader)).frontier.size));
    for (;;) {
      batch = await positionOf(store);
      if (isOver(batch)) return failures;
      const size = await written(store, batch);
      if (size === null) failures += 1;
      else await signed.upTo(size);
    }
  } finally {
    await signer.stop();
    await Promise.all([appender.close(), reader.close()]);
  }
}

export const appenderOf = ({ prefix, schema }: World): string => `${prefix}${schema}`.slice(0, 60);

/** In batches. */
async function positionOf(store: AuditStore): Promise<number> {
  for (;;) {
    try {
      const [, erasures] = await store.positions(PARTITIONS);
      return erasures?.offset ?? 0;
    } catch (error) {
      refuseUnlessAway(error);
    }
  }
}

/** The log's size; null: it failed, and whether it is written is not known. */
async function written(store: AuditStore, batch: number): Promise<number | null> {
  try {
    const done = await store.write(batchOf(batch), nextOf(batch));
    if ("rewind" in done) throw new Error("the database has lost what it had");
    return done.size;
  } catch (error) {
    refuseUnlessAway(error);
    return null;
  }
}

function refuseUnlessAway(error: unknown): void {
  if ((error as { code?: unknown }).code !== "VIG_DATABASE_AWAY") throw error;
}

interface Signed {
  tell(size: number): void;
  fail(error: Error): void;
  /** Resolves once a tree of this size or a larger one is signed. */
  upTo(size: number): Promise<void>;
}

function createSigned(): Signed {
  let newest = -1;
  let fault: Error | null = null;
  let wake = () => {};
  return {
    tell(size) {
      newest = Math.max(newest, size);
      wake();
    },
    fail(error) {
      fault = error;
      wake();
    },
    async upTo(size) {
      const late = setTimeout(() => this.fail(new Error(`${size} not signed`)), SIGNED_WITHIN_MS);
      while (newest < size && fault === null) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      clearTimeout(late);
      if (fault !== null) throw fault;
    },
  };
}

function startSignerOf(
  world: World,
  database: Database,
  { watch, signed }: { readonly watch: Watch; readonly signed: Signed },
): Signer {
  const { prefix, origin, folder } = world;
  const client = openKafka({ brokers: [world.kafka], clientId: "faults", log: silentLogger });
  const watchedPlace = (place: Place): Place => ({
    ...place,
    keep: (checkpoint) => step(watch, `keep ${place.name}`, () => place.keep(checkpoint)),
  });
  return startSigner({
    // What it reads over and over is no step: a process that dies there is one that dies between two steps.
    tree: databaseTree(database, readNodes(database)),
    keys: keysOf(world),
    openTopic: () => {
      const place = topicPlace({ client, prefix, origin });
      return { ...place, keep: watchedPlace(place).keep };
    },
    places: [
      watchedPlace(filePlace(folder, prefix, origin)),
      watchedPlace(databasePlace(database, origin, Date.now)),
    ],
    log: silentLogger,
    events: {
      signed: ({ size }) => signed.tell(Number(size)),
      broken: (error) => signed.fail(error),
      leads: () => {},
    },
    everyMs: 5,
  });
}

async function step<T>(watch: Watch, name: string, work: () => Promise<T>): Promise<T> {
  await watch.before(name);
  const running = work();
  watch.during(name);
  return running;
}

/** Every statement of a transaction is a step, and its commit. */
function watched(database: Database, watch: Watch): Database {
  const watchedTx = (tx: Queryable): Queryable => ({
    query: (text, values) => step(watch, nameOf(text), () => tx.query(text, values)),
  });
  return {
    ...database,
    async transaction(work) {
      const done = await database.transaction(async (tx) => {
        const result = await work(watchedTx(tx));
        await watch.before("commit");
        // It goes out in this turn, before anything that is set for the next one.
        watch.during("commit");
        return result;
      });
      await watch.before("the end of the commit");
      return done;
    },
  };
}

function nameOf(text: string): string {
  const [, verb, table] = /\b(into|update|delete from|from)\s+(\w+)/.exec(text) ?? [];
  return `${verb} ${table}`;
}
