import { parseLeaf } from "@vigie/audit-log/leaf";
import type { NodeId } from "@vigie/audit-log/proofs";
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from "@vigie/audit-log/tree";
import { VigError } from "@vigie/core/errors";
import type { SignedTree, StoredLeaf } from "@vigie/service-kit/audit/export";
import { meets } from "@vigie/service-kit/audit/leaf-filter";
import type { OpenedLeaf } from "@vigie/service-kit/audit/subjects";
import type { AuditLog, FoundPage, PageWanted } from "./audit-log.ts";

export interface MemoryLogOptions {
  /** By rising index, from 0 on. */
  readonly leaves: readonly StoredLeaf[];
  /** Null: none was signed. */
  readonly tree: SignedTree | null;
  /** `tenant|user` to ref. */
  readonly refs?: ReadonlyMap<string, string>;
  readonly opened?: (leafId: string) => OpenedLeaf;
  readonly canOpen?: boolean;
}

const NOTHING: OpenedLeaf = { boxes: {}, aside: null };

/** A log for tests. */
export function memoryLog(options: MemoryLogOptions): AuditLog {
  const { leaves, tree, refs = new Map(), opened = () => NOTHING, canOpen = true } = options;
  const hashes = leaves.map(({ leaf }) => leafHash(leaf));

  function nodeOf({ level, index }: NodeId): Buffer {
    const first = Number(index) * 2 ** level;
    const under = hashes.slice(first, first + 2 ** level);
    if (under.length < 2 ** level) throw new VigError("VIG_AUDIT_LEAF_MISSING", { index: first });
    return rootOf(appendLeaves(EMPTY_FRONTIER, under).frontier);
  }

  const placed = leaves.map((stored) => ({ stored, leaf: parseLeaf(stored.leaf) }));
  return {
    canOpen,
    async signedTree({ isWitnessed = false }) {
      if (tree === null) throw new VigError("VIG_AUDIT_NOT_SIGNED", { by: "its key" });
      if (isWitnessed) throw new VigError("VIG_AUDIT_NOT_SIGNED", { by: "a witness" });
      return tree;
    },
    async leaves({ tenant, from, until, limit }) {
      const own = placed.filter(({ leaf }) => tenant === null || leaf.tenant === tenant);
      const inRange = own.filter(({ stored: { index } }) => index >= from && index < until);
      return inRange.slice(0, limit).map(({ stored }) => stored);
    },
    nodes: async (nodes) => nodes.map(nodeOf),
    opened: async (given) => given.map(({ id }) => opened(id)),
    refOf: async (tenant, user) =>
      refs.get(`${tenant}|${user}`) ??
      [...refs].find(([name, ref]) => {
        return (tenant === null || name.startsWith(`${tenant}|`)) && ref === user;
      })?.[1] ??
      null,
    async find(filter, page) {
      const found = placed
        .filter(({ leaf }) => meets(leaf, filter))
        .map(({ stored, leaf: { at } }) => ({ stored, at: { atMs: at, index: stored.index } }))
        .sort((one, other) => compare(other.at, one.at));
      return pageOf(found, page, leaves.length);
    },
  };
}

type Placed = {
  readonly stored: StoredLeaf;
  readonly at: { readonly atMs: number; readonly index: number };
};

const compare = (one: Placed["at"], other: Placed["at"]): number =>
  one.atMs - other.atMs || one.index - other.index;

function pageOf(
  found: readonly Placed[],
  { after, limit }: PageWanted,
  searchedTo: number,
): FoundPage {
  const rest = found.filter(({ at }) => after === null || compare(at, after) < 0);
  const items = rest.slice(0, limit);
  const next = rest.length > limit ? (items.at(-1)?.at ?? null) : null;
  return { leaves: items.map(({ stored }) => stored), next, searchedTo };
}
