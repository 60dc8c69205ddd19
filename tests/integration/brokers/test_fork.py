"""A process that forks while its client is connected."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.brokers.broker_process import BrokerProcess

SCRIPT = """
import asyncio, os, sys
from pubsub_client import MqttOverWebSocket, PubSub

def in_child(call):
    try:
        asyncio.run(call)
    except Exception as error:
        print(type(error).__name__, flush=True)

async def connect():
    await PubSub(MqttOverWebSocket(sys.argv[1])).connect()

loop = asyncio.new_event_loop()
pubsub = PubSub(MqttOverWebSocket(sys.argv[1]))
loop.run_until_complete(pubsub.connect())
child = os.fork()
if not child:
    in_child(pubsub.publish("t", "from the child"))
    in_child(connect())
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
loop.run_until_complete(pubsub.publish("t", "from the parent"))
loop.run_until_complete(pubsub.close())
loop.close()
print("the parent has published")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_child_process_gets_an_error_and_its_parent_continues(mosquitto_process: BrokerProcess) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", SCRIPT, mosquitto_process.url()]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert output.splitlines() == ["ProcessForked", "ProcessForked", "the parent has published"]
