import { HOUR_MS } from "@vigie/core/time";

/** Who puts an action on record; http: every service with routes, edge and geo. */
export type AuditEmitter =
  | "edge"
  | "geo"
  | "http"
  | "sessions"
  | "audit-sink"
  | "operator"
  | "upstream";

export interface AuditActionFacts {
  readonly by: AuditEmitter;
  /** Whom the record concerns; what it holds of that person is sealed under their key. */
  readonly subject: string;
  /** Members of the payload, as `name` or `name (what)`. */
  readonly payload: readonly string[];
  readonly when: string;
}

const NOBODY = "nobody";
const PERSON = "the user";

/** Every action that Vigie puts on record. The table of docs/audit.md is made of it. */
export const auditActions = {
  "session.revoked": {
    by: "sessions",
    subject: PERSON,
    payload: [
      "reason",
      "command_id, anomaly_id or epoch_id (the cause)",
      "scope, batch_id, requested_at, already_ended (of a command)",
      "session_ids",
    ],
    when: "a command about one session was carried out, or one session was revoked by an anomaly, an epoch, a limit, a password change, the risk engine or an erasure",
  },
  "sessions.revoked": {
    by: "sessions",
    subject: PERSON,
    payload: ["as session.revoked", "kept_session_id"],
    when: "the same, where the command or cause means several sessions",
  },
  "policy.revocations_held": {
    by: "sessions",
    subject: NOBODY,
    payload: ["rule", "first_anomaly_id"],
    when: "the guard let anomalies of a rule revoke no more of a tenant's sessions",
  },
  "session.revoke_requested": {
    by: "edge",
    subject: "the user whom the filter names or whose sessions alone it finds, else nobody",
    payload: ["acts_by (user, search, epoch)", "the body of the call"],
    when: "an administrator revokes, before anything is done; by an epoch, too",
  },
  "session.revoke_counted": {
    by: "edge",
    subject: "the user whom the filter names, else nobody",
    payload: ["acts_by", "the body of the call"],
    when: "an administrator asks how many sessions a filter means",
  },
  "policy.updated": {
    by: "edge",
    subject: NOBODY,
    payload: ["tenant", "version", "before", "after (whole documents)"],
    when: "a policy is changed, before the change holds",
  },
  "policy.update_undone": {
    by: "edge",
    subject: NOBODY,
    payload: ["tenant", "version"],
    when: "a change that was put on record failed after that, or nobody knows",
  },
  "country.updated": {
    by: "geo",
    subject: NOBODY,
    payload: ["country", "version", "before", "after (whole documents)"],
    when: "a country is put into the matrix or changed there, before the change holds",
  },
  "country.update_undone": {
    by: "geo",
    subject: NOBODY,
    payload: ["country", "version"],
    when: "a change that was put on record failed after that, or nobody knows",
  },
  "anomaly.label_requested": {
    by: "edge",
    subject: PERSON,
    payload: ["anomaly_id", "label"],
    when: "an administrator says what an anomaly was, before it is kept",
  },
  "privacy.exported": {
    by: "edge",
    subject: "the caller",
    payload: [],
    when: "a person exports everything held on them, before the first byte",
  },
  "privacy.erasure_requested": {
    by: "edge",
    subject: "who is erased",
    payload: ["erasure_id"],
    when: "a person or an administrator asks for an erasure, before it begins",
  },
  "privacy.erasure_read": {
    by: "edge",
    subject: NOBODY,
    payload: ["erasure_id"],
    when: "an administrator reads how far an erasure is",
  },
  "privacy.erasure_done": {
    by: "edge",
    subject: NOBODY,
    payload: ["erasure_id", "requested_at", "parts (each with its time)"],
    when: "every part has told that it is done; found within a minute",
  },
  "privacy.location_erased": {
    by: "geo",
    subject: "the caller",
    payload: [],
    when: "a person erases their location preferences and all that is held of where they were, before it is done",
  },
  "ussd.pin_set": {
    by: "geo",
    subject: PERSON,
    payload: ["by (session, pin, code: what allowed it)", "replaced"],
    when: "a PIN for USSD is set or replaced, in a signed-in session or by phone, before it holds",
  },
  "ussd.reset_code_drawn": {
    by: "geo",
    subject: "the caller",
    payload: [],
    when: "a person draws a code by which the phone may set another PIN, before the answer",
  },
  "ussd.link_put": {
    by: "geo",
    subject: PERSON,
    payload: ["country", "taken_over (it was another person's)"],
    when: "an administrator links a phone to a user, before it holds",
  },
  "ussd.link_removed": {
    by: "geo",
    subject: "whose phone it was, else nobody",
    payload: ["found"],
    when: "an administrator takes a phone from its user, before it holds",
  },
  "ussd.links_read": {
    by: "geo",
    subject: PERSON,
    payload: [],
    when: "an administrator reads which phones a user has",
  },
  "ussd.sim_changed": {
    by: "geo",
    subject: "whose phone it is, else nobody",
    payload: ["found", "changed_at"],
    when: "a service tells that a phone has another SIM, before resets are held",
  },
  "ussd.service_code_put": {
    by: "geo",
    subject: NOBODY,
    payload: ["tenant", "service_code", "country"],
    when: "an administrator gives a service code of a country to a tenant, before it holds",
  },
  "ussd.service_code_removed": {
    by: "geo",
    subject: NOBODY,
    payload: ["tenant", "service_code", "country"],
    when: "an administrator takes it back, before it holds",
  },
  "sessions.read": {
    by: "edge",
    subject: PERSON,
    payload: ["query"],
    when: "an administrator reads a user's sessions",
  },
  "sessions.searched": {
    by: "edge",
    subject: "the user whom the query names, else nobody",
    payload: ["query"],
    when: "an administrator searches in the sessions of the tenant",
  },
  "anomalies.read": {
    by: "edge",
    subject: PERSON,
    payload: ["query"],
    when: "an administrator reads a user's anomalies",
  },
  "timeline.read": {
    by: "edge",
    subject: PERSON,
    payload: ["query"],
    when: "an administrator reads what happened to a user",
  },
  "command.read": {
    by: "edge",
    subject: PERSON,
    payload: ["command_id"],
    when: "an administrator reads what a command did to another person's sessions",
  },
  "revocation.read": {
    by: "edge",
    subject: PERSON,
    payload: ["revocation_id"],
    when: "an administrator reads who has acted on a revocation",
  },
  "stream.opened": {
    by: "edge",
    subject: "the user whom the stream is about, else nobody",
    payload: ["user", "kinds", "of"],
    when: "an administrator opens a live stream of others, or somebody impersonating any stream",
  },
  "audit.searched": {
    by: "edge",
    subject: "the user whom the filter names, else nobody",
    payload: ["filter", "limit", "is_first_page"],
    when: "somebody with id:audit reads in the audit",
  },
  "audit.entry_read": {
    by: "edge",
    subject: NOBODY,
    payload: ["index"],
    when: "somebody with id:audit reads one entry with its proof",
  },
  "audit.exported": {
    by: "edge",
    subject: "the user whom the filter names, else nobody",
    payload: ["filter", "boxes", "tree_size"],
    when: "somebody with id:audit, or an operator's command, exports entries, before the first byte",
  },
  "impersonation.acted": {
    by: "http",
    subject: "the impersonated user",
    payload: ["method", "route"],
    when: "somebody impersonating calls a route that has no record of its own before its answer",
  },
  "access.denied": {
    by: "http",
    subject: NOBODY,
    payload: ["count", "first_at", "last_at", "attempts (method, route, fault: count)"],
    when: "a caller was refused (403, or 404 in place of it): the first at once, what follows gathered to one record a minute and client",
  },
  "audit.series_opened": {
    by: "http",
    subject: NOBODY,
    payload: ["emitter"],
    when: "an edge or a geo started: the first record of its series",
  },
  "audit.series_continued": {
    by: "http",
    subject: NOBODY,
    payload: ["emitter"],
    when: "an edge or a geo has run for another six hours",
  },
  "audit.series_closed": {
    by: "http",
    subject: NOBODY,
    payload: ["emitter", "records"],
    when: "an edge, a geo or an operator's command ended: the last record of its series",
  },
  "anomaly.detected": {
    by: "audit-sink",
    subject: PERSON,
    payload: ["the anomaly"],
    when: "an anomaly in ENFORCE lies on id.session.anomaly that is a security event: of severity HIGH or worse, or concurrent_sessions or revoked_session_use of any",
  },
  "anomaly.retracted": {
    by: "audit-sink",
    subject: PERSON,
    payload: ["the withdrawal"],
    when: "an anomaly was withdrawn",
  },
  "subject.key_destroyed": {
    by: "audit-sink",
    subject: NOBODY,
    payload: ["ref"],
    when: "an erasure reached the audit: the person's key is gone, in the same transaction",
  },
  "audit.gap_detected": {
    by: "audit-sink",
    subject: NOBODY,
    payload: ["emitter", "from, to (the missing numbers; to null: nobody knows how many)"],
    when: "a number of a series is missing, or a series was left open by a crash",
  },
  "audit.log_continued": {
    by: "audit-sink",
    subject: NOBODY,
    payload: ["origin", "after (the last checkpoint of the log before)"],
    when: "a log of another name was signed before: the first entry of the one that follows it",
  },
  "keys.rotated": {
    by: "operator",
    subject: NOBODY,
    payload: ["keys (what they are for)", "key_id", "current_from", "wrapped_under"],
    when: "a key is added that becomes the current one, before the file is changed",
  },
  "keys.created": {
    by: "operator",
    subject: NOBODY,
    payload: ["keys (what they are for)", "key_id or verifier_key"],
    when: "a file with a new key is made, before it is written; where no broker is named, the command says that it is not on record",
  },
  "keys.wrapped": {
    by: "operator",
    subject: NOBODY,
    payload: ["keys", "wrapped_under"],
    when: "the keys of a file are wrapped under a key of a KMS, before the file is changed",
  },
  "keys.change_undone": {
    by: "operator",
    subject: NOBODY,
    payload: ["action"],
    when: "a change of keys that was put on record failed after that",
  },
  "audit.tiles_requested": {
    by: "operator",
    subject: NOBODY,
    payload: ["to", "tree_size"],
    when: "the log is written as tiles to a place, before that; nothing in it is opened",
  },
  "audit.restore_requested": {
    by: "operator",
    subject: NOBODY,
    payload: ["from"],
    when: "leaves that the database has lost are appended out of tiles, before that",
  },
  "history.exported": {
    by: "operator",
    subject: NOBODY,
    payload: ["tenant", "from", "until"],
    when: "events are exported for replays, before the first is written",
  },
  "user.activated": {
    by: "upstream",
    subject: PERSON,
    payload: ["reported", "details"],
    when: "AUD-07: told by the service that does it",
  },
  "user.deactivated": {
    by: "upstream",
    subject: PERSON,
    payload: ["reported", "details"],
    when: "the same",
  },
  "user.deleted": {
    by: "upstream",
    subject: PERSON,
    payload: ["reported", "details"],
    when: "the same",
  },
  impersonation_start: {
    by: "upstream",
    subject: "the impersonated user",
    payload: ["reported", "details.reason (10 characters or more)"],
    when: "AUD-13: told by the service that lets administrators impersonate",
  },
  impersonation_stop: {
    by: "upstream",
    subject: "the impersonated user",
    payload: ["reported", "details"],
    when: "the same",
  },
  impersonation_expired: {
    by: "upstream",
    subject: "the impersonated user",
    payload: ["reported", "details"],
    when: "the same",
  },
} as const satisfies Readonly<Record<string, AuditActionFacts>>;

