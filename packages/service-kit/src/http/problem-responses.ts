import { problemSchema } from "./problem.ts";

/** The responses of these statuses, for a route's schema. */
export const problems = (...statuses: readonly number[]) =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      { content: { "application/problem+json": { schema: problemSchema } } },
    ]),
  );

/** What every route with a token may answer besides its own. */
export const problemResponses = {
  ...problems(400, 401, 403, 413, 415, 422, 429, 500, 503),
};
