"""The command line: one command a file, loaded when it is called.  Results go to stdout, everything else to stderr."""
