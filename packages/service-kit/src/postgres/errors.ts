import { messageOf, VigError } from "@vigie/core/errors";

/** SQLSTATE classes that mean the server cannot serve now. Source: PostgreSQL, appendix A. */
const AWAY_CLASSES = ["08", "53", "57", "58"];
/** Cancelled by statement_timeout or by hand: our own doing, not an outage. */
const QUERY_CANCELED = "57014";
/** What node and pg say when a connection breaks or never comes. */
const AWAY_CODES = /^(ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH)/;
const AWAY_MESSAGES =
  /connection terminated|timeout exceeded|not queryable|client was closed|query read timeout|ended/i;
/** serialization_failure and deadlock_detected: the same transaction again may succeed. */
const RETRY_STATES = ["40001", "40P01"];

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

const isState = (code: string): boolean => /^[0-9A-Z]{5}$/.test(code) && !code.startsWith("E");

/** VIG_DATABASE_AWAY for a lost or refused connection; anything else as it is. */
export function databaseError(error: unknown): unknown {
  if (error instanceof VigError) return error;
  const code = codeOf(error);
  const away = isState(code)
    ? code !== QUERY_CANCELED && AWAY_CLASSES.includes(code.slice(0, 2))
    : AWAY_CODES.test(code) || (code === "" && AWAY_MESSAGES.test(messageOf(error)));
  if (!away) return error;
  return new VigError("VIG_DATABASE_AWAY", { why: code || messageOf(error) }, { cause: error });
}

export const isDatabaseAway = (error: unknown): boolean =>
  error instanceof VigError && error.code === "VIG_DATABASE_AWAY";

/** By the statement's own timeout, or by hand. */
export const isCanceled = (error: unknown): boolean => codeOf(error) === QUERY_CANCELED;

/**
 * PostgreSQL refuses what a row holds, so the same row will be refused again.
 * Source: appendix A, data exception (22), integrity constraint violation (23), program limit
 * exceeded (54).
 */
export const isRowRefused = (error: unknown): boolean => /^(22|23|54)/.test(codeOf(error));

export const mayRetry = (error: unknown): boolean => RETRY_STATES.includes(codeOf(error));
