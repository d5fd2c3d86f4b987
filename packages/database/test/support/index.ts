export { TestDatabase } from "./test-database.ts";
export { seedCluster } from "./seeded-cluster.ts";
