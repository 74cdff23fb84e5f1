// The limit: the least work that builds a box like the ones that are timed. Nothing is parsed, checked or explained, every
// path is known beforehand, and there is one process more than the program only where a PID namespace needs it.
//
// usage: limit [bare | root] [net] [binds=N from=DIR] -- COMMAND [ARGS...]
//
//   (nothing)  user, mount, PID, IPC, UTS and cgroup namespaces; /usr read-only; new /proc, /dev and /tmp; a PID 1 that waits
//   net        a network namespace too
//   bare       only user and mount namespaces, and /usr
//   root       only user and mount namespaces, and / itself, read-only
//   binds=N    DIR/1 … DIR/N read-only at /b/1 … /b/N
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum shape { FULL, BARE, ROOT };

static long need(const char *what, long result) {
  if (result < 0) {
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    _exit(1);
  }
  return result;
}

static void put(const char *file, const char *text) {
  int fd = need(file, open(file, O_WRONLY | O_CLOEXEC));
  need(file, write(fd, text, strlen(text)));
  close(fd);
}

// A detached copy of the tree (or with `deep` 0 of the one mount) at `path`, with `flags` added.
static int copy_of(const char *path, unsigned deep, unsigned long long flags) {
  int fd = need(path, syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | deep));
  struct mount_attr attributes = {.attr_set = flags};
  need(path, syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | deep, &attributes, sizeof attributes));
  return fd;
}

static int filesystem(const char *type, const char *mode, unsigned flags) {
  int context = need(type, syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
  if (mode) need(type, syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", mode, 0));
  need(type, syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0));
  int fd = need(type, syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, flags));
  close(context);
  return fd;
}

static void mount_at(const char *path, int fd) {
  need(path, syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH));
  close(fd);
}

static void devices(unsigned flags) {
  static const char *const names[] = {"null", "zero", "full", "random", "urandom", "tty"};
  need("dev", mkdir("dev", 0755));
  mount_at("dev", filesystem("tmpfs", "0755", flags));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[32];
    snprintf(path, sizeof path, "/dev/%s", names[i]);
    close(need(path, open(path + 1, O_CREAT | O_WRONLY | O_CLOEXEC, 0444)));
    mount_at(path + 1, copy_of(path, 0, MOUNT_ATTR_NOSUID));
  }
  need("dev/shm", mkdir("dev/shm", 0755));
  need("dev/pts", mkdir("dev/pts", 0755));
  mount_at("dev/pts", filesystem("devpts", "0620", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  need("dev/ptmx", symlink("pts/ptmx", "dev/ptmx"));
  need("dev/fd", symlink("/proc/self/fd", "dev/fd"));
}

static void root(enum shape shape, int binds, const char *from) {
  unsigned safe = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
  int main_tree = copy_of(shape == ROOT ? "/" : "/usr", AT_RECURSIVE, safe | MOUNT_ATTR_RDONLY);
  if (shape == ROOT) {
    mount_at("/tmp", main_tree);
    need("/tmp", chdir("/tmp"));
  } else {
    mount_at("/tmp", filesystem("tmpfs", "0755", safe));
    need("/tmp", chdir("/tmp"));
    need("usr", mkdir("usr", 0755));
    mount_at("usr", main_tree);
    need("lib", symlink("usr/lib", "lib"));
    need("lib64", symlink("usr/lib64", "lib64"));
    need("bin", symlink("usr/bin", "bin"));
    if (binds) need("b", mkdir("b", 0755));
    for (int i = 1; i <= binds; i++) {
      char source[4096], target[32];
      snprintf(source, sizeof source, "%s/%d", from, i);
      snprintf(target, sizeof target, "b/%d", i);
      need(target, mkdir(target, 0755));
      mount_at(target, copy_of(source, AT_RECURSIVE, safe | MOUNT_ATTR_RDONLY));
    }
  }
  if (shape == FULL) {
    need("proc", mkdir("proc", 0755));
    mount_at("proc", filesystem("proc", 0, safe | MOUNT_ATTR_NOEXEC));
    devices(safe);
    need("tmp", mkdir("tmp", 0755));
    mount_at("tmp", filesystem("tmpfs", "0755", safe));
  }
  need("pivot_root", syscall(SYS_pivot_root, ".", "."));
  need("umount", umount2(".", MNT_DETACH));
  need("chdir", chdir("/"));
}

static int code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int wait_for(pid_t pid) {
  int status;
  need("waitpid", waitpid(pid, &status, 0));
  return code_of(status);
}

static void inside(enum shape shape, int binds, const char *from, const char *uids, const char *gids, char **command) {
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", uids);
  put("/proc/self/gid_map", gids);
  root(shape, binds, from);
  need("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  if (shape == FULL) {
    pid_t program = need("vfork", vfork());
    if (program) _exit(wait_for(program));
  }
  execv(command[0], command);
  _exit(127);
}

int main(int argc, char **argv) {
  enum shape shape = FULL;
  unsigned long net = 0;
  int binds = 0, at = 1;
  const char *from = "";
  for (; at < argc && strcmp(argv[at], "--"); at++) {
    if (!strcmp(argv[at], "bare")) shape = BARE;
    if (!strcmp(argv[at], "root")) shape = ROOT;
    if (!strcmp(argv[at], "net")) net = CLONE_NEWNET;
    if (!strncmp(argv[at], "binds=", 6)) binds = atoi(argv[at] + 6);
    if (!strncmp(argv[at], "from=", 5)) from = argv[at] + 5;
  }
  if (++at >= argc) {
    fputs("usage: limit [bare | root] [net] [binds=N from=DIR] -- COMMAND [ARGS...]\n", stderr);
    return 2;
  }
  char uids[64], gids[64];
  snprintf(uids, sizeof uids, "%u %u 1\n", getuid(), getuid());
  snprintf(gids, sizeof gids, "%u %u 1\n", getgid(), getgid());
  unsigned long kinds = CLONE_NEWUSER | CLONE_NEWNS | net;
  if (shape == FULL) kinds |= CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  pid_t child = need("clone", syscall(SYS_clone, kinds | SIGCHLD, 0, 0, 0, 0));
  if (!child) inside(shape, binds, from, uids, gids, argv + at);
  return wait_for(child);
}
