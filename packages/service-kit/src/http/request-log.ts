import type { Clock } from "@vigie/core/time";

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
  /** Writes what is held back. */
  flush(): void;
}

/** Held back at most this long and this much. Source: one system call for some twenty lines. */
const HOLD_MS = 200;
const HOLD_CHARACTERS = 8_192;

/**
 * One line a request (OBS-10), in the form of the service's other lines. Lines are put together here and given
 * to `write` in blocks: a system call a request would cost more than all else in this package.
 */
export function createRequestLog(options: {
  readonly service: string;
  readonly clock: Clock;
  readonly write: (text: string) => void;
}): RequestLog {
  const { clock, write } = options;
  const service = JSON.stringify(options.service);
  let held = "";
  let timer: NodeJS.Timeout | null = null;
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
  const flush = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (held === "") return;
    const text = held;
    held = "";
    write(text);
  };
  return {
    flush,
    write(line) {
      held += `{"level":"info","time":"${timeText(clock())}","service":${service},${fieldsOf(line)},"event":"request"}\n`;
      if (held.length >= HOLD_CHARACTERS) flush();
      else timer ??= setTimeout(flush, HOLD_MS).unref();
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
