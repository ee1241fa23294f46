import type { Pipeline } from "./pipeline.ts";
import { TENANT } from "./pipeline.ts";

/** Whose session it is; a session of a user is s-<user> unless told. */
export interface Who {
  readonly userId: string;
  readonly sessionId?: string;
  readonly tenantId?: string;
}

/** "active", "inactive", or the code of a refusal to answer. Rejects: while the edge does not answer at all. */
export type Introspect = (url: string, who: Who) => Promise<string>;

export interface Introspection {
  readonly introspect: Introspect;
  /** The access token of a person; one and the same for the same session. */
  tokenOf(who: Who): string;
}

/** Asks as an enforcement point does. Tokens are signed once, so that asking is not signing. */
export function createIntrospection(pipeline: Pipeline): Introspection {
  const tokens = new Map<string, string>();
  const once = (name: string, claims: () => object): string => {
    const token = tokens.get(name) ?? pipeline.token({ ...claims() });
    tokens.set(name, token);
    return token;
  };
  const tokenOf = ({ userId, sessionId = `s-${userId}`, tenantId = TENANT }: Who): string =>
    once(`${tenantId}|${userId}|${sessionId}`, () => ({
      sub: userId,
      sid: sessionId,
      tenant_id: tenantId,
      user_type: "EXTERNAL",
    }));
  const asking = (tenantId: string): string =>
    once(tenantId, () => ({ sub: "pay", tenant_id: tenantId, scope: "id:introspect" }));
  return {
    tokenOf,
    async introspect(url, who) {
      const response = await fetch(`${url}/oauth2/introspect`, {
        method: "POST",
        headers: { authorization: `Bearer ${asking(who.tenantId ?? TENANT)}` },
        body: new URLSearchParams({ token: tokenOf(who) }),
      });
      const said = (await response.json()) as {
        readonly active?: boolean;
        readonly code?: string;
      };
      if (said.active === undefined) return said.code ?? `status ${response.status}`;
      return said.active ? "active" : "inactive";
    },
  };
}
