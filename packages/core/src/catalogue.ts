/** How an error looks to clients: HTTP status, whether a retry can help, and its text. */
export interface ErrorSpec {
  readonly status: number;
  readonly retry: boolean;
  readonly text: string;
}

/** Every error of the platform. Codes are stable: add, never rename. Explained in docs/errors.md. */
export const catalogue = {
  // Programming and configuration
  VIG_INVARIANT: { status: 500, retry: false, text: "an invariant is broken: {what}" },
  VIG_CONFIG_INVALID: { status: 500, retry: false, text: "{count} configuration faults\n{faults}" },

  // Records that cannot be used; they go to the dead-letter topic with their bytes
  VIG_RECORD_NOT_AVRO: {
    status: 422,
    retry: false,
    text: "the value is not Confluent Avro: {why}",
  },
  VIG_RECORD_SCHEMA_UNKNOWN: {
    status: 422,
    retry: false,
    text: "the registry has no schema {schemaId}",
  },
  VIG_RECORD_UNDECODABLE: {
    status: 422,
    retry: false,
    text: "the value does not decode with schema {schemaId}: {why}",
  },
  VIG_RECORD_NULL: {
    status: 422,
    retry: false,
    text: "a null value on a topic that is not compacted",
  },
  VIG_RECORD_TOO_LARGE: {
    status: 422,
    retry: false,
    text: "the value has {bytes} bytes, at most {limitBytes} are taken",
  },
  VIG_RECORD_KEY_MISMATCH: {
    status: 422,
    retry: false,
    text: "the key does not name the tenant and user of the value",
  },
  VIG_EVENT_FIELD_INVALID: { status: 422, retry: false, text: "{path}: {why}" },
  VIG_EVENT_AHEAD: {
    status: 422,
    retry: false,
    text: "event time is {aheadMs} ms ahead of its arrival",
  },
  VIG_EVENT_TOO_OLD: {
    status: 422,
    retry: false,
    text: "event time is {behindMs} ms behind its arrival",
  },
  VIG_PROCESSOR_BUG: {
    status: 500,
    retry: false,
    text: "{processor} threw at {topic}[{partition}]@{offset}: {why}",
  },

  // Kafka and the runtime
  VIG_PRODUCER_FENCED: { status: 503, retry: false, text: "{transactionalId} has a new owner" },
  VIG_WRITE_REFUSED: {
    status: 500,
    retry: false,
    text: "the broker refuses records for {topic}[{partition}]: error {errorCode}",
  },
  VIG_TRANSACTION_ABORTED: {
    status: 503,
    retry: true,
    text: "the transaction of {transactionalId} was not committed: {why}",
  },
  VIG_TRANSACTION_UNKNOWN: {
    status: 503,
    retry: false,
    text: "whether {transactionalId} committed is not known: {why}",
  },
  VIG_COMPRESSION_UNSUPPORTED: {
    status: 500,
    retry: false,
    text: "{topic}[{partition}] at {offset} is compressed by codec {codec}, which is not supported",
  },
  VIG_UNPACKED_TOO_LARGE: {
    status: 500,
    retry: false,
    text: "{topic}[{partition}] at {offset} unpacks to more than {limitBytes} bytes",
  },
  VIG_KAFKA_CLIENT_UNFIT: {
    status: 500,
    retry: false,
    text: "the Kafka client library is not what the repairs were made for: {why}",
  },
  VIG_OFFSET_OUT_OF_RANGE: {
    status: 500,
    retry: false,
    text: "{topic}[{partition}] no longer holds offset {offset}; it begins at {low}",
  },
  VIG_PARTITIONS_DIFFER: {
    status: 500,
    retry: false,
    text: "inputs of {processor} have different partition counts: {counts}",
  },
  VIG_TOPIC_MISSING: {
    status: 500,
    retry: false,
    text: "topic {topic} does not exist; run the provision command",
  },
  VIG_BROKER_AWAY: { status: 503, retry: true, text: "the broker does not answer: {why}" },
  VIG_REGISTRY_AWAY: {
    status: 503,
    retry: true,
    text: "the schema registry does not answer: {why}",
  },
  VIG_SCHEMA_NOT_REGISTERED: {
    status: 500,
    retry: false,
    text: "subject {subject} is not registered; run the provision command",
  },
  VIG_SCHEMA_INCOMPATIBLE: {
    status: 500,
    retry: false,
    text: "the contract of {subject} is not compatible with its earlier versions: {why}",
  },

  VIG_STORE_LOST: {
    status: 500,
    retry: false,
    text: "the local store {directory} was opened by another owner",
  },
  VIG_STORE_WRITE_FAILED: {
    status: 503,
    retry: true,
    text: "the local store {directory} cannot be written: {why}",
  },

  // Detector
  VIG_GEOIP_INVALID: {
    status: 500,
    retry: false,
    text: "{file} cannot be used: {why}",
  },
  VIG_GEOIP_UPDATE_FAILED: {
    status: 503,
    retry: true,
    text: "{edition} was not brought up to date: {why}",
  },

  // Edge
  VIG_BUFFER_FULL: {
    status: 503,
    retry: true,
    text: "too many events wait for the broker; try again later",
  },
  VIG_BODY_INVALID: { status: 400, retry: false, text: "{path}: {why}" },
  VIG_QUERY_INVALID: { status: 400, retry: false, text: "{path}: {why}" },
  VIG_BODY_TOO_LARGE: { status: 413, retry: false, text: "body exceeds {limitBytes} bytes" },
  VIG_MEDIA_TYPE: { status: 415, retry: false, text: "send {types}, uncompressed" },
  VIG_BATCH_TOO_LARGE: {
    status: 413,
    retry: false,
    text: "at most {limit} items a request, got {count}",
  },
  VIG_TOKEN_MISSING: { status: 401, retry: false, text: "a bearer token is required" },
  VIG_TOKEN_INVALID: { status: 401, retry: false, text: "the token is not valid: {why}" },
  VIG_TOKEN_EXPIRED: { status: 401, retry: false, text: "the token has expired" },
  VIG_SCOPE_MISSING: { status: 403, retry: false, text: "scope {scope} is required" },
  VIG_PERSON_ONLY: { status: 403, retry: false, text: "this is for a person's own token" },
  VIG_IMPERSONATED: {
    status: 403,
    retry: false,
    text: "this is for the person alone, not for who acts as them",
  },
  VIG_ID_DOMAIN_ONLY: {
    status: 403,
    retry: false,
    text: "this is for the ID domain only",
  },
  VIG_SESSION_ENDED: { status: 401, retry: false, text: "the session of this token has ended" },
  VIG_SESSION_STATE_UNKNOWN: {
    status: 503,
    retry: true,
    text: "nobody can vouch for the state of the session now: {why}",
  },
  VIG_NOT_FOUND: { status: 404, retry: false, text: "there is no such {what}" },
  VIG_TENANT_MISMATCH: {
    status: 403,
    retry: false,
    text: "the tenant of the {where} is not that of the token",
  },
  VIG_IF_MATCH_MISSING: {
    status: 428,
    retry: false,
    text: "send If-Match with the ETag of what you have read",
  },
  VIG_VERSION_STALE: {
    status: 412,
    retry: false,
    text: "it was changed meanwhile and is of version {version} now",
  },
  VIG_POLICY_INVALID: { status: 422, retry: false, text: "{count} faults; first: {path} {why}" },
  VIG_COUNTRY_INVALID: { status: 422, retry: false, text: "{count} faults; first: {path} {why}" },
  VIG_RATE_LIMITED: {
    status: 429,
    retry: true,
    text: "too many requests; try again in {retryAfterS} s",
  },
  VIG_ORIGIN_REFUSED: { status: 403, retry: false, text: "streams are not for this origin" },
  VIG_STREAMS_TOO_MANY: {
    status: 429,
    retry: true,
    text: "{limit} streams of this caller are open",
  },
  VIG_STREAMS_FULL: { status: 503, retry: true, text: "no more streams are taken" },
  VIG_REQUEST_INVALID: { status: 400, retry: false, text: "the request is not understood: {why}" },
  VIG_USER_MISMATCH: {
    status: 403,
    retry: false,
    text: "this token speaks for its own user only",
  },
  VIG_SESSION_MISMATCH: {
    status: 403,
    retry: false,
    text: "the session of the body is not that of the token",
  },
  VIG_SERVICE_ONLY: {
    status: 403,
    retry: false,
    text: "{type} events are taken from services, not from a person's token",
  },
  VIG_METHOD_NOT_ALLOWED: {
    status: 405,
    retry: false,
    text: "{path} takes {allowed}, not {method}",
  },
  VIG_KEYS_AWAY: {
    status: 503,
    retry: true,
    text: "the keys of the token issuer cannot be fetched",
  },
  VIG_OUTBOUND_REFUSED: { status: 500, retry: false, text: "an outbound call is refused: {why}" },
  VIG_OUTBOUND_AWAY: { status: 503, retry: true, text: "an outbound call failed: {why}" },
  VIG_ROUTE_UNKNOWN: { status: 404, retry: false, text: "no route {method} {path}" },
  VIG_INTERNAL: {
    status: 500,
    retry: true,
    text: "an internal error; the log has it under this request id",
  },

  // Stores
  VIG_DATABASE_UNSET: {
    status: 503,
    retry: true,
    text: "this edge has no database, so it cannot answer that",
  },
  VIG_DATABASE_AWAY: { status: 503, retry: true, text: "PostgreSQL does not answer: {why}" },
  VIG_ROW_REFUSED: { status: 422, retry: false, text: "the database refuses the row: {why}" },
  VIG_SINK_OVERTAKEN: {
    status: 503,
    retry: true,
    text: "another member of {groupId} has written these records",
  },
  VIG_REDIS_AWAY: { status: 503, retry: true, text: "Redis does not answer: {why}" },
  VIG_USSD_REFUSED: {
    status: 403,
    retry: false,
    text: "no USSD provider vouches for this callback",
  },
  VIG_SERVICE_CODE_TAKEN: {
    status: 409,
    retry: false,
    text: "the service code is another tenant's in this country",
  },
  VIG_USSD_BUSY: {
    status: 503,
    retry: true,
    text: "another callback of this USSD session is still being answered",
  },
  VIG_OBJECTS_AWAY: {
    status: 503,
    retry: true,
    text: "files cannot be written or read: {why}",
  },
  VIG_KEYS_FILE_INVALID: { status: 500, retry: false, text: "the keys file is not usable: {why}" },
  VIG_KMS_AWAY: { status: 503, retry: true, text: "KMS does not answer: {why}" },
  VIG_KMS_REFUSED: {
    status: 500,
    retry: false,
    text: "KMS refuses master key {keyId} under {kmsKey}: {why}",
  },
  VIG_CIPHERTEXT_INVALID: { status: 500, retry: false, text: "a ciphertext does not open: {why}" },
  VIG_MIGRATION_CHANGED: {
    status: 500,
    retry: false,
    text: "migration {name} was applied with other content; add a new one instead",
  },
  VIG_KEY_UNKNOWN: { status: 500, retry: false, text: "no key {keyId} of tenant {tenantId}" },
  VIG_AUDIT_WRITE_FAILED: {
    status: 503,
    retry: true,
    text: "an audit record could not be written: {why}",
  },
  VIG_AUDIT_UNRECORDED: {
    status: 500,
    retry: false,
    text: "{route} came to its answer without its audit record",
  },
  VIG_AUDIT_CONFLICT: {
    status: 500,
    retry: false,
    text: "audit event {eventId} came twice with different bytes",
  },
  VIG_AUDIT_GAP: {
    status: 500,
    retry: false,
    text: "audit records {from} to {to} of {emitter} have not come",
  },
  VIG_AUDIT_NOT_PROTECTED: {
    status: 500,
    retry: false,
    text: "the service could change the audit log: {faults}",
  },
  VIG_AUDIT_LEAF_MISSING: { status: 500, retry: false, text: "leaf {index} is not in the log" },
  VIG_AUDIT_LEAF_INVALID: { status: 500, retry: false, text: "a leaf is not readable: {why}" },
  VIG_AUDIT_NOTE_INVALID: { status: 400, retry: false, text: "this is no signed note: {why}" },
  VIG_AUDIT_NOTE_UNTRUSTED: {
    status: 403,
    retry: false,
    text: "no signature of the note can be trusted: {why}",
  },
  VIG_AUDIT_NOT_SIGNED: {
    status: 503,
    retry: true,
    text: "no tree of the audit log has been signed by {by} yet",
  },
  VIG_AUDIT_TABLES_BEHIND: {
    status: 503,
    retry: true,
    text: "what the audit is searched by is being filled: {next} of {size} leaves",
  },
  VIG_EXPORTS_TOO_MANY: {
    status: 429,
    retry: true,
    text: "an export is under way {where}; wait for its end",
  },
  VIG_AUDIT_PROOF_RANGE: { status: 422, retry: false, text: "there is no such proof: {why}" },
  VIG_AUDIT_TREE_BEHIND: {
    status: 503,
    retry: false,
    text: "the tree has {size} leaves, but a checkpoint of {signed} was signed ({where})",
  },
  VIG_AUDIT_FORKED: {
    status: 503,
    retry: false,
    text: "the tree is not the one that was signed at {size} leaves ({where})",
  },
  VIG_AUDIT_FENCE_UNREADABLE: {
    status: 503,
    retry: false,
    text: "the last checkpoint of {where} cannot be trusted: {why}",
  },
  VIG_AUDIT_TILES_UNFIT: {
    status: 500,
    retry: false,
    text: "{where} holds no tiles of this log: {why}",
  },
  VIG_AUDIT_WITNESS_REFUSED: {
    status: 502,
    retry: true,
    text: "witness {witness} does not cosign: {why}",
  },

  // History files and replays of policies
  VIG_ARGUMENT_INVALID: { status: 422, retry: false, text: "{name}: {why}" },
  VIG_HISTORY_EMPTY: { status: 422, retry: false, text: "there is no history in {where}" },
  VIG_HISTORY_TORN: { status: 422, retry: false, text: "{file} is no whole history file: {why}" },
  VIG_HISTORY_KEY: {
    status: 422,
    retry: false,
    text: "{file} does not open with the keys that are here: {why}",
  },
  VIG_HISTORY_MIXED: {
    status: 422,
    retry: false,
    text: "the history of {tenant} has pseudonyms of keys {one} and {other}: its users do not join",
  },
  VIG_HISTORY_OVERLAP: {
    status: 422,
    retry: false,
    text: "{one} and {other} hold the same time",
  },
} as const satisfies Record<`VIG_${string}`, ErrorSpec>;

export type VigCode = keyof typeof catalogue;
