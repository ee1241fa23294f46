import type { Revocation } from "./state.ts";

const nobody = { commandId: null, anomalyId: null, epochId: null };

/** A revocation that a part of the policy asks for, rather than a person. */
const byPolicy = (name: string): Revocation => ({
  ...nobody,
  reason: name,
  actor: { type: "POLICY", id: name, impersonator_id: null },
});

/** ANO-12: a rule whose action is REVOKE or BLOCK. */
export const byAnomaly = (rule: string, anomalyId: string): Revocation => ({
  ...byPolicy(rule),
  reason: `policy:${rule}`,
  anomalyId,
});

/** POL-10: more sessions than the user may have. */
export const sessionLimit: Revocation = byPolicy("session_limit");
/** PRV-14: sessions of a person who is erased; whoever asked for it is on record elsewhere. */
export const erasure: Revocation = {
  ...nobody,
  reason: "erasure",
  actor: { type: "SYSTEM", id: "erasure", impersonator_id: null },
};
/** REV-13: who knows the old password is out. */
export const passwordChange: Revocation = byPolicy("password_change");
