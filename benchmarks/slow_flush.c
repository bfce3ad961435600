/* License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
 *
 * A disk whose flush takes longer: preloaded into PostgreSQL, each fsync and fdatasync
 * waits before it does its work. All processes map SLOW_FLUSH_FILE, two numbers: how
 * many microseconds, which may change while the server runs, and how often fdatasync was
 * called, by which PostgreSQL flushes its log.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int64_t *numbers;

__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("SLOW_FLUSH_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *page;

    if (fd < 0)
        return;
    page = mmap(NULL, 2 * sizeof *numbers, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        numbers = page;
}

static void wait_for_disk(void)
{
    if (numbers && numbers[0] > 0)
        usleep((useconds_t)numbers[0]);
}

int fsync(int fd)
{
    wait_for_disk();
    return syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    if (numbers)
        __sync_fetch_and_add(&numbers[1], 1);
    wait_for_disk();
    return syscall(SYS_fdatasync, fd);
}
