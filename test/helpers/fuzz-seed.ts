/** What the fuzz begins from: another one each time, or that of `POSTHORN_FUZZ_SEED`, which repeats a run (`.ci/run` sets it). */
export const fuzzSeed = Number(process.env.POSTHORN_FUZZ_SEED ?? Date.now() % 2 ** 31);
