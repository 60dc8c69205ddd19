"""What AWS's quotas make of this toolkit at ten thousand, a million and ten million users: docs/scale.md."""
