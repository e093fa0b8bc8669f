"""The command line: one file a verb. Parse, one service call, show, exit code."""
