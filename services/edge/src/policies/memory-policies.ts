import type { VersionedPolicy } from "@vigie/core/policy";
import { Policies } from "@vigie/schemas/policies";
import type { SessionPolicy } from "@vigie/schemas/types";
import type { PolicyBook } from "@vigie/service-kit/policy-book";
import { DEFAULT_TENANT_KEY, type PolicyStore, type StoredPolicy } from "./policy-store.ts";

export interface MemoryPolicies extends PolicyStore {
  /** What went out with the changes, in order. */
  readonly published: readonly { readonly key: string; readonly value: Buffer }[];
}

/** The store without a database: the same promises. */
export function memoryPolicies(): MemoryPolicies {
  const documents = new Map<string, StoredPolicy>();
  const published: { key: string; value: Buffer }[] = [];
  /** One change of a tenant at a time, as its row's lock sees to. */
  const turns = new Map<string, Promise<unknown>>();
  const inTurn = async <T>(tenantId: string, work: () => Promise<T>): Promise<T> => {
    const before = turns.get(tenantId) ?? Promise.resolve();
    const mine = before.then(work, work);
    turns.set(tenantId, mine);
    return mine;
  };
  return {
    published,
    async read(tenantId) {
      const find = (key: string) => documents.get(key) ?? null;
      return { own: find(tenantId), common: find(DEFAULT_TENANT_KEY) };
    },
    change: ({ tenantId, seenVersion, next, record }, beforeCommit) =>
      inTurn(tenantId, async () => {
        const before = documents.get(tenantId) ?? null;
        const version = before?.version ?? 0;
        if (version !== seenVersion) return { kind: "stale", version };
        await beforeCommit(before);
        // As a database keeps it: nobody else holds the same object.
        documents.set(tenantId, structuredClone(next));
        published.push({ key: tenantId, value: record });
        return { kind: "changed" };
      }),
  };
}

/** A book for tests: these documents by tenant, each of version 1. */
export function memoryPolicyBook(documents: Readonly<Record<string, object>> = {}): PolicyBook {
  const records = new Map<string, SessionPolicy>(
    Object.entries(documents).map(([tenant_id, document]) => [
      tenant_id,
      {
        tenant_id,
        version: 1,
        updated_at: 0,
        actor: { type: "SYSTEM", id: "test", impersonator_id: null },
        document: JSON.stringify(document),
      },
    ]),
  );
  const policies = new Policies((tenantId, faults) => {
    throw new Error(`the policy of ${tenantId} ${faults.join()}`);
  });
  return {
    ready: true,
    of: (tenantId): VersionedPolicy => policies.of(tenantId, (key) => records.get(key)),
  };
}
