import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import type { SignedCheckpoint, TrustedKeys } from "../checkpoint/keys.ts";
import { CHECKPOINT_TOPIC } from "../checkpoint/topic-place.ts";
import type { Claim, Finding } from "./log-source.ts";
import { claimOf, openOr } from "./notes.ts";

/** A note that is kept outside of the database. */
export interface OutsideNote {
  readonly note: string;
  readonly where: string;
}

/** Offsets of one read. Each checkpoint takes two, its own and its transaction's. */
const OFFSETS_AT_ONCE = 5_000;

/** Every checkpoint of this log that the topic still has. Throws: VIG_TOPIC_MISSING, VIG_BROKER_AWAY. */
export async function* topicNotes(
  client: KafkaClient,
  { prefix, origin }: { readonly prefix: string; readonly origin: string },
): AsyncGenerator<readonly OutsideNote[]> {
  const topic = prefix + CHECKPOINT_TOPIC;
  const reader = await openLoneReader(client);
  try {
    const [low = 0] = await reader.lowOffsets(topic);
    const [end = 0] = await reader.stableOffsets(topic);
    for (let from = low; from < end; from += OFFSETS_AT_ONCE) {
      const to = Math.min(end, from + OFFSETS_AT_ONCE);
      const notes: OutsideNote[] = [];
      await reader.read({ topic, partition: 0, from, to }, (records) => {
        for (const { key, value } of records) {
          if (value === null || key?.toString() !== origin) continue;
          notes.push({ note: value.toString(), where: `topic ${CHECKPOINT_TOPIC}` });
        }
      });
      if (notes.length > 0) yield notes;
    }
  } finally {
    await reader.close();
  }
}

/** Files named `checkpoint` or `*.checkpoint`: of exported tiles, of a signer's state, or what an auditor has put aside. */
export async function* folderNotes(folder: string): AsyncGenerator<readonly OutsideNote[]> {
  const names = await readdir(folder);
  for (const name of names.filter((each) => /(^|\.)checkpoint$/.test(each)).sort()) {
    const path = join(folder, name);
    yield [{ note: await readFile(path, "utf8"), where: path }];
  }
}

/** What is said outside of the database and not in it. */
export interface Outside {
  /** By rising size. */
  readonly claims: readonly Claim[];
  readonly findings: readonly Finding[];
  /** Those that are not in the database by now: the signer keeps a new one on the topic first. */
  stillMissing(): Promise<readonly Finding[]>;
}

/** Past so many there is no use in comparing each: the database has lost its checkpoints. About 300 bytes each. */
const CLAIMS_MAX = 100_000;

const STORED = "select note from audit_checkpoints where origin = $1 and size = any($2::bigint[])";

/** Holds notes against audit_checkpoints; in memory stays only what is not there. */
export async function readOutside(
  db: Queryable,
  notes: AsyncIterable<readonly OutsideNote[]>,
  keys: TrustedKeys,
): Promise<Outside> {
  const findings: Finding[] = [];
  const missing: (OutsideNote & { readonly claim: Claim })[] = [];
  for await (const page of notes) {
    for (const outside of await notStored(db, page, keys)) {
      const claim = claimOf(outside.note, outside.where, keys);
      if ("kind" in claim) findings.push(claim);
      else if (missing.length < CLAIMS_MAX) missing.push({ ...outside, claim });
    }
  }
  return {
    claims: missing.map(({ claim }) => claim).sort((one, other) => one.size - other.size),
    findings,
    async stillMissing() {
      const still = await notStored(db, missing, keys);
      return still.map(({ claim }) => ({
        kind: "incomplete",
        where: claim.where,
        why: "it is not among audit_checkpoints",
      }));
    },
  };
}

/** The checkpoints among notes that the database has not; what no trusted key has signed is left out. */
export async function* checkpointsNotStored(
  db: Queryable,
  notes: AsyncIterable<readonly OutsideNote[]>,
  keys: TrustedKeys,
): AsyncGenerator<SignedCheckpoint> {
  for await (const page of notes) {
    for (const { note, where } of await notStored(db, page, keys)) {
      const opened = openOr(note, where, keys);
      if (!("kind" in opened)) yield opened;
    }
  }
}

/** Those whose text is not that of a row; cosignatures below it do not count. */
async function notStored<N extends OutsideNote>(
  db: Queryable,
  notes: readonly N[],
  { origin }: TrustedKeys,
): Promise<readonly N[]> {
  const sizes = notes.map(({ note }) => sizeOf(note)).filter((size) => size !== null);
  const { rows } = await db.query<{ note: string }>(STORED, [origin, [...new Set(sizes)]]);
  const stored = new Set(rows.map(({ note }) => textOf(note)));
  return notes.filter(({ note }) => !stored.has(textOf(note)));
}

/** A note's text ends before its empty line. Source: C2SP signed-note. */
const textOf = (note: string): string => note.slice(0, note.lastIndexOf("\n\n") + 1);

/** The size that a note names in its second line; null where none is. */
function sizeOf(note: string): number | null {
  const size = Number(note.split("\n", 2)[1] ?? "");
  return Number.isSafeInteger(size) ? size : null;
}
