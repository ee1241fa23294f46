import helmet from "helmet";

/**
 * The headers that helmet sets (SEC-06). They are the same for every answer, so helmet is asked once.
 * The policy is that of an API: nothing may be loaded, nothing may frame it. The pages of /docs set their own.
 */
export const securityHeaders: Readonly<Record<string, string>> = askHelmet();

function askHelmet(): Record<string, string> {
  const headers: Record<string, string> = { "cache-control": "no-store" };
  const response = {
    setHeader: (name: string, value: string) => {
      headers[name.toLowerCase()] = value;
    },
    removeHeader: () => {},
  };
  const middleware = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  middleware({} as never, response as never, (error) => {
    if (error !== undefined) throw error;
  });
  return headers;
}
