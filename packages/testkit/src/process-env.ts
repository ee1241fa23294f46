/** What a process of ours needs of the one that tests it: where programs are, and how they are started. */
export const processEnv: Readonly<Record<string, string>> = Object.fromEntries(
  ["PATH", "NODE_COMPILE_CACHE", "MALLOC_ARENA_MAX"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);
