import {
  defaultPolicy,
  overlayPolicy,
  type PolicyOverlay,
  parsePolicy,
  type VersionedPolicy,
} from "@vigie/core/policy";
import type { SessionPolicy } from "./types.ts";

/** Key of the policy that every tenant's is laid over. */
const DEFAULT_KEY = "*";
/** Tenants whose policy is kept ready; any tenant id may come in a record, so they are bounded. */
const READY_MAX = 10_000;

type Lookup = (key: string) => SessionPolicy | undefined;

interface Ready {
  readonly base: SessionPolicy | undefined;
  readonly own: SessionPolicy | undefined;
  readonly policy: VersionedPolicy;
}

/** The last valid document of a key. */
interface LastGood {
  readonly seen: SessionPolicy;
  readonly version: number;
  readonly overlay: PolicyOverlay;
}

const none: Pick<LastGood, "version" | "overlay"> = { version: 0, overlay: {} };

/**
 * The policy of a tenant: its document over that of "*" over the built-in default. A document that is not valid is
 * told of once, and the last good one of that key stays in force.
 */
export class Policies {
  private readonly ready = new Map<string, Ready>();
  /** As many as the topic holds policies. */
  private readonly lastGood = new Map<string, LastGood>();
  private readonly refused: (tenantId: string, faults: readonly string[]) => void;

  constructor(refused: (tenantId: string, faults: readonly string[]) => void) {
    this.refused = refused;
  }

  of(tenantId: string, lookup: Lookup): VersionedPolicy {
    const base = lookup(DEFAULT_KEY);
    const own = lookup(tenantId);
    const known = this.ready.get(tenantId);
    if (known !== undefined && known.base === base && known.own === own) return known.policy;
    if (this.ready.size >= READY_MAX) this.ready.clear();
    const common = this.good(DEFAULT_KEY, base);
    const special = this.good(tenantId, own);
    const policy = {
      version: special.version || common.version,
      document: overlayPolicy(overlayPolicy(defaultPolicy, common.overlay), special.overlay),
    };
    this.ready.set(tenantId, { base, own, policy });
    return policy;
  }

  private good(
    key: string,
    record: SessionPolicy | undefined,
  ): Pick<LastGood, "version" | "overlay"> {
    if (record === undefined) {
      this.lastGood.delete(key);
      return none;
    }
    const last = this.lastGood.get(key);
    if (last?.seen === record) return last;
    const { overlay, faults } = parsePolicy(record.document);
    if (faults !== undefined)
      this.refused(
        key,
        faults.map(({ path, why }) => `${path} ${why}`.trim()),
      );
    const next =
      faults === undefined
        ? { seen: record, version: record.version, overlay }
        : { ...(last ?? none), seen: record };
    this.lastGood.set(key, next);
    return next;
  }
}
