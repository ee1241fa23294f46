import { VigError } from "@vigie/core/errors";
import type { Actor } from "@vigie/schemas/types";
import { userAgentOf } from "@vigie/service-kit/audit-trail/actor";
import type { ReportedDeed } from "@vigie/service-kit/audit-trail/audit-trail";
import { addressOf } from "@vigie/service-kit/http/address";
import type { AdmitLimits } from "../ingest/steps/admit-event.ts";
import type { Report } from "./schemas.ts";

/** Source: IMP-07. */
const REASON_MIN_LENGTH = 10;

/** Source: canonical JSON takes 256 levels, of which record, leaf and box need some; no account of a deed does. */
const DETAILS_DEPTH_MAX = 64;

const fault = (path: string, why: string): VigError =>
  new VigError("VIG_BODY_INVALID", { path, why });

/**
 * The deed that a service tells of. Pure.
 * Throws: VIG_BODY_INVALID for what a deed of this kind cannot do without, and for a time out of bounds.
 */
export function deedOf(report: Report, nowMs: number, limits: AdmitLimits): ReportedDeed {
  const { action, actor, occurred_at: occurredAtMs, impersonator_id = null } = report;
  const aheadMs = occurredAtMs - nowMs;
  if (aheadMs > limits.maxAheadMs || -aheadMs > limits.maxEventAgeMs) {
    throw fault("occurred_at", "is too far ahead or too long ago");
  }
  if (isDeeper(report.details, DETAILS_DEPTH_MAX)) {
    throw fault("details", `has more than ${DETAILS_DEPTH_MAX} levels`);
  }
  const isApp = action.startsWith("app.");
  const { subject_user_id: subjectUserId = null } = report;
  if (!isApp && subjectUserId === null) throw fault("subject_user_id", `is asked for by ${action}`);
  const isImpersonation = action.startsWith("impersonation_");
  if (isImpersonation) checkImpersonation(report);
  return {
    actor: actorOf(actor, impersonator_id),
    impersonatedId: impersonatedBy(isImpersonation, report),
    occurredAtMs,
  };
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1)));

function checkImpersonation({ action, impersonator_id, details }: Report): void {
  if (impersonator_id === undefined) throw fault("impersonator_id", `is asked for by ${action}`);
  if (action !== "impersonation_start") return;
  const { reason } = details ?? {};
  if (typeof reason === "string" && reason.trim().length >= REASON_MIN_LENGTH) return;
  throw fault("details.reason", `has fewer than ${REASON_MIN_LENGTH} characters`);
}

/** AUD-12: of an impersonation its target; of what is done during one, the actor it is done as. */
function impersonatedBy(isImpersonation: boolean, report: Report): string | null {
  if (report.impersonator_id === undefined) return null;
  return isImpersonation ? (report.subject_user_id ?? null) : report.actor.id;
}

function actorOf(given: Report["actor"], impersonatorId: string | null): Actor {
  const { type, id, ip, user_agent } = given;
  const address = addressOf(ip);
  if (ip !== undefined && address === null) throw fault("actor.ip", "is no address");
  return {
    type,
    id,
    impersonator_id: impersonatorId,
    ip: address,
    // AUD-11; a service that has none needs none.
    user_agent: type === "SYSTEM" && user_agent === undefined ? null : userAgentOf(user_agent),
  };
}