/** Besides these, applications report what is theirs under `app.`, see APP_ACTION. */
export type AuditAction = keyof typeof auditActions | `app.${string}`;

/** An application's own action: `app.` and words of a-z 0-9 _ with dots between. */
export const APP_ACTION = /^app(?:\.[a-z][a-z0-9_]{0,31}){1,4}$/;

/** Actions that services outside of Vigie report by name. */
export const upstreamActions = (Object.keys(auditActions) as (keyof typeof auditActions)[]).filter(
  (action) => auditActions[action].by === "upstream",
);

/** Stands for the user agent of a person that none is known of. Source: AUD-11. */
export const NO_USER_AGENT = "unknown";

/** An anomaly was not let revoke its session: too many of the tenant's were revoked lately. */
export const REVOCATIONS_HELD = "policy.revocations_held" as const satisfies AuditAction;
/** A token asked for what it does not allow. */
export const ACCESS_DENIED = "access.denied" as const satisfies AuditAction;
/** An edge began, or came to its end: without the latter, its last records may be missing. */
export const SERIES_OPENED = "audit.series_opened" as const satisfies AuditAction;
export const SERIES_CLOSED = "audit.series_closed" as const satisfies AuditAction;
/** It still runs: a series without this for long broke off, also where nothing starts again under its name. */
export const SERIES_CONTINUED = "audit.series_continued" as const satisfies AuditAction;
/** Four leaves a day of each process, next to nothing. */
export const SERIES_CONTINUED_EVERY_MS = 6 * HOUR_MS;
