import { spawn } from "node:child_process";
import { generateKeyPairSync, hash } from "node:crypto";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { boxAad, boxKeyOf, openBox, sealBox } from "@vigie/audit-log/box";
import { formatCheckpoint } from "@vigie/audit-log/checkpoint";
import { type Leaf, leafBytes } from "@vigie/audit-log/leaf";
import { createSigner, formatVerifierKey, signNote } from "@vigie/audit-log/note";
import { type NodeId, rootAt } from "@vigie/audit-log/proofs";
import { leafHash, nodeHash } from "@vigie/audit-log/tree";
import { type ExportSource, exportLines } from "@vigie/service-kit/audit/export";

const MAIN = fileURLToPath(new URL("../audit-verify/main.mjs", import.meta.url));
const ORIGIN = "bench.example.org";
const TENANT = "acme";
const SUBJECTS = 1_000;
/** Makes leaves of about 1 KiB. */
const FILLER = "x".repeat(256);
const POLL_MS = 100;

/** Verifies an export of leaves of 1 KiB with an opened box each, in a process of its own. */
export async function benchAuditVerify(leaves: number) {
  const folder = await mkdtemp(join(tmpdir(), "vigie-bench-audit-"));
  try {
    const file = join(folder, "export");
    const key = await writeExport(leaves, file);
    const { size } = await stat(file);
    const run = await verified([file, "--key", key]);
    return {
      leaves,
      leafBytes: leafBytes(leafOf(0)).length,
      exportMiB: size / 2 ** 20,
      seconds: run.elapsed,
      leavesPerSecond: leaves / run.elapsed,
      secondsPerMillion: (run.elapsed / leaves) * 1e6,
      peakMiB: run.peakMiB,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function verified(args: readonly string[]) {
  const startMs = performance.now();
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  let peakMiB = 0;
  const poll = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, "utf8").catch(() => "");
    peakMiB = Math.max(peakMiB, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024);
  }, POLL_MS);
  const [code] = await once(child, "exit");
  clearInterval(poll);
  if (code !== 0) throw new Error(`the verifier ended with ${code}`);
  return { elapsed: (performance.now() - startMs) / 1_000, peakMiB };
}

/** Writes what the services would; returns the verifier key. Leaves are made twice, so that none is held. */
async function writeExport(leaves: number, file: string): Promise<string> {
  const tree = levelsOver(Array.from({ length: leaves }, (_, i) => leafHash(leafBytes(leafOf(i)))));
  const nodes = async (ids: readonly NodeId[]) =>
    ids.map(({ level, index }) => tree[level]?.[Number(index)] as Buffer);
  const { privateKey } = generateKeyPairSync("ed25519");
  const signer = createSigner({ name: ORIGIN, privateKey });
  const size = BigInt(leaves);
  const text = formatCheckpoint({ origin: ORIGIN, size, root: await rootAt(size, nodes) });
  const wanted = {
    tree: { origin: ORIGIN, size: leaves, note: signNote(text, [signer]) },
    filter: {},
    boxes: "opened",
  } as const;
  await pipeline(exportLines({ ...source, nodes }, wanted), createWriteStream(file));
  return formatVerifierKey(signer.key);
}

const source: Omit<ExportSource, "nodes"> = {
  leaves: async ({ from, until, limit }) =>
    Array.from({ length: Math.min(limit, until - from) }, (_, i) => {
      const leaf = leafBytes(leafOf(from + i));
      return { index: from + i, leaf, signature: leafHash(leaf), keyId: "0123456789abcdef" };
    }),
  opened: async (all) =>
    all.map(({ id, boxes }) => ({
      boxes: Object.fromEntries(
        boxes.map((box) => {
          const aad = boxAad({ tenant: TENANT, eventId: id, ref: box.ref });
          return [box.ref, openBox(keyOf(box.ref), box, aad).plaintext];
        }),
      ),
      aside: null,
    })),
};

const keys = new Map<string, ReturnType<typeof boxKeyOf>>();

function keyOf(ref: string) {
  const key = keys.get(ref) ?? boxKeyOf(hash("sha256", ref, "buffer"));
  keys.set(ref, key);
  return key;
}

function leafOf(index: number): Leaf {
  const ref = `00000000-0000-4000-8000-${String(index % SUBJECTS).padStart(12, "0")}`;
  const id = `event-${index}`;
  const fields = { subject_user_id: `user-${index % SUBJECTS}`, payload: { reason: FILLER } };
  return {
    v: 1,
    id,
    tenant: TENANT,
    at: index,
    recorded_at: index,
    source: { topic: "id.audit", partition: 0, offset: index },
    emitter: "sessions.0",
    seq: index + 1,
    action: "session.revoked",
    actor: { type: "SYSTEM", id: "sessions" },
    impersonator: null,
    subject: ref,
    impersonated: null,
    is_impersonation: false,
    digest: hash("sha256", id, "base64"),
    boxes: [{ ref, ...sealBox(keyOf(ref), fields, boxAad({ tenant: TENANT, eventId: id, ref })) }],
  };
}

/** All perfect subtrees, by level. */
function levelsOver(hashes: readonly Buffer[]): readonly (readonly Buffer[])[] {
  const levels = [hashes];
  for (let row = hashes; row.length > 1; ) {
    const above = Array.from({ length: Math.floor(row.length / 2) }, (_, i) =>
      nodeHash(row[2 * i] as Buffer, row[2 * i + 1] as Buffer),
    );
    levels.push(above);
    row = above;
  }
  return levels;
}
