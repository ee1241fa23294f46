/** What the export tells of each table: its columns in words, and which are withheld and why. */
export interface ExportedTable {
  readonly table: string;
  readonly about: string;
  /** The column of the person's id, and that of the time by which rows are told, the newest first. */
  readonly person: string;
  readonly time: string;
  /** What tells rows of the same time apart, a UUID; `id` unless said. */
  readonly key?: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly withheld: Readonly<Record<string, string>>;
}

const OF_STAFF = "names the person of staff who acted";
const INNER = "serves the platform's own bookkeeping and says nothing about the person";

const ofPerson = {
  tenant_id: "organisation that holds the data",
  user_id: "you, as the tables name you",
};
const ids = { id: "id of this row", ...ofPerson };
const keys = { user_key: "you, as tokens and events name you" };
const place = {
  country: "country",
  region: "region",
  city: "city",
  geohash: "cell of the map",
};

const SEALED = "sealed; nobody reads it here";

/** The version of these words and shapes; it grows with any change that a reader must know of. */
export const EXPORT_VERSION = "1";

const ofSessions: readonly ExportedTable[] = [
  {
    table: "users",
    about: "your account",
    person: "id",
    time: "created_at",
    columns: {
      id: ids.user_id,
      tenant_id: ids.tenant_id,
      external_id: keys.user_key,
      email: "your address, if the identity service has told it",
      is_active: "whether you may sign in",
      is_verified: "whether your address is verified",
      first_name: "your first name",
      last_name: "your last name",
      is_stub: "true: known from events only",
      created_at: "since when the account is known here",
    },
    withheld: { password_hash: "a secret" },
  },
  {
    table: "user_devices",
    about: "devices that you signed in with",
    person: "user_id",
    time: "first_seen_at",
    columns: {
      ...ids,
      external_id: "the device, as events name it",
      is_stub: "true: known from events only",
      first_seen_at: "when it was first seen",
    },
    withheld: {},
  },
  {
    table: "user_sessions",
    about: "your sessions",
    person: "user_id",
    time: "created_at",
    columns: {
      ...ids,
      ...keys,
      tenant_key: "the organisation, as tokens name it",
      session_key: "the session, as tokens and events name it",
      device_id: "its device",
      device_key: "its device, as events name it",
      authentik_session_id: "its id at the identity provider",
      ip_address_hash: "keyed hash of the address; the address itself is not kept",
      ip_hash_key_id: "which key",
      ip_prefix: "the address, cut to its network",
      user_agent: "what your browser or app said of itself",
      client_info: "browser, system and kind of device read from it",
      session_type: "channel: mobile, web, ussd, api",
      login_method: "how you signed in",
      session_data: "your roles; adopted: its start was not seen",
      country: "country of the address",
      city: "city of the address",
      user_type: "customer or staff",
      org_id: "organisation of staff",
      created_at: "when it began",
      last_activity: "when something was last seen of it",
      expires_at: "when it ends if nothing more is seen",
      idle_expires_at: "the same, by silence alone",
      absolute_expires_at: "when it ends in any case",
      is_active: "whether it has not ended",
      status: "where it is in its life",
      terminated_at: "when it ended",
      termination_reason: "why",
      step_up_required_at: "since when a second factor is asked for",
      risk_score: "highest risk of its anomalies, 0..100",
      policy_version: "version of the policy at its last change",
    },
    withheld: { version: INNER, awaited_since: INNER },
  },
  {
    table: "session_activities",
    about: "what was done in your sessions",
    person: "user_id",
    time: "timestamp",
    columns: {
      ...ids,
      session_id: "the session",
      event_id: "the event it was told by",
      activity_type: "what was done",
      activity_category: "auth, security, data",
      timestamp: "when",
      arrived_at: "when it came, if it says a later time",
      duration_ms: "how long it took",
      endpoint: "what was called",
      http_method: "how",
      status_code: "what was answered",
      details: "more of it, without personal data",
      resource_type: "kind of thing that was touched",
      resource_id: "which one",
      resource_key: "which one, if its id is no UUID",
      success: "whether it succeeded",
    },
    withheld: {},
  },
  {
    table: "session_anomalies",
    about: "what looked wrong with your sessions",
    person: "user_id",
    time: "occurred_at",
    columns: {
      ...ids,
      ...keys,
      session_id: "the session",
      session_key: "the session, as events name it",
      anomaly_id: "the anomaly, as events name it",
      kind: "what was found",
      severity: "how bad",
      risk_score: "0..100",
      action: "what the policy wants done",
      mode: "SHADOW: never acted on",
      occurred_at: "when it happened",
      detected_at: "when it was found",
      rule_version: "version of the rule",
      policy_version: "version of the policy",
      cause_event_ids: "the events that caused it",
      evidence: "the facts",
      explanation: "why, and what would have had to differ",
      retracted_at: "when it was withdrawn",
      retracted_by: "the anomaly that withdraws it",
    },
    withheld: {},
  },
  {
    table: "session_anomaly_retractions",
    about: "which of these were withdrawn",
    person: "user_id",
    time: "retracted_at",
    columns: {
      ...ids,
      id: "id of the anomaly's row",
      retracted_at: "when it was withdrawn",
      retracted_by: "the anomaly that withdraws it",
    },
    withheld: {},
  },
  {
    table: "session_revocations",
    about: "which of your sessions were revoked",
    person: "user_id",
    time: "revoked_at",
    columns: {
      ...ids,
      ...keys,
      session_id: "the session",
      session_key: "the session, as events name it",
      device_key: "its device",
      channel: "its channel",
      revocation_id: "the revocation, as events name it",
      revoked_at: "when",
      reason: "why",
      actor_type: "who: you, an administrator, a policy",
      command_id: "the command that caused it",
      anomaly_id: "the anomaly that caused it",
      epoch_id: "the epoch that caused it",
    },
    withheld: { actor_id: OF_STAFF },
  },
  {
    table: "session_commands",
    about: "what was asked for your sessions",
    person: "user_id",
    time: "noted_at",
    columns: {
      ...ids,
      ...keys,
      command_id: "the command, as events name it",
      batch_id: "the administrative action it is part of",
      requested_at: "when it was asked",
      kind: "what was to be revoked",
      session_key: "which session",
      device_key: "which device",
      channel: "which channel",
      keep_session_key: "which session to spare",
      reason: "why",
      actor_type: "who: you, an administrator",
      decided_at: "when it was done",
      revoked_session_keys: "sessions that it ended",
      already_ended: "how many had ended before",
      noted_at: "the earlier of both times",
    },
    withheld: { actor_id: OF_STAFF, impersonator_id: OF_STAFF },
  },
  {
    table: "session_risk_decisions",
    about: "what the risk engine decided",
    person: "user_id",
    time: "decided_at",
    columns: {
      ...ids,
      ...keys,
      session_id: "the session",
      session_key: "the session, as events name it",
      decision_id: "the decision, as events name it",
      anomaly_id: "the anomaly it is about",
      action: "what is to be done",
      decided_at: "when",
      reason: "why",
    },
    withheld: {},
  },
  {
    table: "session_anomaly_verdicts",
    about: "what people found an anomaly to be, every time somebody judged",
    person: "user_id",
    time: "labelled_at",
    columns: {
      ...ids,
      id: "id of the anomaly's row",
      anomaly_id: "the anomaly",
      label: "the verdict",
      note: "why",
      labelled_at: "when",
      actor_type: "who: an administrator",
    },
    withheld: { actor_id: OF_STAFF },
  },
  {
    table: "session_security_events",
    about: "what security staff is told of you",
    person: "user_id",
    time: "occurred_at",
    columns: {
      ...ids,
      ...keys,
      session_id: "the session",
      session_key: "the session, as events name it",
      kind: "what happened",
      severity: "how bad",
      source: "which service found it",
      origin_id: "the anomaly or record it came from",
      evidence: "the facts",
      occurred_at: "when",
      recorded_at: "when it was written",
      retracted_at: "when it was withdrawn",
    },
    withheld: {},
  },
];

