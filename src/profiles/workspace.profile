# The default: a program at work in the current directory.
profile base

# That directory, writable, with git's hooks and settings and their like read-only. Of your git configuration the box has
# what decides about commits (user.*, filter.*, core.excludesFile and the like), so that `git commit` works as outside; the
# rest may hold tokens and keys, so commits are not signed inside.
workspace
ro-try ${XDG_CONFIG_HOME}/git/ignore:~/.config/git/ignore
ro-try ${XDG_CONFIG_HOME}/git/attributes:~/.config/git/attributes

env EMAIL
env GIT_AUTHOR_NAME
env GIT_AUTHOR_EMAIL
env GIT_COMMITTER_NAME
env GIT_COMMITTER_EMAIL
