/** What a process of ours needs of the one that tests it: where programs are, and what of them is compiled already. */
export const processEnv: Readonly<Record<string, string>> = Object.fromEntries(
  ["PATH", "NODE_COMPILE_CACHE"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  }),
);
