# The default: a program at work in the current directory.
profile base
workspace
