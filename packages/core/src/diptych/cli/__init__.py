"""The command line. Each command is a file, imported when it is called."""
