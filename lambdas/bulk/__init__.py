"""Work on every identity, by the steps of a looping state machine; see stacks/looping_state_machine.py."""
