"""Work on every identity, in the steps of a state machine; see stacks/looping_state_machine.py."""
