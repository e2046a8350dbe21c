/* seal: starts the command of an app in a way that nothing but files leads into it or out of it.
 *
 *   seal [--file-size=BYTES] [--core-size=BYTES] -- COMMAND [ARGUMENT...]
 *   seal --check
 *
 * COMMAND is looked up in PATH, and replaces this process: it has the same process id, environment and folder.
 * It and all that it starts:
 *
 *   - have no socket but those of AF_UNIX: no network, no loopback, no netlink, no vsock;
 *   - have no io_uring, which makes sockets without socket();
 *   - have no system call of another architecture (the process is killed), of x32, or newer than this filter knows;
 *   - read neither the memory nor the files of other processes, and keep nothing in the kernel's key rings, which
 *     containers of one user share on a node;
 *   - gain no rights (no_new_privs), and inherit no file but standard input, output and error.
 *
 * --file-size=BYTES  no file grows beyond it (RLIMIT_FSIZE). Absent: as it was.
 * --core-size=BYTES  no core dump is larger (RLIMIT_CORE). Absent: as it was.
 * --check            seals this process alone, tries what must fail and what must not, and ends.
 *
 * Exit codes: that of COMMAND; of --check, 0 where it can seal; 64 for wrong arguments; 65 where it cannot seal, with
 * "CannotSeal: ..." on standard error, and COMMAND was not started; 126 and 127, as a shell has them, where COMMAND
 * cannot be executed, or is not there. An app can end with 65 and say the same: who has to know for certain runs
 * --check in a container of its own on the same node.
 *
 * Linux 5.9 or newer, x86_64 or aarch64.
 */
#define _GNU_SOURCE
#include <asm/unistd.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WRONG_ARGUMENTS = 64, CANNOT_SEAL = 65, NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "only x86_64 and aarch64 have a filter"
#endif

/* The last system call that was weighed for this filter (Linux 6.17). A newer one does not exist for the app, and
 * neither does x32, whose numbers begin at 0x40000000. */
#define NEWEST __NR_file_setattr

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define SKIP_UNLESS(test, value, count) BPF_JUMP(BPF_JMP | (test) | BPF_K, (value), 0, (count))
#define REFUSE(call) SKIP_UNLESS(BPF_JEQ, __NR_##call, 1), RETURN(SECCOMP_RET_ERRNO | EPERM)
/* The kernel reads the family as an int, so the lower half of the argument is all of it. */
#define UNIX_ALONE(call) \
    SKIP_UNLESS(BPF_JEQ, __NR_##call, 4), LOAD(args[0]), SKIP_UNLESS(BPF_JEQ, AF_UNIX, 1), \
        RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ERRNO | EPERM)

/* In a section of its own: tests read it out of the binaries of both architectures, and interpret it. */
__attribute__((section("seal_filter"), used, aligned(8))) static const struct sock_filter filter[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    SKIP_UNLESS(BPF_JGT, NEWEST, 1),
    RETURN(SECCOMP_RET_ERRNO | ENOSYS),
    /* the network */
    UNIX_ALONE(socket),
    UNIX_ALONE(socketpair),
    REFUSE(io_uring_setup),
    REFUSE(io_uring_enter),
    REFUSE(io_uring_register),
    /* memory and files of others */
    REFUSE(ptrace),
    REFUSE(process_vm_readv),
    REFUSE(process_vm_writev),
    REFUSE(process_madvise),
    REFUSE(pidfd_getfd),
    REFUSE(kcmp),
    REFUSE(open_by_handle_at),
    /* what outlives a container, or reaches further than one */
    REFUSE(add_key),
    REFUSE(request_key),
    REFUSE(keyctl),
    REFUSE(bpf),
    REFUSE(perf_event_open),
    RETURN(SECCOMP_RET_ALLOW),
};

static _Noreturn void cannot_seal(const char *what, int error) {
    dprintf(STDERR_FILENO, "CannotSeal: %s%s%s. A node that seals has Linux 5.9 or newer, and a container runtime "
            "whose profile lets a process add a seccomp filter.\n",
            what, error ? ": " : "", error ? strerror(error) : "");
    _exit(CANNOT_SEAL);
}

static _Noreturn void wrong_arguments(const char *what) {
    dprintf(STDERR_FILENO, "seal: %s\nusage: seal [--file-size=BYTES] [--core-size=BYTES] -- COMMAND [ARGUMENT...]\n"
            "       seal --check\n", what);
    _exit(WRONG_ARGUMENTS);
}

static const char *value_of(const char *word, const char *option) {
    return strncmp(word, option, strlen(option)) ? NULL : word + strlen(option);
}

static rlim_t bytes(const char *text) {
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno) wrong_arguments("a size is a whole number of bytes");
    return value;
}

/* A limit can be lowered by anybody. One that is lower already stays. */
static void limit(int resource, rlim_t value) {
    struct rlimit now;
    if (getrlimit(resource, &now)) cannot_seal("a limit cannot be read", errno);
    if (value > now.rlim_max) value = now.rlim_max;
    if (setrlimit(resource, &(struct rlimit){value, value})) cannot_seal("a limit cannot be set", errno);
}

static void close_files(void) {
    if (syscall(__NR_close_range, STDERR_FILENO + 1, ~0U, 0)) cannot_seal("inherited files cannot be closed", errno);
    for (int file = 0; file <= STDERR_FILENO; file++) {
        int family;
        socklen_t size = sizeof family;
        if (!getsockopt(file, SOL_SOCKET, SO_DOMAIN, &family, &size) && family != AF_UNIX)
            cannot_seal("standard input, output or error is a network connection", 0);
    }
}

static void add_filter(void) {
    const struct sock_fprog program = {sizeof filter / sizeof *filter, (struct sock_filter *)filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) cannot_seal("no_new_privs cannot be set", errno);
    if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) cannot_seal("no filter can be added", errno);
}

/* A sandbox or an emulator may take a filter, and never ask it. */
static void try_filter(void) {
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM) cannot_seal("a network socket is not refused", 0);
    if (syscall(__NR_io_uring_setup, 1, NULL) >= 0 || errno != EPERM) cannot_seal("io_uring is not refused", 0);
    if (syscall(NEWEST + 1) >= 0 || errno != ENOSYS) cannot_seal("a newer system call is not refused", 0);
    const int allowed = socket(AF_UNIX, SOCK_STREAM, 0);
    if (allowed < 0) cannot_seal("a local socket is refused", errno);
    close(allowed);
}

static void seal(void) {
    close_files();
    add_filter();
    try_filter();
}

int main(int count, char **words) {
    if (count == 2 && !strcmp(words[1], "--check")) {
        seal();
        return 0;
    }
    int at = 1;
    for (; at < count && strcmp(words[at], "--"); at++) {
        const char *file_size = value_of(words[at], "--file-size="), *core_size = value_of(words[at], "--core-size=");
        if (file_size) limit(RLIMIT_FSIZE, bytes(file_size));
        else if (core_size) limit(RLIMIT_CORE, bytes(core_size));
        else wrong_arguments("an option is not known");
    }
    if (at + 1 >= count) wrong_arguments("there is no command");
    seal();
    execvp(words[at + 1], words + at + 1);
    const int error = errno;
    dprintf(STDERR_FILENO, "seal: %s: %s\n", words[at + 1], strerror(error));
    return error == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
}
