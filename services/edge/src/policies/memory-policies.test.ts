import { memoryPolicies } from "./memory-policies.ts";
import { policyStoreSuite } from "./policy-store.suite.ts";

policyStoreSuite("memory", () => {
  const store = memoryPolicies();
  return {
    store,
    published: async (tenantId) =>
      store.published.filter(({ key }) => key === tenantId).map(({ value }) => String(value)),
  };
});
