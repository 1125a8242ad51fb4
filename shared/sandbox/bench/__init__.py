"""The benchmark: the fleet's own code beside what the machine can do at all, both in the same round.

Every line runs the product's real path with all its checks on and, right after it, the plain work that nothing can be
faster than (`targets`); only the ratio of the two is a statement, because machines differ. Public, each imported where
it is used: `run.run_bench`, `soak.run_soak`, `counts.count_calls`.
"""
