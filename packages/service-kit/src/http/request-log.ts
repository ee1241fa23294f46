import type { Clock } from "@vigie/core/time";
import type { LineSink } from "./line-writer.ts";

/** What is said of a request: no address, no user agent, no token, no person. */
export interface RequestLine {
  readonly requestId: string;
  readonly method: string;
  /** The pattern, never the path that was called. */
  readonly route: string;
  readonly status: number;
  readonly ms: number;
  readonly tenant: string | null;
  /** The application; null for a person's token without client_id. */
  readonly client: string | null;
  /** The code of a problem document. */
  readonly code: string | null;
}

export interface RequestLog {
  write(line: RequestLine): void;
  /** Resolves when every line is out. */
  flush(): Promise<void>;
}

/**
 * One line a request (OBS-10), in the form of the service's other lines. They are put together here by hand and
 * gathered by the sink: the service's logger with its search for personal data would cost more than the request.
 */
export function createRequestLog(options: {
  readonly service: string;
  readonly clock: Clock;
  readonly sink: LineSink;
}): RequestLog {
  const { clock, sink } = options;
  const service = JSON.stringify(options.service);
  // A second's lines share the text of its date.
  let secondMs = Number.NaN;
  let secondText = "";
  const timeText = (nowMs: number): string => {
    const startMs = nowMs - (nowMs % 1_000);
    if (startMs !== secondMs) {
      secondMs = startMs;
      secondText = new Date(startMs).toISOString().slice(0, 20);
    }
    return `${secondText}${String(nowMs % 1_000).padStart(3, "0")}Z`;
  };
  return {
    flush: () => sink.flush(),
    write(line) {
      const head = `{"level":"info","time":"${timeText(clock())}","service":${service},`;
      sink.write(`${head}${fieldsOf(line)},"event":"request"}\n`);
    },
  };
}

function fieldsOf({ requestId, method, route, status, ms, tenant, client, code }: RequestLine) {
  const text =
    `"requestId":"${requestId}","method":"${method}","route":${JSON.stringify(route)}` +
    `,"status":${status},"ms":${Math.round(ms * 1_000) / 1_000}`;
  // A tenant id has no character that JSON escapes; a client id may have any.
  const who = tenant === null ? "" : `,"tenant":"${tenant}"`;
  const app = client === null ? "" : `,"client":${JSON.stringify(client)}`;
  return code === null ? `${text}${who}${app}` : `${text}${who}${app},"code":"${code}"`;
}
