"""The trigger that ours is measured against."""
