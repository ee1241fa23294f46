import type { Logger } from "@vigie/core/log";
import { type Clock, SECOND_MS } from "@vigie/core/time";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import type { Parsed } from "@vigie/service-kit/config";
import type { Health } from "@vigie/service-kit/health";
import type { Job } from "@vigie/service-kit/jobs";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { Database } from "@vigie/service-kit/postgres/database";
import type {
  checkpointKeyConfig,
  kafkaConfig,
  stateConfig,
  tilesConfig,
} from "@vigie/service-kit/shared-config";
import { openKafka } from "@vigie/stream/kafka/client";
import type { Sink } from "@vigie/stream/kafka/sink";
import type { AuditEntry } from "#entry";
import { storeOf } from "#tiles/store-of";
import { databaseTiles, writeTiles } from "#tiles/tile-files";
import { followCheckpoints } from "./book.ts";
import { type Chaser, startChaser } from "./chaser.ts";
import type { witnessesConfig } from "./config.ts";
import { type Cosignatures, databaseCosignatures, databasePlace } from "./database-place.ts";
import { filePlace } from "./file-place.ts";
import { createGate } from "./gate.ts";
import { guardedSink } from "./guarded-sink.ts";
import { openLogKeys, openSigned, type SignedCheckpoint } from "./keys.ts";
import { checkpointMeters } from "./meters.ts";
import { continuationOf } from "./predecessor.ts";
import { startSigner } from "./signer.ts";
import { topicPlace } from "./topic-place.ts";
import { databaseTree, type LogTree } from "./tree.ts";
import { createWitnessClient, parseWitness } from "./witnesses.ts";

export interface CheckpointParts {
  readonly config: Parsed<
    typeof kafkaConfig &
      typeof stateConfig &
      typeof checkpointKeyConfig &
      typeof tilesConfig &
      typeof witnessesConfig
  >;
  readonly database: Database;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly clock: Clock;
  /** Appends one of the log's own entries, once. */
  readonly append: (entry: AuditEntry) => Promise<unknown>;
}

export interface Checkpoints {
  /** A sink that takes nothing for a log at fault, and whose owner of partition 0 signs it. */
  guard(sink: Sink): Sink;
  /** To be asked under the lock of each append; see Gate. */
  admit(size: bigint): void;
  /** Whether it is worth trying. */
  isOpen(): boolean;
  /** To be told of the tree's size after each commit. */
  appended(size: bigint): void;
  readonly jobs: readonly Job[];
  stop(): Promise<void>;
}

/** A database that is exchanged for another one under a running service is found within this. */
const CHECK_EVERY_MS = 5 * SECOND_MS;
/** Partial tiles are as many files as there are rounds: few, and still before anybody waits for them. */
const TILES_EVERY_MS = 5 * SECOND_MS;
const WITNESS_EVERY_MS = SECOND_MS;
/** A witness that is away for longer holds no files up. */
const COSIGNED_LATELY_MS = 30 * SECOND_MS;

