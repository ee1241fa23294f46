import { assert } from "@vigie/core/assert";
import type { Metric, MetricObjectWithValues, MetricValue, Registry } from "prom-client";

/** Seconds; from an answer out of memory to the time after which clients give up. */
const BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Requests of one method, route and status. */
interface Cell {
  readonly labels: Readonly<Record<"method" | "route" | "status", string>>;
  count: number;
  sumS: number;
  /** By the first bound that is not below the time; the last is everything above. */
  readonly buckets: number[];
}

/** Methods as label values: a client must not be able to invent some. */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/**
 * http_requests_total and http_request_seconds (OBS-04, OBS-08). One request is one look-up and three additions: the
 * library's own objects sort and join the labels anew at every call, which shows at thousands of requests a second.
 */
export class RequestMeter {
  /** By route, method and status: their texts are the same objects every time, joined ones would be hashed anew. */
  readonly #byRoute = new Map<string, Map<string, Map<number, Cell>>>();
  readonly #cells: Cell[] = [];

  constructor(registry: Registry) {
    registry.registerMetric(this.#metric("http_requests_total", "HTTP requests", "counter"));
    registry.registerMetric(this.#metric("http_request_seconds", "HTTP request time", "histogram"));
  }

  /** `route`: the pattern, never the path that was called. */
  count(method: string, route: string, status: number, seconds: number): void {
    const cell = this.#cell(METHODS.has(method) ? method : "other", route, status);
    cell.count += 1;
    cell.sumS += seconds;
    let bucket = 0;
    while (bucket < BOUNDS_S.length && seconds > (BOUNDS_S[bucket] ?? 0)) bucket += 1;
    cell.buckets[bucket] = (cell.buckets[bucket] ?? 0) + 1;
  }

  #cell(method: string, route: string, status: number): Cell {
    const byMethod = entry(this.#byRoute, route, () => {
      assert(this.#byRoute.size < ROUTES_MAX, "routes are patterns, not paths");
      return new Map<string, Map<number, Cell>>();
    });
    const byStatus = entry(byMethod, method, () => new Map<number, Cell>());
    return entry(byStatus, status, () => this.#newCell({ method, route, status: String(status) }));
  }

  #newCell(labels: Cell["labels"]): Cell {
    const buckets = Array.from({ length: BOUNDS_S.length + 1 }, () => 0);
    const cell = { labels, count: 0, sumS: 0, buckets };
    this.#cells.push(cell);
    return cell;
  }

  /** What a registry asks of a metric; its type wants a class of the library. */
  #metric(name: string, help: string, type: "counter" | "histogram"): Metric {
    const get = async (): Promise<MetricObjectWithValues<MetricValue<string>>> => {
      const cells = this.#cells;
      const values =
        type === "counter" ? cells.map(total) : cells.flatMap((cell) => times(name, cell));
      return { name, help, type, aggregator: "sum", values } as never;
    };
    return { name, help, type, aggregator: "sum", get, reset: () => this.#reset() } as never;
  }

  #reset(): void {
    this.#byRoute.clear();
    this.#cells.length = 0;
  }
}

/** Of one service. */
const ROUTES_MAX = 2_000;

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

const total = ({ labels, count }: Cell) => ({ labels, value: count });

/** Source: Prometheus exposition format: buckets are cumulative, le is their upper bound. */
function times(name: string, { labels, buckets, count, sumS }: Cell) {
  let below = 0;
  const bounded = BOUNDS_S.map((bound, index) => {
    below += buckets[index] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: below };
  });
  return [
    ...bounded,
    { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: count },
    { metricName: `${name}_sum`, labels, value: sumS },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
