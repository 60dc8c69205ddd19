"""Benchmarks on the embedded cloud: ratios side by side, and a storm of sign-ins. The product never imports this."""
