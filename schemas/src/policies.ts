import {
  type CandidateOverlay,
  defaultPolicy,
  overlayPolicy,
  type PolicyDocument,
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
interface LastGood extends Good {
  readonly seen: SessionPolicy;
}

interface Good {
  readonly version: number;
  readonly overlay: PolicyOverlay;
  readonly candidate?: CandidateOverlay;
}

const none: Good = { version: 0, overlay: {} };

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
    const policy = versioned(common, special);
    this.ready.set(tenantId, { base, own, policy });
    return policy;
  }

  private good(key: string, record: SessionPolicy | undefined): Good {
    if (record === undefined) {
      this.lastGood.delete(key);
      return none;
    }
    const last = this.lastGood.get(key);
    if (last?.seen === record) return last;
    const { faults, ...read } = parsePolicy(record.document);
    if (faults !== undefined)
      this.refused(
        key,
        faults.map(({ path, why }) => `${path} ${why}`.trim()),
      );
    const next =
      read.overlay === undefined
        ? { ...(last ?? none), seen: record }
        : { ...read, seen: record, version: record.version };
    this.lastGood.set(key, next);
    return next;
  }
}

/** A candidate stands in place of the document that holds it. */
function versioned(common: Good, special: Good): VersionedPolicy {
  const version = special.version || common.version;
  const document = whole(common.overlay, special.overlay);
  const { share } = special.candidate ?? common.candidate ?? {};
  if (share === undefined) return { version, document };
  const tried = ({ candidate, overlay }: Good): PolicyOverlay => candidate?.overlay ?? overlay;
  return {
    version,
    document,
    candidate: { share, document: whole(tried(common), tried(special)) },
  };
}

const whole = (common: PolicyOverlay, special: PolicyOverlay): PolicyDocument =>
  overlayPolicy(overlayPolicy(defaultPolicy, common), special);
