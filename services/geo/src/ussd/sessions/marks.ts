import { createHmac } from "node:crypto";
import type { HmacKey, Keys } from "@vigie/service-kit/kms/keys";
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

/** The keys that a dialogue may have been opened under, newest first: a rotation cuts none in two. */
export const dialogueKeys = (keys: Keys): readonly HmacKey[] => keys.comparableHmacKeys(KEY_OF_ALL);

/** The name that a dialogue is kept under. */
export function nameOf(under: HmacKey, { provider, sessionId }: DialogueId): string {
  return hmac(under, "dialogue", [provider, sessionId]);
}

export function marksOf(
  under: HmacKey,
  name: string,
  tenantId: string,
  { phone }: UssdCallback,
): Marks {
  return {
    first: hmac(under, "first", [name, tenantId, phone]),
    after: (mark, steps) => steps.reduce((last, typed) => hmac(under, "step", [last, typed]), mark),
  };
}

function hmac({ key }: HmacKey, purpose: string, parts: readonly string[]): string {
  const text = JSON.stringify([`ussd.${purpose}`, ...parts]);
  return createHmac("sha256", key).update(text).digest("base64url");
}
