import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { canonicalJson } from "@vigie/core/canonical-json";
import { messageOf, VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { type AuditAction, NO_USER_AGENT, SERIES_CLOSED } from "@vigie/schemas/audit-actions";
import { physicalName } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import type { AuditEvent } from "@vigie/schemas/types";
import { openKafka } from "@vigie/stream/kafka/client";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import { loadConfig, type Parsed } from "./config.ts";
import { kafkaOptions } from "./kafka-config.ts";
import { kafkaConfig, registryConfig } from "./shared-config.ts";

/** What an operator does on the command line. */
export interface OperatorDeed {
  readonly action: AuditAction;
  /** Names no person: nobody's key seals it. */
  readonly payload: Readonly<Record<string, unknown>>;
}

/** The audit of one command: a series of its own on id.audit, closed with it. */
export interface OperatorAudit {
  /** Before the deed. Throws: VIG_AUDIT_WRITE_FAILED; then it must not be done. */
  record(deed: OperatorDeed): Promise<void>;
  /** Closes the series. Throws: VIG_AUDIT_WRITE_FAILED. */
  close(): Promise<void>;
}

type Publish = (key: string, event: AuditEvent) => Promise<unknown>;

/** Records of Vigie itself have no tenant; theirs is named so. */
const PLATFORM_TENANT = "platform";

/** Numbers what is published from 1. `who`: the operator, as `user@host`. */
export function operatorSeries(
  publish: Publish,
  { who, nowMs }: { readonly who: string; readonly nowMs: () => number },
): OperatorAudit {
  const emitter = `operator.${hostname()}.${randomUUID()}`;
  let taken = 0;
  let isWhole = true;
  const record = async ({ action, payload }: OperatorDeed): Promise<void> => {
    taken += 1;
    const event: AuditEvent = {
      event_id: randomUUID(),
      tenant_id: PLATFORM_TENANT,
      occurred_at: nowMs(),
      emitter,
      emitter_seq: taken,
      action,
      actor: { type: "ADMIN", id: who, impersonator_id: null, ip: null, user_agent: NO_USER_AGENT },
      subject_user_id: null,
      is_impersonation: false,
      impersonated_user_id: null,
      payload: canonicalJson(payload),
    };
    await publish(emitter, event).catch((cause: unknown) => {
      isWhole = false;
      throw new VigError("VIG_AUDIT_WRITE_FAILED", { why: messageOf(cause) }, { cause });
    });
  };
  return {
    record,
    async close() {
      // What may be missing is left open, and so found.
      if (taken === 0 || !isWhole) return;
      await record({ action: SERIES_CLOSED, payload: { emitter, records: taken + 1 } });
    },
  };
}

/**
 * The audit of an installation. Nothing stays open when it fails.
 * Throws: VIG_AUDIT_WRITE_FAILED while the registry is away or does not know the contract.
 */
export async function openOperatorAudit(
  config: Parsed<typeof kafkaConfig & typeof registryConfig>,
): Promise<OperatorAudit> {
  const { prefix, ...reach } = kafkaOptions(config);
  const cacheDir = mkdtempSync(join(tmpdir(), "vigie-operator-"));
  const log = silentLogger;
  const codecs = await openCodecs({
    registryUrl: config.SCHEMA_REGISTRY_URL,
    cacheDir,
    prefix,
    log,
  });
  const free = (): void => {
    codecs.close();
    rmSync(cacheDir, { recursive: true, force: true });
  };
  const encoder = codecs.encoder<AuditEvent>("id.audit");
  try {
    await withinLimit(codecs.ready());
  } catch (cause) {
    free();
    throw new VigError("VIG_AUDIT_WRITE_FAILED", { why: messageOf(cause) }, { cause });
  }
  const client = openKafka({ ...reach, clientId: "vigie.operator", log });
  const producer = await openBatchingProducer(client, {});
  const topic = physicalName(prefix, "id.audit");
  const series = operatorSeries(
    (key, event) => producer.publish({ topic, key, value: encoder.encode(event) }),
    { who: `${userInfo().username}@${hostname()}`, nowMs: Date.now },
  );
  return {
    record: (deed) => series.record(deed),
    async close() {
      try {
        await series.close();
      } finally {
        await producer.close();
        free();
      }
    },
  };
}

/** The audit of whichever installation the environment names; null when it names none. */
export async function operatorAuditOf(env: NodeJS.ProcessEnv): Promise<OperatorAudit | null> {
  if (!env.KAFKA_BROKERS) return null;
  return openOperatorAudit(loadConfig({ ...kafkaConfig, ...registryConfig }, { env, argv: [] }));
}

/** For a command of one deed. Throws: VIG_AUDIT_WRITE_FAILED; then it must not be done. */
export async function putDeedOnRecord(
  config: Parsed<typeof kafkaConfig & typeof registryConfig>,
  deed: OperatorDeed,
): Promise<void> {
  const audit = await openOperatorAudit(config);
  try {
    await audit.record(deed);
  } finally {
    await audit.close();
  }
}

/** A registry that is away is waited for without end by services; an operator is told. */
const READY_TIMEOUT_MS = 15_000;

async function withinLimit(ready: Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const why = `the schema registry did not answer within ${READY_TIMEOUT_MS} ms`;
  const timer = setTimeout(() => reject(new Error(why)), READY_TIMEOUT_MS);
  try {
    await Promise.race([ready, late]);
  } finally {
    clearTimeout(timer);
  }
}
