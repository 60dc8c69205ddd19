"""The only PubSub of the program; other modules get it from ``get()``."""

import json
import os
from pathlib import Path

from pubsub_client import AwsIot, CognitoSession, PubSub, configure

TOPIC = "messages"

# The file that `make local` and `cdk deploy --outputs-file` write.
_file = Path(os.environ.get("PUBSUB_OUTPUTS", ".local/outputs.json"))
_outputs = json.loads(_file.read_text())["AmplifyPubSub"]

session = CognitoSession.from_outputs(_outputs)
configure(PubSub(AwsIot.from_outputs(_outputs, session)))
