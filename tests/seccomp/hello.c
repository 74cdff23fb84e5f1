/* A thread, a child, and a mount that must be refused. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

static void *thread(void *nothing)
{
	printf("hello ");
	return nothing;
}

int main(void)
{
	pthread_t id;
	if (pthread_create(&id, NULL, thread, NULL) || pthread_join(id, NULL))
		return 1;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		printf("from %d bits\n", (int)(8 * sizeof(void *)));
		return 0;
	}
	if (child < 0 || waitpid(child, NULL, 0) != child)
		return 2;
	if (mount("none", "/tmp", "tmpfs", 0, NULL) == 0)
		return 3;
	printf("mount: %s\n", strerror(errno));
	return 0;
}
