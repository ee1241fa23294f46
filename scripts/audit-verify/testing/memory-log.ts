import { createHmac, generateKeyPairSync, hash, hkdfSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  type BoxKey,
  boxAad,
  boxKeyOf,
  commitmentOf,
  openBox,
  sealBox,
} from "@vigie/audit-log/box";
import { cosign, formatCheckpoint } from "@vigie/audit-log/checkpoint";
import { type Leaf, leafBytes } from "@vigie/audit-log/leaf";
import {
  createSigner,
  formatVerifierKey,
  type NoteSigner,
  type SignatureType,
  signNote,
} from "@vigie/audit-log/note";
import { type ReadNodes, rootAt } from "@vigie/audit-log/proofs";
import {
  encodeEntries,
  entriesPath,
  TILE_WIDTH,
  tilePath,
  tilesBetween,
} from "@vigie/audit-log/tiles";
import { leafHash, nodeHash } from "@vigie/audit-log/tree";
import { EXPORT_FORMAT, type ExportSource, exportLines } from "@vigie/service-kit/audit/export";
import { KEY_DESTROYED, type LeafFilter } from "@vigie/service-kit/audit/leaf-filter";

export const ORIGIN = "audit.example.org";
export const SECRET = "the-secret-that-signs-records-0001";
const T0_MS = Date.UTC(2026, 0, 5);
const COSIGNED_AT_S = 1_767_700_000n;

export const signerOf = (name: string, type: SignatureType = "ed25519"): NoteSigner =>
  createSigner({ name, type, privateKey: generateKeyPairSync("ed25519").privateKey });

export const vkeyOf = (signer: NoteSigner): string => formatVerifierKey(signer.key);

