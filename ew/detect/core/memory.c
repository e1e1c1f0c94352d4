/* Memory: rows of state that grow with channels, rates and packets. */
#include <stdlib.h>
#include <string.h>

#include "bank.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

/* Zeros at the begin of a cache line. Large ones on large pages where the system has them: a tick
 * touches a page of each channel's history, and with pages of 4 KiB the lookups of their addresses
 * cost more than what is written there. */
static void *aligned_zeros(size_t bytes)
{
    const size_t large = (size_t)2 << 20, unit = bytes >= large ? large : 64;
    bytes = (bytes + unit - 1) / unit * unit;
    void *memory = aligned_alloc(unit, bytes);
#if defined(MADV_HUGEPAGE)
    if (memory && unit == large) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    if (memory) memset(memory, 0, bytes);
    return memory;
}

/* Move count rows into new memory for room of them; returns 0, or -1 and leaves all as it was. */
static int move_rows(void *rows, int64_t count, int64_t room, size_t size)
{
    void *old = *(void **)rows, *moved = aligned_zeros((size_t)room * size);
    if (!moved) return -1;
    if (count) memcpy(moved, old, (size_t)count * size);
    free(old);
    *(void **)rows = moved;
    return 0;
}

void *with_room(void *rows, int64_t count, int64_t *room, size_t size)
{
    if (count == *room) {
        const int64_t more = most(64, 2 * *room);
        if (move_rows(&rows, count, more, size)) Py_FatalError("ew: out of memory");
        *room = more;
    }
    return rows;
}

int32_t add_channel(struct bank *bank, PyObject *seed_id)
{
    struct channels *channels = &bank->channels;
    const int64_t c = channels->count;
    if (c == channels->room) {
        const int64_t room = most(64, 2 * c);
        if (move_rows(&channels->clock, c, room, sizeof *channels->clock) ||
            move_rows(&channels->filter, c, room, sizeof *channels->filter) ||
            move_rows(&channels->trigger, c, room, sizeof *channels->trigger) ||
            move_rows(&channels->history, c, room, sizeof *channels->history) ||
            move_rows(&channels->tail, c, room, sizeof *channels->tail)) {
            PyErr_NoMemory();
            return -1;
        }
        channels->room = room;
    }
    PyObject *index = PyLong_FromLongLong(c);
    const int failed = !index || PyList_Append(bank->ids, seed_id) ||
        PyDict_SetItem(bank->slot_of, seed_id, index);
    Py_XDECREF(index);
    if (failed) return -1;
    channels->trigger[c].on_at = channels->trigger[c].judged = -1;
    channels->count++;
    return (int32_t)c;
}

int32_t add_rate(struct bank *bank, int64_t hundredths)
{
    struct rate rate = {.hundredths = hundredths};
    PyObject *made = PyObject_CallFunction(bank->rate_of, "d", (double)hundredths / 100);
    if (!made) return -1;
    double *a1 = rate.a1, *a2 = rate.a2;
    const int is_good = PyArg_ParseTuple(made,
        "d(dddd)(dddd)(dddd)(LLLL)(LLLLLLLLL);a rate as rates.py makes it", &rate.gain, &a1[0],
        &a1[1], &a1[2], &a1[3], &a2[0], &a2[1], &a2[2], &a2[3], &rate.sta_keep, &rate.lta_keep,
        &rate.on_level, &rate.off_level, &rate.nsta, &rate.nlta, &rate.dead, &rate.hold,
        &rate.settle, &rate.noise, &rate.before, &rate.wait, &rate.step, &rate.patience,
        &rate.guard, &rate.delay_thousandths, &rate.quiet);
    Py_DECREF(made);
    if (!is_good) return -1;
    if (bank->rate_count == bank->rate_room) {
        const int32_t room = bank->rate_room ? 2 * bank->rate_room : 8;
        if (move_rows(&bank->rates, bank->rate_count, room, sizeof rate)) {
            PyErr_NoMemory();
            return -1;
        }
        bank->rate_room = room;
    }
    bank->rates[bank->rate_count] = rate;
    return bank->last_rate = bank->rate_count++;
}

int make_room(struct bank *bank, int64_t packets)
{
    const int64_t had = bank->room, room = most(64, 2 * packets);
    if (move_rows(&bank->packets, had, room, sizeof *bank->packets) ||
        move_rows(&bank->order, had, room, sizeof *bank->order) ||
        move_rows(&bank->guess, had, room, sizeof *bank->guess) ||
        move_rows(&bank->owners, had, room, sizeof *bank->owners)) {
        PyErr_NoMemory();
        return -1;
    }
    bank->room = room;
    return 0;
}

struct bank *make_bank(void)
{
    struct bank *bank = aligned_zeros(sizeof *bank);
    if (bank && !(bank->lanes = aligned_zeros(sizeof *bank->lanes))) {
        free(bank);
        return NULL;
    }
    for (int lane = 0; bank && lane < LANES; lane++) bank->lanes->rate[lane] = -1;
    return bank;
}

void free_bank(struct bank *bank)
{
    struct channels *channels = &bank->channels;
    void *const rows[] = {channels->clock, channels->filter, channels->trigger, channels->history,
        channels->tail, bank->rates, bank->packets, bank->order, bank->guess, bank->owners,
        bank->candidates, bank->picks, bank->windows, bank->lanes, bank};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) free(rows[k]);
}
