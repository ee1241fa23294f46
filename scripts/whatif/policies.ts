import { readFileSync } from "node:fs";
import { messageOf, VigError } from "@vigie/core/errors";
import { checkPolicy } from "@vigie/core/policy";
import type { SessionPolicy } from "@vigie/schemas/types";

/** Of the document that every tenant's is laid over. */
export const EVERYBODY = "*";

/** A document of a file, as an administrator would put it. Throws: VIG_ARGUMENT_INVALID, VIG_POLICY_INVALID. */
export function readPolicyFile(name: string, path: string): object {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new VigError("VIG_ARGUMENT_INVALID", { name, why: messageOf(cause) }, { cause });
  }
  const { faults } = checkPolicy(document);
  const [first] = faults ?? [];
  if (faults !== undefined && first !== undefined) {
    const others = faults.slice(1).map(({ path: at, why }) => `; ${at} ${why}`);
    const why = `${first.why}${others.join("")}`;
    throw new VigError("VIG_POLICY_INVALID", {
      count: faults.length,
      path: `${path}: ${first.path}`,
      why,
    });
  }
  return document as object;
}

export interface Tried {
  /** The candidate stands in place of this key's document. */
  readonly key: string;
  readonly candidate: object;
  /** What stands there now; null: what the history says. */
  readonly current: object | null;
}

/** The policies in force, where one has the candidate beside it, for all users. */
export function policiesWith(
  known: ReadonlyMap<string, SessionPolicy>,
  { key, candidate, current }: Tried,
): ReadonlyMap<string, SessionPolicy> {
  const policies = new Map<string, SessionPolicy>();
  for (const [tenant, record] of known) {
    policies.set(tenant, {
      ...record,
      document: JSON.stringify(plain(JSON.parse(record.document))),
    });
  }
  const before = policies.get(key);
  const inForce = current ?? (before === undefined ? {} : (JSON.parse(before.document) as object));
  const document = { ...plain(inForce), candidate: { share: 100, document: plain(candidate) } };
  policies.set(key, {
    tenant_id: key,
    version: before?.version ?? 0,
    updated_at: 0,
    actor: { type: "SYSTEM", id: "whatif", impersonator_id: null },
    document: JSON.stringify(document),
  });
  return policies;
}

/** Without a candidate of its own: one is tried at a time. */
function plain(document: object): object {
  const { candidate: _other, ...rest } = document as { readonly candidate?: unknown };
  return rest;
}
