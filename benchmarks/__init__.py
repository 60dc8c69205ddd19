"""Benchmarks on the local cloud: ratios side by side, and a storm of sign-ins. The product never imports this."""
