import { createHmac } from "node:crypto";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { UssdCallback } from "../callback.ts";

export type DialogueId = Pick<UssdCallback, "provider" | "sessionId">;

/** Dialogues are named before it is known whose they are, so their key is nobody's in particular. */
const KEY_OF_ALL = "*";

/**
 * What a dialogue keeps in place of what was typed, for that may hold a PIN: a chain of
 * HMAC-SHA-256, one link a step, under a key that the store does not have.
 */
export interface Marks {
  /** Before anything was typed: of one phone in one tenant. */
  readonly first: string;
  /** After `steps` more. */
  after(mark: string, steps: readonly string[]): string;
}

/** The name that a dialogue is kept under. */
export function nameOf(keys: Keys, { provider, sessionId }: DialogueId): string {
  return hmac(keys, "dialogue", [provider, sessionId]);
}

export function marksOf(
  keys: Keys,
  name: string,
  tenantId: string,
  { phone }: UssdCallback,
): Marks {
  return {
    first: hmac(keys, "first", [name, tenantId, phone]),
    after: (mark, steps) => steps.reduce((last, typed) => hmac(keys, "step", [last, typed]), mark),
  };
}

function hmac(keys: Keys, purpose: string, parts: readonly string[]): string {
  const { key } = keys.hmacKey(KEY_OF_ALL);
  const text = JSON.stringify([`ussd.${purpose}`, ...parts]);
  return createHmac("sha256", key).update(text).digest("base64url");
}
