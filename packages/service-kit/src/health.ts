/** A part that a service needs: a server it talks to, or a piece of itself. */
export interface PartReport {
  readonly status: "up" | "down";
  readonly why?: string;
  /** ISO 8601; when it last changed. */
  readonly since: string;
  /** What else it says of itself, whether it is up or down. */
  readonly facts?: Facts;
}

export type Facts = Readonly<Record<string, string | number | null>>;

/** The body of /health. Plain data, so that it passes between threads. */
export interface HealthReport {
  /** healthy: all is well. degraded: works without a part. unhealthy: cannot do its work. */
  readonly status: "healthy" | "degraded" | "unhealthy";
  readonly service: string;
  readonly parts: Readonly<Record<string, PartReport & { readonly needed: boolean }>>;
}

export interface Health {
  /**
   * Says whether a part answers. `why` is for people: no personal data, no addresses of clients.
   * A part named for the first time counts as needed, unless it was declared otherwise.
   */
  set(part: string, up: boolean, why?: string): void;
  /** Names a part before it has said anything; it is down until then. `facts` is asked for each report. */
  declare(part: string, options?: DeclareOptions): void;
  report(): HealthReport;
}

interface DeclareOptions {
  readonly needed?: boolean;
  readonly facts?: () => Facts;
}

interface Held {
  up: boolean;
  why: string | undefined;
  sinceMs: number;
  needed: boolean;
  facts?: (() => Facts) | undefined;
}

export function createHealth(service: string, clock: () => number = Date.now): Health {
  const parts = new Map<string, Held>();
  return {
    declare(part, { needed = true, facts } = {}) {
      parts.set(part, { up: false, why: "not heard of yet", sinceMs: clock(), needed, facts });
    },
    set(part, up, why) {
      const held = parts.get(part);
      if (held === undefined) {
        parts.set(part, { up, why, sinceMs: clock(), needed: true });
        return;
      }
      if (held.up !== up) held.sinceMs = clock();
      held.up = up;
      held.why = why;
    },
    report: () => reportOf(service, parts),
  };
}

function reportOf(service: string, held: ReadonlyMap<string, Held>): HealthReport {
  const parts: Record<string, HealthReport["parts"][string]> = {};
  for (const [name, { up, why, sinceMs, needed, facts }] of held) {
    const since = new Date(sinceMs).toISOString();
    const status = up ? "up" : "down";
    parts[name] = {
      status,
      needed,
      since,
      ...(!up && why !== undefined && { why }),
      ...(facts !== undefined && { facts: facts() }),
    };
  }
  return { status: statusOf(parts), service, parts };
}

function statusOf(parts: HealthReport["parts"]): HealthReport["status"] {
  const down = Object.values(parts).filter((part) => part.status === "down");
  if (down.length === 0) return "healthy";
  return down.some((part) => part.needed) ? "unhealthy" : "degraded";
}

/** One report of several: a part is up when it is up in all that name it. */
export function mergeHealth(service: string, reports: readonly HealthReport[]): HealthReport {
  const parts: Record<string, HealthReport["parts"][string]> = {};
  for (const report of reports) {
    for (const [name, part] of Object.entries(report.parts)) {
      const held = parts[name];
      if (held === undefined || (held.status === "up" && part.status === "down")) {
        parts[name] = part;
      }
    }
  }
  return { status: statusOf(parts), service, parts };
}

export interface HealthAnswer {
  readonly status: number;
  readonly body: object;
}

/**
 * OBS-05, OBS-06. /health and /api/health tell every part; /healthz is readiness, /livez liveness:
 * it answers as long as the process can, since a restart does not bring a broker back. null for
 * another path.
 */
export function healthAnswer(path: string, report: () => HealthReport): HealthAnswer | null {
  if (path === "/livez") return { status: 200, body: { status: "alive" } };
  if (path !== "/health" && path !== "/api/health" && path !== "/healthz") return null;
  const told = report();
  const status = told.status === "unhealthy" ? 503 : 200;
  if (path === "/healthz") {
    const down = Object.entries(told.parts).flatMap(([name, { status }]) =>
      status === "down" ? [name] : [],
    );
    return { status, body: { status: status === 200 ? "ready" : "not ready", down } };
  }
  return { status, body: told };
}

export const healthPaths = ["/health", "/api/health", "/healthz", "/livez"] as const;
