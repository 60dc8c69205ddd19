"""Work on every identity, in the steps of a state machine; see stacks/batch_state_machine.py."""