/** What geo keeps; it has a row a person where nothing else tells rows apart. */
const ofPlaces: readonly ExportedTable[] = [
  {
    table: "molam_user_geo_prefs",
    about: "what you consent to and prefer",
    person: "user_id",
    time: "updated_at",
    key: "user_id",
    columns: {
      ...ofPerson,
      gps_opt_in: "whether your positions may be kept",
      precision_level: "how finely others may know where you are: characters of a geohash",
      preferred_country: "your country; null: where you are",
      preferred_currency: "your currency; null: your country's",
      preferred_locale: "your language; null: your country's",
      preferred_timezone: "your time zone; null: where you are",
      home_country: "where you are at home",
      updated_at: "when this was last changed",
    },
    withheld: {},
  },
  {
    table: "molam_geo_last_context",
    about: "where you were last, as finely as you allowed then",
    person: "user_id",
    time: "captured_at",
    key: "user_id",
    columns: {
      ...ofPerson,
      source: "what told it: position, SIM, address",
      ...place,
      timezone: "time zone there",
      is_vpn: "whether the address was a VPN's",
      is_mobile: "whether you were on a mobile network",
      carrier: "whose",
      captured_at: "when",
    },
    withheld: {},
  },
  {
    table: "molam_geo_events",
    about: "what happened to your places",
    person: "user_id",
    time: "occurred_at",
    columns: {
      ...ids,
      event_type: "what happened",
      occurred_at: "when",
      ...place,
      details: "more of it",
    },
    withheld: {},
  },
  {
    table: "molam_gps_ephemeral",
    about: "positions of the last day; GET /v1/geo/positions opens them for you",
    person: "user_id",
    time: "stored_at",
    columns: { ...ids, stored_at: "when it was stored", expires_at: "when it goes" },
    withheld: { wrapped_key: SEALED, sealed: SEALED },
  },
  {
    table: "ussd_links",
    about: "phones that are yours",
    person: "user_id",
    time: "linked_at",
    columns: {
      ...ids,
      ...keys,
      country_code: "country of the number",
      language: "language of its menus",
      linked_at: "since when it is yours",
      sim_changed_at: "when it got another SIM",
    },
    withheld: { phone_hash: SEALED, key_id: INNER, sealed_phone: SEALED, dialogue: INNER },
  },
  {
    table: "ussd_pins",
    about: "your PIN",
    person: "user_id",
    time: "set_at",
    key: "user_id",
    columns: {
      ...ofPerson,
      set_at: "when it was set",
      tries: "wrong tries since it was last right",
      locks: "how often it was locked since then",
      locked_until: "until when it is locked",
    },
    withheld: { sealed_hash: "a secret" },
  },
  {
    table: "ussd_reset_codes",
    about: "the code by which your phone may set another PIN",
    person: "user_id",
    time: "expires_at",
    key: "user_id",
    columns: { ...ofPerson, expires_at: "until when it is good", tries: "wrong tries" },
    withheld: { code_hash: "a secret" },
  },
];

/** PRV-05, PRV-14: every table that holds rows of a person. */
export const exportedTables: readonly ExportedTable[] = [...ofSessions, ...ofPlaces];

/** Tables with rows of a person that are told of below, not row by row: of the audit. */
export const tablesOfElsewhere: readonly string[] = ["audit_subjects"];

/** What is held outside of these tables. */
export const heldElsewhere = [
  "Events that you or your apps cause are kept 7 days on their way through the platform, anomalies 30 days and revocations 31 days. What they say is told above.",
  "The audit has a sealed entry for each privileged action that concerns you, readable by auditors alone. Ask the data protection officer for yours.",
] as const;
