import { generateKeyPairSync } from "node:crypto";
import { createSigner } from "@vigie/audit-log/note";
import type { NodeId } from "@vigie/audit-log/proofs";
import {
  appendLeaves,
  EMPTY_FRONTIER,
  type Frontier,
  leafHash,
  rootOf,
} from "@vigie/audit-log/tree";
import type { LogKeys, SignedCheckpoint } from "./keys.ts";
import type { Place, SharedPlace } from "./place.ts";
import type { LogTree } from "./tree.ts";

export const ORIGIN = "log.example/audit";

export const keyNamed = (name: string, privateKey = generateKeyPairSync("ed25519").privateKey) =>
  createSigner({ name, privateKey });

export function logKeys(origin = ORIGIN): LogKeys {
  const signer = keyNamed(origin);
  return { origin, signer, trusted: [signer.key] };
}

/** A log without a database: data of leaves in, a tree out. */
export class MemoryTree implements LogTree {
  leaves: Buffer[] = [];
  /** What the head says instead of the truth. */
  lie: Buffer | null = null;

  append(...data: string[]): this {
    this.leaves.push(...data.map((each) => leafHash(Buffer.from(each))));
    return this;
  }

  grow(count: number, name = "leaf"): this {
    return this.append(...Array.from({ length: count }, (_, i) => `${name} ${i}`));
  }

  copy(size = this.leaves.length): MemoryTree {
    const copy = new MemoryTree();
    copy.leaves = this.leaves.slice(0, size);
    return copy;
  }

  private frontier(from: number, to: number): Frontier {
    return appendLeaves(EMPTY_FRONTIER, this.leaves.slice(from, to)).frontier;
  }

  async head() {
    const frontier = this.frontier(0, this.leaves.length);
    return { size: frontier.size, root: this.lie ?? rootOf(frontier) };
  }

  async leafHashes(from: bigint, to: bigint) {
    return this.leaves.slice(Number(from), Number(to));
  }

  nodes = async (nodes: readonly NodeId[]) =>
    nodes.map(({ level, index }) => {
      const width = 1 << level;
      return rootOf(this.frontier(Number(index) * width, (Number(index) + 1) * width));
    });
}

/** A place that keeps notes in memory; every one that was kept is in `notes`. */
export class MemoryPlace implements Place {
  readonly name: Place["name"];
  readonly notes: string[] = [];

  constructor(name: Place["name"]) {
    this.name = name;
  }

  async newest() {
    return this.notes.at(-1) ?? null;
  }

  async keep({ note }: SignedCheckpoint) {
    if (!this.notes.includes(note)) this.notes.push(note);
  }
}

/** The twin of the topic: of several claims only the last can keep. */
export class MemoryTopic extends MemoryPlace {
  private claims = 0;

  constructor() {
    super("topic");
  }

  open(): SharedPlace {
    let mine = 0;
    return {
      name: "topic",
      claim: async () => {
        this.claims += 1;
        mine = this.claims;
      },
      newest: () => this.newest(),
      keep: async (checkpoint) => {
        if (mine !== this.claims) throw new Error("fenced");
        await this.keep(checkpoint);
      },
      close: async () => {},
    };
  }
}
