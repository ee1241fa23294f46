import { type Leaf, parseLeaf } from "@vigie/audit-log/leaf";
import { VigError } from "@vigie/core/errors";
import type { AuditAction } from "@vigie/schemas/audit-actions";
import type { StoredLeaf } from "@vigie/service-kit/audit/export";
import { callerOf } from "@vigie/service-kit/http/access";
import type { FastifyRequest } from "fastify";
import type { EdgeContext } from "../context.ts";
import type { ReadLeaf } from "./answers.ts";
import type { AuditLog } from "./audit-log.ts";

/** Throws: VIG_DATABASE_UNSET. */
export function logOf({ auditLog }: Pick<EdgeContext, "auditLog">): AuditLog {
  if (auditLog !== null) return auditLog;
  throw new VigError("VIG_DATABASE_UNSET");
}

interface Look {
  readonly action: AuditAction;
  /** Of the caller's own tenant. */
  readonly person: string | null;
  /** Names nobody: persons by ref. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Who looks into the audit is put on record before the answer. Throws: VIG_AUDIT_WRITE_FAILED. */
export async function putOnRecord(
  { audit }: Pick<EdgeContext, "audit">,
  request: FastifyRequest,
  { action, person, payload }: Look,
): Promise<void> {
  const caller = callerOf(request);
  await audit.record({ action, caller, request, subjectUserId: person, payload });
}

/** With what their boxes hold. */
export async function opened(
  log: Pick<AuditLog, "opened">,
  stored: readonly StoredLeaf[],
): Promise<readonly ReadLeaf[]> {
  const leaves: readonly Leaf[] = stored.map(({ leaf }) => parseLeaf(leaf));
  const boxes = await log.opened(leaves);
  return stored.map(({ index }, i) => ({
    index,
    leaf: leaves[i] as Leaf,
    opened: boxes[i] ?? { boxes: {}, aside: null },
  }));
}
