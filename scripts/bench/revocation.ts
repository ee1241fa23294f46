import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { assert } from "@vigie/core/assert";
import { userKey } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { openCodecs } from "@vigie/schemas/codecs";
import { sampleLogin } from "@vigie/schemas/samples";
import type { LoginEvent } from "@vigie/schemas/types";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import { createIssuer } from "@vigie/testkit/issuer";
import { freePort } from "../lib/ports.mjs";
import type { BenchStack, Installation } from "./bench-stack.ts";
import { percentile } from "./percentiles.ts";
import { startService, until } from "./processes.ts";

export interface RevocationFigures {
  readonly eventsPerSecond: number;
  readonly revocations: number;
  /** Answered 202 because the outcome took longer than an edge waits; none on a machine that can bear the load. */
  readonly pending: number;
  /** From the revoke call to its answer, by one edge. */
  readonly answeredP50Ms: number;
  readonly answeredP99Ms: number;
  /** From that answer to "inactive" from the other edge, which is asked without a pause. */
  readonly deadP50Ms: number;
  readonly deadP99Ms: number;
  readonly deadMaxMs: number;
}

const TENANT = "molam-sn";
/** Source: the objective, "at 1,000 events/s of background load". */
const EVENTS_PER_SECOND = 1_000;
const TURN_MS = 10;
/** Just-in-time compilation and first fetches are over by then. */
const WARM_UP = 50;

/** A session is revoked by one edge while another is asked about it. */
export async function benchRevocation(
  servers: BenchStack,
  count: number,
): Promise<RevocationFigures> {
  const installation = await servers.installation("revocation");
  const issuer = createTokens();
  const services = await startAll(installation, issuer.publicKeyPem);
  const sender = await openSender(servers, installation);
  try {
    const [revoker, asked] = services.urls;
    const users = Array.from({ length: WARM_UP + count }, (_, n) => `revoked-${n}`);
    await Promise.all(users.map(sender.logIn));
    const isActive = (user: string) => introspect(asked, issuer, user);
    for (const user of users) {
      await until(`${user} is active`, async () => ((await isActive(user)) ? true : null));
    }
    const load = sender.startLoad();
    const taken: Taken[] = [];
    try {
      for (const user of users) {
        taken.push(await revokeOne({ user, revoker, issuer, isActive }));
        await pause(TURN_MS);
      }
    } finally {
      await load.stop();
    }
    return figuresOf(taken.slice(WARM_UP), load.perSecond());
  } finally {
    await sender.close();
    await services.stop();
  }
}

interface Turn {
  readonly user: string;
  readonly revoker: string;
  readonly issuer: Tokens;
  isActive(user: string): Promise<boolean>;
}

interface Taken {
  /** Otherwise the answer is 202: it promises nothing yet. */
  readonly isDone: boolean;
  readonly answeredMs: number;
  readonly deadMs: number;
}

async function revokeOne({ user, revoker, issuer, isActive }: Turn): Promise<Taken> {
  const token = issuer.person(user);
  const startMs = performance.now();
  const response = await fetch(`${revoker}/api/id/sessions/s-${user}/revoke`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: "{}",
  });
  const answer = await response.text();
  const answeredAtMs = performance.now();
  assert(response.ok, `the revocation is taken: ${answer}`);
  while (await isActive(user));
  const deadMs = performance.now() - answeredAtMs;
  return { isDone: response.status === 200, answeredMs: answeredAtMs - startMs, deadMs };
}

function figuresOf(taken: readonly Taken[], eventsPerSecond: number): RevocationFigures {
  const done = taken.filter(({ isDone }) => isDone);
  const answered = done.map(({ answeredMs }) => answeredMs);
  const dead = done.map(({ deadMs }) => deadMs);
  return {
    eventsPerSecond,
    revocations: done.length,
    pending: taken.length - done.length,
    answeredP50Ms: percentile(answered, 0.5),
    answeredP99Ms: percentile(answered, 0.99),
    deadP50Ms: percentile(dead, 0.5),
    deadP99Ms: percentile(dead, 0.99),
    deadMaxMs: Math.max(...dead),
  };
}

