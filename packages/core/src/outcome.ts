import type { VigCode } from "./catalogue.ts";
import type { ErrorDetails } from "./errors.ts";

/**
 * Why a record may be dropped. Closed list: it is a metric label.
 * intentional: nothing is wrong (logged at debug); otherwise somebody should look (logged at warn).
 */
export const dropReasons = {
  duplicate: { intentional: true },
  unknown_kind: { intentional: true },
  no_effect: { intentional: true },
  /** SES-22: a login succeeded, but its session had ended before or is refused. */
  login_without_session: { intentional: false },
  /** PRV-14: it happened before its person was erased. */
  erased: { intentional: true },
  misrouted: { intentional: false },
  misrouted_twice: { intentional: false },
} as const satisfies Record<string, { readonly intentional: boolean }>;

export type DropReason = keyof typeof dropReasons;

/** Every fate of a record. An exception is none of them: it means stop. */
export type Outcome<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "drop"; readonly reason: DropReason }
  | { readonly kind: "dlq"; readonly code: VigCode; readonly details: ErrorDetails }
  | { readonly kind: "redirect"; readonly reason: "wrong_partition" };

export const ok = <T>(value: T): Outcome<T> => ({ kind: "ok", value });
export const drop = (reason: DropReason): Outcome<never> => ({ kind: "drop", reason });
export const dlq = (code: VigCode, details: ErrorDetails = {}): Outcome<never> => ({
  kind: "dlq",
  code,
  details,
});
export const redirect = (): Outcome<never> => ({ kind: "redirect", reason: "wrong_partition" });
