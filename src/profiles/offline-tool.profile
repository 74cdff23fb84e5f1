# A converter or viewer for one file that may be hostile: no network, a narrow filter, not even the current directory.
# Name what it reads and what it writes; the latter must exist, so make it first:
#   touch out.txt
#   pinfold run --profile offline-tool --ro in.pdf --rw out.txt pdftotext in.pdf out.txt
profile base
seccomp strict
net none
