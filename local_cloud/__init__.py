"""The local cloud: ministack in our own process, with the AWS behaviours that it lacks."""