async function introspect(url: string, issuer: Tokens, user: string): Promise<boolean> {
  const response = await fetch(`${url}/oauth2/introspect`, {
    method: "POST",
    headers: { authorization: `Bearer ${issuer.asking}` },
    body: new URLSearchParams({ token: issuer.person(user) }),
  });
  const said = (await response.json()) as { readonly active?: boolean; readonly code?: string };
  assert(said.active !== undefined, `introspection answers: ${said.code}`);
  return said.active;
}

/** What a session lives through: everything that decides or tells, and two edges. */
async function startAll({ folder, env }: Installation, publicKeyPem: string) {
  const shared = {
    ...env,
    // Without rate limits.
    NODE_ENV: "test",
    HOST: "127.0.0.1",
    JWT_PUBLIC_KEY: publicKeyPem,
  };
  const start = (name: string, log: string, over: Record<string, string> = {}) =>
    startService(name, { ...shared, ...over }, join(folder, log));
  const behind = ["sessions", "session-cache", "session-sink"].map((name) =>
    start(name, `${name}.log`),
  );
  const ports = [await freePort(), await freePort()];
  const edges = ports.map((port, n) =>
    start("edge", `edge-${n}.log`, {
      PORT: String(port),
      VIGIE_STATE_DIR: join(folder, `edge-${n}`),
    }),
  );
  const [one, two] = ports.map((port) => `http://127.0.0.1:${port}`);
  const urls = [one ?? "", two ?? ""] as const;
  const all = [...edges, ...behind];
  for (const url of urls) {
    await until(`${url} is ready`, async () => {
      assert(
        all.every(({ child }) => child.exitCode === null),
        `all services run; see ${folder}`,
      );
      const { ok } = await fetch(`${url}/healthz`).catch(() => ({ ok: false }));
      return ok ? true : null;
    });
  }
  return { urls, stop: () => Promise.all(all.map((service) => service.stop())) };
}

interface Tokens {
  readonly publicKeyPem: string;
  /** Of a subsidiary. */
  readonly asking: string;
  person(user: string): string;
}

function createTokens(): Tokens {
  const { publicKeyPem, token } = createIssuer();
  const signed = (claims: Readonly<Record<string, unknown>>): string =>
    token({ tenant_id: TENANT, ...claims });
  const persons = new Map<string, string>();
  return {
    publicKeyPem,
    asking: signed({ sub: "pay", client_id: "pay", scope: "id:introspect" }),
    person(user) {
      const known = persons.get(user) ?? signed({ sub: user, sid: `s-${user}` });
      persons.set(user, known);
      return known;
    },
  };
}

async function openSender({ client, registryUrl }: BenchStack, { prefix, folder }: Installation) {
  const cacheDir = join(folder, "sender");
  const codecs = await openCodecs({ registryUrl, prefix, cacheDir, log: silentLogger });
  const encoder = codecs.encoder<LoginEvent>("id.login");
  await codecs.ready();
  const producer = await openBatchingProducer(client);
  const startedMs = Date.now();
  async function logIn(user: string): Promise<void> {
    const value = encoder.encode({
      ...sampleLogin,
      tenant_id: TENANT,
      event_id: `${user}-${startedMs}`,
      user_id: user,
      session_id: `s-${user}`,
      occurred_at: Date.now(),
    });
    await producer.publish({ topic: `${prefix}id.login`, key: userKey(TENANT, user), value });
  }
  return {
    logIn,
    /** Logins of ever new users, evenly paced. */
    startLoad() {
      const fromMs = performance.now();
      const sent: Promise<void>[] = [];
      const timer = setInterval(() => {
        const due = ((performance.now() - fromMs) * EVENTS_PER_SECOND) / 1_000;
        while (sent.length < due) sent.push(logIn(`load-${sent.length}`));
      }, TURN_MS);
      let tookMs = 0;
      return {
        /** Resolves when all is acknowledged. */
        async stop() {
          clearInterval(timer);
          tookMs = performance.now() - fromMs;
          await Promise.all(sent);
        },
        perSecond: () => (sent.length * 1_000) / tookMs,
      };
    },
    async close() {
      await producer.close();
      codecs.close();
    },
  };
}
