import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { EventDecoder, EventEncoder, type ReadEvent } from "./event-codec.ts";
import { type FileHead, FORMAT, FrameWriter, readFrames, readHead } from "./frames.ts";
import type { HistoryEvent } from "./minimise.ts";

/** What is known of alarms, beside the events: a line of JSON each, in the file of facts. */
export type Fact =
  | {
      /** An alarm that was published, in pseudonyms but for its own id: labels name that. */
      readonly type: "alarm";
      readonly id: string;
      readonly kind: string;
      readonly user: string;
      readonly causes: readonly string[];
      /** Event time of the later cause. */
      readonly atMs: number;
    }
  | {
      readonly type: "label";
      readonly id: string;
      readonly isTrue: boolean;
      readonly labelledAtMs: number;
    }
  | { readonly type: "erased"; readonly user: string; readonly untilMs: number }
  | {
      readonly type: "policy";
      /** The tenant, or "*". */
      readonly key: string;
      readonly version: number;
      readonly document: string;
    };

/** A block is decrypted as a whole; one this large compresses well and stays in the processor's cache. */
const BLOCK_BYTES = 262_144;
const SUFFIX = ".history";

export type HeadOf = Omit<FileHead, "format" | "kind">;

const timeName = (ms: number): string =>
  ms === 0 ? "start" : new Date(ms).toISOString().replaceAll(/[-:]|\.000/g, "");

/** A tenant may be called "..", which is no folder of its own. No tenant's id holds a per cent sign. */
const folderOf = (directory: string, tenant: string): string =>
  join(directory, tenant.replace(/^\./, "%2E"));

function pathOf(directory: string, head: HeadOf, kind: FileHead["kind"]): string {
  const folder = folderOf(directory, head.tenant);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const what = kind === "events" ? `p${head.partition}` : "facts";
  return join(folder, `${timeName(head.fromMs)}--${timeName(head.toMs)}.${what}${SUFFIX}`);
}

/** Writes the events of one tenant and partition, oldest first by append time. */
export class EventFile {
  events = 0;
  private readonly frames: FrameWriter;
  private readonly encoder = new EventEncoder();

  constructor(directory: string, head: HeadOf, keys: Keys) {
    const whole: FileHead = { format: FORMAT, kind: "events", ...head };
    this.frames = new FrameWriter(pathOf(directory, head, "events"), whole, keys);
  }

  add(event: HistoryEvent): void {
    this.encoder.add(event);
    this.events += 1;
    if (this.encoder.size >= BLOCK_BYTES) this.frames.write(this.encoder.take());
  }

  finish(): void {
    this.frames.finish(this.encoder.take());
  }

  abandon(): void {
    this.frames.abandon();
  }
}

/** Writes the facts of one tenant. */
export class FactFile {
  private readonly frames: FrameWriter;
  private lines: string[] = [];
  private size = 0;

  constructor(directory: string, head: HeadOf, keys: Keys) {
    const whole: FileHead = { format: FORMAT, kind: "facts", ...head };
    this.frames = new FrameWriter(pathOf(directory, head, "facts"), whole, keys);
  }

  add(fact: Fact): void {
    const line = JSON.stringify(fact);
    this.lines.push(line);
    this.size += line.length;
    if (this.size >= BLOCK_BYTES) this.frames.write(this.take());
  }

  finish(): void {
    this.frames.finish(this.take());
  }

  abandon(): void {
    this.frames.abandon();
  }

  private take(): Buffer {
    const block = Buffer.from(this.lines.map((line) => `${line}\n`).join(""));
    this.lines = [];
    this.size = 0;
    return block;
  }
}

export interface HistoryFile {
  readonly path: string;
  readonly head: FileHead;
}

/** All files under a directory, by tenant, then time. Throws: VIG_HISTORY_TORN; what the file system throws. */
export function listHistory(directory: string): readonly HistoryFile[] {
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(SUFFIX))
    .sort();
  return paths.map((name) => ({
    path: join(directory, name),
    head: readHead(join(directory, name)),
  }));
}

/** Throws: as `readFrames`. */
export function* readEvents<U>(
  { path, head }: HistoryFile,
  keys: Keys,
  ownOf: (userId: string) => U,
): Generator<ReadEvent<U>> {
  const decoder = new EventDecoder(head.tenant, ownOf);
  for (const block of readFrames(path, keys)) {
    decoder.open(block);
    for (let event = decoder.next(); event !== null; event = decoder.next()) yield event;
  }
}

export function* readFacts({ path }: HistoryFile, keys: Keys): Generator<Fact> {
  for (const block of readFrames(path, keys)) {
    for (const line of block.toString("utf8").split("\n")) {
      if (line !== "") yield JSON.parse(line) as Fact;
    }
  }
}
