# Compilers and package managers at work in the current directory.
# Toolchains in the home directory are read-only; caches can be used and written to, but what is written is lost: a
# poisoned cache would be executed outside.
profile workspace
seccomp build

ro-try /etc/perl
ro-try /etc/python3
ro-try /opt

ro-try ~/.rustup
ro-try ~/.cargo/bin
ro-try ~/.cargo/config.toml
overlay-try ~/.cargo/registry
overlay-try ~/.cargo/git
ro-try ~/.pyenv
ro-try ~/.nvm
ro-try ~/.volta
ro-try ~/.sdkman
ro-try ~/.local/bin
ro-try ~/.local/lib
ro-try ~/.local/pipx
ro-try ~/go/bin
ro-try ~/.bun/bin
ro-try ~/.deno/bin
ro-try ~/.rbenv
ro-try ~/.asdf
ro-try ~/.local/share/mise/installs
ro-try ~/.local/share/uv/python
overlay-try ~/go/pkg
overlay-try ${XDG_CACHE_HOME}/go-build
overlay-try ${XDG_CACHE_HOME}/pip
overlay-try ${XDG_CACHE_HOME}/uv
overlay-try ${XDG_CACHE_HOME}/ccache
overlay-try ${XDG_CACHE_HOME}/yarn
overlay-try ~/.npm/_cacache
overlay-try ${XDG_DATA_HOME}/pnpm/store
overlay-try ~/.m2/repository
overlay-try ~/.gradle/caches

env CC
env CXX
env CFLAGS
env CXXFLAGS
env CPPFLAGS
env LDFLAGS
env MAKEFLAGS
env PKG_CONFIG_PATH
env RUSTFLAGS
env RUST_BACKTRACE
env RUSTUP_TOOLCHAIN
env RUSTUP_HOME
env CARGO_HOME
env CARGO_TERM_COLOR
env CARGO_BUILD_JOBS
env JAVA_HOME
env GOFLAGS
env NODE_ENV
env PYENV_VERSION
env SOURCE_DATE_EPOCH
