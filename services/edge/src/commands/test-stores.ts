import {
  addPerson,
  endedRow,
  sessionRow,
  type TestTables,
  testTables,
} from "../inventory/test-tables.ts";
import { bearer } from "../test-edge.ts";
import { type CommandEdge, commandEdge } from "./test-processor.ts";

/** What tests of commands on PostgreSQL share. */

export const TENANT = "molam-sn";
export const ME = { sub: "usr_1", sid: "s-me", user_type: "EXTERNAL", scope: "" };
export const ADMIN = { sub: "admin-1", sid: "s-a", user_type: "INTERNAL", scope: "id:admin" };
export const REVOKE = "/api/id/admin/sessions/revoke";

export interface Call {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly url?: string;
  readonly payload?: object;
  readonly claims?: Record<string, unknown>;
  readonly headers?: Record<string, string>;
}

export async function call(
  { app }: CommandEdge,
  { method = "POST", url = REVOKE, payload, claims = ADMIN, headers }: Call,
) {
  return app.inject({
    method,
    url,
    headers: { ...(await bearer(claims)), ...headers },
    ...(payload !== undefined && { payload }),
  });
}

export interface TestStores extends TestTables {
  edgeOn(overrides?: Parameters<typeof commandEdge>[1]): CommandEdge;
  /** Sessions of two people and of another tenant. */
  addSessions(): Promise<void>;
}

export async function testStores(): Promise<TestStores> {
  const tables = await testTables();
  return {
    ...tables,
    edgeOn: (overrides = {}) => commandEdge({}, { database: tables.edge, ...overrides }),
    addSessions: () => addSessions(tables),
    async clear() {
      await tables.clear();
      await tables.owner.query(
        `truncate epoch_decisions, admin_calls, outbox, session_commands, session_revocations,
         session_revocation_acks`,
      );
    },
  };
}

async function addSessions(tables: TestTables): Promise<void> {
  await addPerson(tables, TENANT, "usr_1", ["d-1"]);
  await addPerson(tables, TENANT, "usr_2", ["d-1", "d-2"]);
  await addPerson(tables, "other", "usr_1", ["d-1"]);
  await tables.insert("user_sessions", [
    sessionRow({ session: "s-1", device: "d-1", row: { org_id: "pay", country: "FR" } }),
    sessionRow({ session: "s-2", row: { session_type: "web", org_id: "pay" } }),
    sessionRow({ user: "usr_2", session: "s-3", device: "d-1", row: { country: "FR" } }),
    sessionRow({
      user: "usr_2",
      session: "s-4",
      device: "d-2",
      row: { session_data: { roles: ["teller"], adopted: false } },
    }),
    endedRow({ session: "s-5", device: "d-1", row: { country: "FR" } }),
    sessionRow({ session: "s-6", lastSeenMs: -7_200_000, row: { country: "FR" } }),
    sessionRow({ tenant: "other", session: "s-7", device: "d-1", row: { country: "FR" } }),
  ]);
}
