import { once } from "node:events";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import type {
  SessionAnomaly,
  SessionEpoch,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";
import { vi } from "vitest";
import { NOW_MS, type TestEdge } from "../test-edge.ts";
import { STREAM_PATH } from "./live.ts";

/** What tests of streams share: events of acme's u-1, and a client on a real socket. */

export const state = (over: Partial<SessionState> = {}): SessionState => ({
  tenant_id: "acme",
  user_id: "u-1",
  session_id: "s-1",
  version: NOW_MS,
  status: "ACTIVE",
  adopted: false,
  user_type: "EXTERNAL",
  org_id: null,
  roles: ["customer"],
  channel: "MOBILE",
  device_id: "phone-1",
  client: { browser: "Firefox", os: "Android" },
  user_agent: "Firefox",
  login_method: "password",
  ip_prefix: "41.82.0.0/24",
  ip_hash: "c0ffee",
  ip_hash_key_id: "k-1",
  country: "SN",
  city: "Dakar",
  created_at: NOW_MS - 60_000,
  last_seen_at: NOW_MS,
  idle_expires_at: NOW_MS + 1_800_000,
  absolute_expires_at: NOW_MS + 86_400_000,
  step_up_required_at: null,
  ended_at: null,
  end_reason: null,
  risk_score: 45,
  policy_version: 3,
  upstream_session_ref: "upstream-1",
  ...over,
});

export const anomaly = (over: Partial<SessionAnomaly> = {}): SessionAnomaly => ({
  anomaly_id: "a-1",
  tenant_id: "acme",
  user_id: "u-1",
  session_id: "s-1",
  kind: "impossible_travel",
  severity: "HIGH",
  risk_score: 95,
  action: "STEP_UP",
  mode: "ENFORCE",
  occurred_at: NOW_MS,
  detected_at: NOW_MS + 20,
  rule_version: "1",
  policy_version: 3,
  cause_event_ids: ["e-1", "e-2"],
  evidence: { distance_km: "4200" },
  explanation: "Too far.",
  retracts: null,
  ...over,
});

const actor = { type: "ADMIN", id: "admin-7", impersonator_id: null } as const;

export const revocation = (over: Partial<SessionRevoked> = {}): SessionRevoked => ({
  revocation_id: "r-1",
  tenant_id: "acme",
  user_id: "u-1",
  session_id: "s-1",
  device_id: "phone-1",
  channel: "MOBILE",
  revoked_at: NOW_MS,
  session_expires_at: NOW_MS + 86_400_000,
  command_id: "c-1",
  anomaly_id: null,
  epoch_id: null,
  reason: "lost_phone",
  actor,
  ...over,
});

export const epoch = (over: Partial<SessionEpoch> = {}): SessionEpoch => ({
  epoch_id: "e-1",
  tenant_id: "acme",
  scope: "TENANT",
  value: null,
  not_before: NOW_MS,
  reason: "breach",
  actor,
  ...over,
});

export type Message = Readonly<Record<string, unknown>> & { readonly type: string };

export interface Client {
  readonly messages: readonly Message[];
  readonly socket: WebSocket;
  /** Code and reason of the end. */
  readonly ended: Promise<readonly [number, string]>;
  /** Resolves once that many messages have come. */
  told(count: number): Promise<readonly Message[]>;
}

/** A client that has sent `first`, as JSON unless it is text; null: nothing. */
export async function connect(
  edge: TestEdge,
  first: object | string | null,
  headers: Record<string, string> = {},
): Promise<Client> {
  const url = `ws://127.0.0.1:${await portOf(edge)}${STREAM_PATH}`;
  // Node's own client takes headers; browsers' does not, and its type is theirs.
  const socket = new WebSocket(url, { headers } as unknown as string[]);
  const messages: Message[] = [];
  socket.addEventListener("message", ({ data }) => messages.push(JSON.parse(String(data))));
  const ended = new Promise<readonly [number, string]>((resolve) => {
    socket.addEventListener("close", ({ code, reason }) => resolve([code, reason]));
  });
  await once(socket, "open");
  if (first !== null) socket.send(typeof first === "string" ? first : JSON.stringify(first));
  return {
    messages,
    socket,
    ended,
    async told(count) {
      const enough = () => {
        if (messages.length < count) throw new Error(`${messages.length} of ${count} messages`);
      };
      await vi.waitFor(enough, { timeout: 5_000, interval: 5 });
      return messages;
    },
  };
}

export async function portOf({ app }: TestEdge): Promise<number> {
  if (!app.server.listening) await app.listen({ host: "127.0.0.1", port: 0 });
  return (app.server.address() as AddressInfo).port;
}

/** The status of a handshake, 101 if it succeeds. */
export async function handshake(
  edge: TestEdge,
  { path = STREAM_PATH, headers = {} }: { path?: string; headers?: Record<string, string> } = {},
): Promise<number> {
  const asking = request({
    port: await portOf(edge),
    path,
    headers: {
      connection: "upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      ...headers,
    },
  });
  const status = new Promise<number>((resolve, reject) => {
    asking.on("upgrade", (response, socket) => {
      socket.destroy();
      resolve(response.statusCode ?? 0);
    });
    asking.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    asking.on("error", reject);
  });
  asking.end();
  return status;
}