/** A UUID by its number. */
export const refOf = (n: number): string =>
  `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;

export interface LeafWanted {
  readonly tenant?: string;
  readonly emitter?: string;
  readonly seq?: number;
  readonly topic?: string;
  readonly action?: string;
  readonly payload?: unknown;
  /** Of the person that it is about; null: of nobody. */
  readonly ref?: string | null;
  /** ms behind the usual one. */
  readonly later?: number;
  /** Kept aside. */
  readonly aside?: string;
}

/** A log in memory that writes what the services write, by their own code. */
export class MemoryLog {
  readonly leaves: Leaf[] = [];
  readonly bytes: Buffer[] = [];
  readonly hashes: Buffer[] = [];
  readonly #keys = new Map<string, BoxKey>();
  readonly #asides = new Map<string, string>();
  readonly #nodes = new Map<string, Buffer>();
  readonly #seqs = new Map<string, number>();

  add(wanted: LeafWanted = {}): this {
    const { tenant = "acme", emitter = "sessions.0", topic = "id.audit", ref = null } = wanted;
    const seq = wanted.seq ?? (this.#seqs.get(emitter) ?? 0) + 1;
    this.#seqs.set(emitter, Math.max(seq, this.#seqs.get(emitter) ?? 0));
    const index = this.leaves.length;
    const id = `event-${index}`;
    const place = { tenant, eventId: id };
    const { aside } = wanted;
    if (aside !== undefined) this.#asides.set(id, aside);
    return this.push({
      v: 1,
      id,
      tenant,
      at: T0_MS + index * 1_000,
      recorded_at: T0_MS + index * 1_000 + (wanted.later ?? 7),
      source: { topic, partition: 0, offset: index },
      emitter,
      seq,
      action: wanted.action ?? "session.revoked",
      actor: { type: "SYSTEM", id: "sessions" },
      impersonator: null,
      subject: ref,
      impersonated: null,
      is_impersonation: false,
      digest: hash("sha256", id, "base64"),
      ...(wanted.payload !== undefined && { payload: wanted.payload }),
      ...(aside !== undefined && {
        payload_aside: { commitment: commitmentOf(aside), bytes: Buffer.byteLength(aside) },
      }),
      boxes: ref === null ? [] : [this.#box(ref, `user of ${ref}`, place)],
    });
  }

  push(leaf: Leaf, bytes = leafBytes(leaf)): this {
    this.leaves.push(leaf);
    this.bytes.push(bytes);
    this.hashes.push(leafHash(bytes));
    return this;
  }

  /** A leaf of the log's own. */
  own(action: string, payload: unknown): this {
    return this.add({ action, payload, emitter: "audit-sink", topic: "id.subject.erasure" });
  }

  erase(ref: string): this {
    this.#keys.delete(ref);
    return this.own(KEY_DESTROYED, { ref });
  }

  /** Without the leaf that should say so. */
  forget(ref: string): this {
    this.#keys.delete(ref);
    return this;
  }

  #box(ref: string, user: string, place: { readonly tenant: string; readonly eventId: string }) {
    const key = this.#keys.get(ref) ?? boxKeyOf(hash("sha256", ref, "buffer"));
    this.#keys.set(ref, key);
    return { ref, ...sealBox(key, { user, ip: "192.0.2.7" }, boxAad({ ...place, ref })) };
  }

  readonly nodes: ReadNodes = async (ids) =>
    ids.map(({ level, index }) => this.#node(level, Number(index)));

  #node(level: number, index: number): Buffer {
    if (level === 0) return this.hashes[index] as Buffer;
    const name = `${level}/${index}`;
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const node = nodeHash(this.#node(level - 1, 2 * index), this.#node(level - 1, 2 * index + 1));
    this.#nodes.set(name, node);
    return node;
  }

  async checkpointText(size = this.leaves.length, origin = ORIGIN): Promise<string> {
    const root = size === 0 ? hash("sha256", "", "buffer") : await rootAt(BigInt(size), this.nodes);
    return formatCheckpoint({ origin, size: BigInt(size), root });
  }

  async checkpoint(signer: NoteSigner, witnesses: readonly NoteSigner[] = [], size?: number) {
    const text = await this.checkpointText(size, signer.key.name);
    return (
      signNote(text, [signer]) + witnesses.map((one) => cosign(text, one, COSIGNED_AT_S)).join("")
    );
  }

  source(): ExportSource {
    return {
      nodes: this.nodes,
      leaves: async ({ tenant, from, until, limit }) =>
        this.leaves
          .map((leaf, index) => ({ leaf, index }))
          .slice(from, until)
          .filter(({ leaf }) => tenant === null || leaf.tenant === tenant)
          .slice(0, limit)
          .map(({ index }) => this.#stored(index)),
      opened: async (leaves) => leaves.map((leaf) => this.#opened(leaf)),
    };
  }

  #stored(index: number) {
    const signing = Buffer.from(hkdfSync("sha256", SECRET, "vigie", "audit.sign", 32));
    const keyId = Buffer.from(hkdfSync("sha256", SECRET, "vigie", "audit.key-id", 8));
    const signature = createHmac("sha256", signing)
      .update(this.hashes[index] as Buffer)
      .digest();
    return { index, leaf: this.bytes[index] as Buffer, signature, keyId: keyId.toString("hex") };
  }

  #opened({ tenant, id, boxes }: Leaf) {
    const open = boxes.flatMap((box) => {
      const key = this.#keys.get(box.ref);
      const aad = boxAad({ tenant, eventId: id, ref: box.ref });
      return key === undefined ? [] : [[box.ref, openBox(key, box, aad).plaintext]];
    });
    return { boxes: Object.fromEntries(open), aside: this.#asides.get(id) ?? null };
  }
}

export interface ExportOf {
  readonly note: string;
  readonly size?: number;
  readonly filter?: LeafFilter;
  readonly boxes?: "opened" | "sealed";
}

/** The lines of an export, each with its newline, as the services write it. */
export async function exportOf(log: MemoryLog, wanted: ExportOf): Promise<string[]> {
  const { note, size = log.leaves.length, filter = {}, boxes = "opened" } = wanted;
  const [origin = ""] = note.split("\n", 1);
  const tree = { origin, size, note };
  const pieces: string[] = [];
  for await (const piece of exportLines(log.source(), { tree, filter, boxes })) pieces.push(piece);
  return pieces.join("").split(/(?<=\n)/);
}

/** An export of leaves that the services would not write: nothing in it is read. */
export function rawExportOf(log: MemoryLog, note: string): string[] {
  const tree_size = log.leaves.length;
  const format = { format: EXPORT_FORMAT, origin: ORIGIN, tree_size };
  const head = { ...format, checkpoint: note, boxes: "sealed", filter: null };
  const sig = Buffer.alloc(32).toString("base64");
  const lines = log.bytes.map((leaf, i) => ({ i, leaf: leaf.toString(), sig, key_id: "none" }));
  return [head, ...lines, { end: true, leaves: tree_size }].map(
    (line) => `${JSON.stringify(line)}\n`,
  );
}

/** Writes the log as a folder of tiles. */
export async function writeTiles(log: MemoryLog, folder: string, note: string): Promise<void> {
  const put = (path: string, bytes: Uint8Array | string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  };
  for (const { level, index, width } of tilesBetween(0n, BigInt(log.leaves.length))) {
    const first = Number(index) * TILE_WIDTH;
    const ids = Array.from({ length: width }, (_, i) => ({
      level: level * 8,
      index: BigInt(first + i),
    }));
    put(tilePath(level, index, width), Buffer.concat(await log.nodes(ids)));
    if (level > 0) continue;
    put(entriesPath(index, width), encodeEntries(log.bytes.slice(first, first + width)));
  }
  put("checkpoint", note);
}