export function startCheckpoints(parts: CheckpointParts): Checkpoints {
  const { config, database, log, metrics, health, clock, append } = parts;
  const { prefix, ...reach } = kafkaOptions(config);
  const client = openKafka({ ...reach, clientId: "vigie-audit-signer", log });
  const keys = openLogKeys(config);
  const { origin } = keys;
  const meters = checkpointMeters(metrics, clock);
  const tree = databaseTree(database, readNodes(database));
  const onCheckpoint = (checkpoint: SignedCheckpoint): void => {
    gate.signed(checkpoint);
    meters.published(checkpoint);
  };
  const onAway = (why: string): void => {
    // Later it is a matter of the signer's: what was read of the topic is still true.
    if (!gate.isOpen()) health.set("log", false, why);
  };
  const book = followCheckpoints({ client, prefix, keys, log, onCheckpoint, onAway });
  const places = [
    filePlace(config.VIGIE_STATE_DIR, prefix, origin),
    databasePlace(database, origin, clock),
  ];
  health.declare("log");
  const onState = (open: boolean, why?: string): void => health.set("log", open, why);
  const gate = createGate({ tree, places: [book, ...places], keys, log, onState });
  const followers = startFollowers(parts, { tree, meters });
  const signer = startSigner({
    tree,
    keys,
    openTopic: () => topicPlace({ client, prefix, origin }),
    places,
    log,
    events: {
      signed: (checkpoint) => {
        for (const follower of followers) follower.offer(checkpoint);
      },
      broken: (error) => gate.close(error),
      leads(on, why) {
        meters.leads(on);
        health.set("checkpoints", why === undefined, why);
      },
    },
  });
  const check = async (): Promise<void> => void (await gate.check());
  let size: bigint | null = null;
  const guard = (sink: Sink): Sink =>
    guardedSink({
      sink,
      gate,
      lead: (on) => signer.lead(on),
      async begin() {
        const first = await continuationOf({ client, prefix, origin });
        if (first !== null) await append(first);
      },
      takeSize() {
        const taken = size;
        size = null;
        return taken;
      },
      appended: (appended) => meters.appended(appended),
    });
  return {
    guard,
    admit: (before) => gate.admit(before),
    isOpen: () => gate.isOpen(),
    appended(now) {
      size = now;
    },
    jobs: [
      { name: "audit_gate", everyMs: CHECK_EVERY_MS, run: check },
      { name: "audit_checkpoint_age", everyMs: SECOND_MS, run: async () => meters.tick() },
    ],
    async stop() {
      await signer.stop();
      await Promise.all([book.stop(), ...followers.map((follower) => follower.stop())]);
    },
  };
}

interface FollowerParts {
  readonly tree: LogTree;
  readonly meters: ReturnType<typeof checkpointMeters>;
}

/** What comes after a checkpoint and delays none: witnesses, and files that hold also what they answered. */
function startFollowers(parts: CheckpointParts, { tree, meters }: FollowerParts): Chaser[] {
  const { config, database, health, log } = parts;
  const cosignatures = databaseCosignatures(database, config.AUDIT_ORIGIN);
  const tiles = startTiles(parts, { tree, cosignatures });
  const witnesses = config.AUDIT_WITNESSES.map((item) => {
    const witness = parseWitness(item);
    const { name } = witness.key;
    declareFollower(health, `witness ${name}`);
    const ask = createWitnessClient({ witness, nodes: tree.nodes, cosignatures });
    return startChaser({
      name: `witness ${name}`,
      everyMs: WITNESS_EVERY_MS,
      log,
      async work(checkpoint) {
        await ask(checkpoint);
        meters.cosigned(name, checkpoint.size);
        for (const each of tiles) each.offer(checkpoint);
      },
      onDone(why) {
        if (why !== undefined) meters.cosigned(name, null);
        health.set(`witness ${name}`, why === undefined, why);
      },
    });
  });
  return [...witnesses, ...tiles];
}

/** Well until it is heard of: members that do not sign never ask. */
function declareFollower(health: Health, part: string): void {
  health.declare(part, { needed: false });
  health.set(part, true);
}

/** The newest checkpoint that a witness cosigned lately, so that the files can bear it out; else the newest. */
function startTiles(
  { config, database, health, log, clock }: CheckpointParts,
  about: { readonly tree: LogTree; readonly cosignatures: Cosignatures },
): Chaser[] {
  const place = config.AUDIT_TILES_URL;
  if (place === null) return [];
  const opening = storeOf(place, config);
  opening.catch(() => {});
  const source = databaseTiles(database, about.tree.nodes);
  const keys = openLogKeys(config);
  declareFollower(health, "tiles");
  return [
    startChaser({
      name: "tiles",
      everyMs: TILES_EVERY_MS,
      finishes: true,
      log,
      async work(checkpoint) {
        const { cosignatures } = about;
        const cosigned = await cosignatures.newestNote(clock() - COSIGNED_LATELY_MS);
        const chosen = cosigned === null ? checkpoint : openSigned(cosigned, keys);
        const lines = await cosignatures.linesOf(chosen.size);
        await writeTiles({ source, store: await opening, keys }, chosen, lines);
      },
      onDone: (why) => health.set("tiles", why === undefined, why),
    }),
  ];
}
