import { once } from "node:events";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { sampleAnomaly, sampleEpoch, sampleRevocation, sampleState } from "@vigie/schemas/samples";
import type {
  SessionAnomaly,
  SessionEpoch,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";
import { eventually } from "@vigie/testkit/eventually";
import { NOW_MS, type TestEdge } from "../test-edge.ts";
import { STREAM_PATH } from "./live.ts";

/** What tests of streams share: events of acme's u-1, and a client on a real socket. */

const subject = { tenant_id: "acme", user_id: "u-1" } as const;

export const state = (over: Partial<SessionState> = {}): SessionState =>
  sampleState(NOW_MS, { ...subject, ...over });
export const anomaly = (over: Partial<SessionAnomaly> = {}): SessionAnomaly =>
  sampleAnomaly(NOW_MS, { ...subject, ...over });
export const revocation = (over: Partial<SessionRevoked> = {}): SessionRevoked =>
  sampleRevocation(NOW_MS, { ...subject, ...over });
export const epoch = (over: Partial<SessionEpoch> = {}): SessionEpoch =>
  sampleEpoch(NOW_MS, { tenant_id: subject.tenant_id, ...over });

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
      await eventually(enough);
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
