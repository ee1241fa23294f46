import { countryStoreSuite } from "./country-store.suite.ts";
import { memoryCountries } from "./memory-countries.ts";

countryStoreSuite("memory", async () => memoryCountries());
