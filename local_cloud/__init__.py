"""The local cloud, an AWS emulator: ministack with patches for what it lacks."""
