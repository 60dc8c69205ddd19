"""What IAM and AWS IoT policies allow a signed-in user, and why not: read, decided, asked of AWS, explained."""
