"""The one PubSub of the program, configured here once; every other module has it from ``get()``."""

import json
import os
from pathlib import Path

from pubsub_client import AwsIot, CognitoSession, PubSub, configure

TOPIC = "messages"

# What `cdk deploy --outputs-file` writes, and `make local`.
_file = Path(os.environ.get("PUBSUB_OUTPUTS", ".local/outputs.json"))
_outputs = json.loads(_file.read_text())["AmplifyPubSub"]

session = CognitoSession.from_outputs(_outputs)
configure(PubSub(AwsIot.from_outputs(_outputs, session)))
