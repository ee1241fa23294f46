import { VigError } from "@vigie/core/errors";
import { developmentIssuer, signToken } from "../token.ts";

export type EventType = "login" | "heartbeat" | "mfa";

export interface Accepted {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Sends events as a service of the event's own tenant would. */
export interface EdgeClient {
  /** Resolves with the edge's answer. Throws: VIG_INVARIANT unless it is 202. */
  send(type: EventType, event: { readonly tenant_id: string }): Promise<Accepted>;
  /** How many events were accepted, and how long each answer took. */
  readonly answersMs: readonly number[];
}

const SERVICE = "demo-gateway";
const TOKEN_TTL_S = 3_600;

export function openEdge(baseUrl: string): EdgeClient {
  const issuer = developmentIssuer(process.env);
  const tokens = new Map<string, Promise<string>>();
  const answersMs: number[] = [];
  const tokenOf = (tenant: string): Promise<string> => {
    const known = tokens.get(tenant);
    if (known !== undefined) return known;
    const scopes = ["events:write"];
    const fresh = signToken(
      { tenant, user: SERVICE, scopes, roles: [], ttlS: TOKEN_TTL_S },
      issuer,
    );
    tokens.set(tenant, fresh);
    return fresh;
  };
  return {
    answersMs,
    async send(type, event) {
      const authorization = `Bearer ${await tokenOf(event.tenant_id)}`;
      const startedMs = performance.now();
      const response = await fetch(`${baseUrl}/v1/events/${type}`, {
        method: "POST",
        headers: { authorization, "content-type": "application/json" },
        body: JSON.stringify(event),
      });
      const text = await response.text();
      if (response.status !== 202) {
        const what = `the edge takes a ${type} event: ${response.status} ${text}`;
        throw new VigError("VIG_INVARIANT", { what });
      }
      answersMs.push(performance.now() - startedMs);
      return JSON.parse(text) as Accepted;
    },
  };
}
