import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { Facts, Outcomes, Performer, Requests } from "../machine/types.ts";
import type { Heard, StepId } from "./converse.ts";
import type { Lifetimes } from "./dialogue-store.ts";

export const LIFETIMES: Lifetimes = { idleMs: 180_000, usedMs: 86_400_000 };

export const testKeys = derivedKeys(
  [{ keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, 1) }],
  () => 1,
);

export const PIN = "8305";
const FACTS: Facts = { language: "fr", link: "l-1", hasPin: true, supportPhone: null };

/** Somebody with a phone whose PIN is 8305, and everything that was done for them. */
export interface Caller {
  /** Position, kind and what was typed, of each request. */
  readonly asked: string[];
  /** Names of the screens that were told of. */
  readonly told: string[];
  /** Awaited before a request is performed. */
  before: (at: StepId) => Promise<void>;
  heard(text: string, over?: Partial<Heard["callback"]>, dialled?: readonly string[]): Heard;
}

export function caller(sessionId: string): Caller {
  const { asked, told }: { asked: string[]; told: string[] } = { asked: [], told: [] };
  const self: Caller = {
    asked,
    told,
    before: async () => {},
    heard: (text, over = {}, dialled = []) => ({
      tenantId: "molam-sn",
      callback: {
        provider: "vigie",
        sessionId,
        serviceCode: "*131#",
        phone: "+221771234567",
        input: { kind: "whole", text },
        ...over,
      },
      dialled,
      facts: async () => FACTS,
      performerAt: (at) => performer(at, self),
      tell: async (at, screen) => {
        told.push(`${at.position} ${screen.name}`);
      },
    }),
  };
  return self;
}

function performer(at: StepId, self: Caller): Performer {
  const done = async <T>(kind: string, typed: string, outcome: T): Promise<T> => {
    await self.before(at);
    self.asked.push(`${at.position} ${kind} ${typed}`.trim());
    return outcome;
  };
  const proven = (isRight: boolean): Outcomes["checkPin"] & Outcomes["checkCode"] =>
    isRight ? { kind: "ok", proven: "a-proven-pin" } : { kind: "wrong", triesLeft: 4 };
  return {
    checkPin: ({ pin }) => done("checkPin", pin, proven(pin === PIN)),
    checkCode: ({ code }) => done("checkCode", code, proven(code === "73910586")),
    markPin: ({ pin }) => done("markPin", pin, { kind: "ok", mark: "a-mark" }),
    setPin: ({ pin }: Requests["setPin"]) => done("setPin", pin, { kind: "ok" }),
    infos: () =>
      done("infos", "", {
        kind: "ok",
        infos: { country: "SN", currency: "XOF", phoneEnding: "67", linkedOn: "2026-01-05" },
      }),
    setLanguage: ({ language }) => done("setLanguage", language, { kind: "ok" }),
    logout: () => done("logout", "", { kind: "ok" }),
  };
}
