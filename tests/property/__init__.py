"""Rules that hold for every input: money, shares, tokens, the lifecycle. Hypothesis looks for the counterexample."""
