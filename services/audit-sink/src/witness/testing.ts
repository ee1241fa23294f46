import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSigner, type NoteSigner } from "@vigie/audit-log/note";
import { proveConsistency } from "@vigie/audit-log/proofs";
import { silentLogger } from "@vigie/core/log";
import { onTestFinished } from "vitest";
import { type LogKeys, type SignedCheckpoint, signCheckpoint } from "../checkpoint/keys.ts";
import { logKeys, MemoryTree } from "../checkpoint/testing.ts";
import { openRecords, type Records } from "./records.ts";
import { createWitness, type WitnessOptions } from "./witness.ts";

/** 2026-01-05T10:00:00Z */
export const T0 = 1_767_607_200_000;

export const witnessSigner = (name = "witness.example/w1"): NoteSigner =>
  createSigner({
    name,
    type: "cosignature",
    privateKey: generateKeyPairSync("ed25519").privateKey,
  });

/** Removed after the test. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "vigie-witness-"));
  // A killed child may still be at its last write.
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

/** A log that can also say what is not true. */
export class TestLog {
  readonly keys: LogKeys;
  readonly tree: MemoryTree;

  constructor(size: number, keys: LogKeys = logKeys(), tree = new MemoryTree().grow(size)) {
    this.keys = keys;
    this.tree = tree;
  }

  /** The same log with other leaves behind the first `size`. */
  fork(size: number, count: number): TestLog {
    return new TestLog(0, this.keys, this.tree.copy(size).grow(count, "fork"));
  }

  async checkpoint(size: number): Promise<SignedCheckpoint> {
    const { root } = await this.tree.copy(size).head();
    return signCheckpoint(this.keys, { size: BigInt(size), root });
  }

  async proof(from: number, to: number): Promise<readonly Buffer[]> {
    if (from === 0 || from >= to) return [];
    return proveConsistency(BigInt(from), BigInt(to), this.tree.nodes);
  }

  /** The body of an add-checkpoint that is right, but for what `over` says. */
  async body(from: number, to: number, over: Partial<BodyParts> = {}): Promise<Buffer> {
    const { note } = await this.checkpoint(to);
    const proof = await this.proof(from, to);
    return bodyOf({ old: `${from}`, proof: proof.map(base64), note, ...over });
  }
}

export interface BodyParts {
  readonly old: string;
  readonly proof: readonly string[];
  readonly note: string;
}

export const base64 = (hash: Buffer): string => hash.toString("base64");

export const bodyOf = ({ old, proof, note }: BodyParts): Buffer =>
  Buffer.from(`${[`old ${old}`, ...proof].join("\n")}\n\n${note}`);

/** A witness of one log, on a folder of its own if none is given. */
export function testWitness(
  log: TestLog,
  over: Partial<WitnessOptions> & { folder?: string } = {},
) {
  const folder = over.folder ?? freshFolder();
  const signer = over.signer ?? witnessSigner();
  const records: Records = over.records ?? openRecords(folder);
  const logs = new Map([[log.keys.origin, log.keys.trusted]]);
  const parts = { logs, clock: () => T0, log: silentLogger, ...over, signer, records };
  return { ...createWitness(parts), folder, signer, records };
}
