"""Bulk work on all identities, in steps of a state machine; see stacks/batch_state_machine.py."""
