/* Read packets: a tick's list becomes rows, through CPython's and numpy's C interfaces.
 *
 * No channel's state is changed here: a packet that raises leaves the bank as it was. Each packet's
 * array of samples is held (bank->owners) until the tick has been run, whatever Python code does
 * meanwhile to the list or to a packet.
 */
#define NO_IMPORT_ARRAY
#define PY_ARRAY_UNIQUE_SYMBOL ew_detect_array_api
#define NPY_NO_DEPRECATED_API NPY_1_21_API_VERSION
#include "bank.h"

#include <math.h>
#include <numpy/arrayobject.h>
#include <structmember.h>

static const double MIN_RATE_HZ = 10, MAX_RATE_HZ = 500;
static const int64_t LATEST_NS = INT64_C(4000000000000000000); /* 2096; as far before 1970 */
static const double LONGEST_NS = 1e17;                          /* three years in one packet */

enum { AHEAD = 32 }; /* packets whose fields are fetched before the first of them is read */
enum { SEED_ID, START_NS, SAMPLING_RATE, SAMPLES, FIELDS };

/* New references to a packet's fields; of a Packet by the descriptors of its slots, as getattr. */
static int get_fields(const struct bank *bank, PyObject *packet, PyObject *field[FIELDS])
{
    const int is_plain = (PyObject *)Py_TYPE(packet) == bank->packet_type;
    for (int k = 0; k < FIELDS; k++) {
        field[k] = is_plain && bank->descriptors[k]
            ? PyMember_GetOne((const char *)packet,
                  ((PyMemberDescrObject *)bank->descriptors[k])->d_member)
            : PyObject_GetAttr(packet, bank->names[k]);
        if (!field[k]) {
            while (k--) Py_DECREF(field[k]);
            return -1;
        }
    }
    return 0;
}

/* A value could not be converted: the packet is refused. Any other exception goes on. */
static int is_refusal(void)
{
    PyObject *const kinds[] = {
        PyExc_TypeError, PyExc_ValueError, PyExc_OverflowError, PyExc_MemoryError};
    for (int k = 0; k < 4; k++)
        if (PyErr_ExceptionMatches(kinds[k])) {
            PyErr_Clear();
            return 1;
        }
    return 0;
}

/* These return 1 for good, 0 for refused, -1 with an exception. */
static int read_time(PyObject *number, int64_t *time_ns)
{
    int overflow = 0;
    PyObject *whole = PyLong_Check(number) ? Py_NewRef(number) : PyNumber_Long(number);
    if (!whole) return is_refusal() ? 0 : -1;
    *time_ns = PyLong_AsLongLongAndOverflow(whole, &overflow);
    Py_DECREF(whole);
    return !overflow && *time_ns <= LATEST_NS && *time_ns >= -LATEST_NS;
}

static int read_rate(PyObject *number, double *rate_hz)
{
    *rate_hz = PyFloat_AsDouble(number);
    if (*rate_hz == -1 && PyErr_Occurred()) return is_refusal() ? 0 : -1;
    return *rate_hz >= MIN_RATE_HZ && *rate_hz <= MAX_RATE_HZ;
}

static int type_of(int numpy_type)
{
    switch (numpy_type) {
    case NPY_FLOAT32: return FLOAT32;
    case NPY_FLOAT64: return FLOAT64;
    case NPY_INT32: return INT32;
    default: return -1;
    }
}

/* The samples' memory; *samples is replaced by a copy if it is not contiguous in native order. */
static int read_samples(PyObject **samples, struct packet *row)
{
    if (!PyArray_Check(*samples)) return 0;
    PyArrayObject *array = (PyArrayObject *)*samples;
    const int type = type_of(PyArray_TYPE(array));
    if (type < 0 || PyArray_NDIM(array) != 1) return 0;
    if (!PyArray_IS_C_CONTIGUOUS(array) || !PyArray_ISNOTSWAPPED(array)) {
        PyObject *plain = PyArray_FROM_OTF(
            *samples, PyArray_TYPE(array), NPY_ARRAY_CARRAY_RO | NPY_ARRAY_ENSUREARRAY);
        if (!plain) return is_refusal() ? 0 : -1;
        Py_SETREF(*samples, plain);
        array = (PyArrayObject *)plain;
    }
    row->samples = PyArray_BYTES(array);
    row->length = PyArray_DIM(array, 0);
    row->type = (uint8_t)type;
    return 1;
}

/* The index of a channel, made if it is new; -1 with an exception. */
static int32_t channel_of(struct bank *bank, PyObject *seed_id, int32_t guess)
{
    /* Nearly always packets come in the order of the last tick and with the same string objects */
    if (guess < bank->channels.count && PyList_GET_ITEM(bank->ids, guess) == seed_id) return guess;
    PyObject *known = PyDict_GetItemWithError(bank->slot_of, seed_id);
    if (known) return (int32_t)PyLong_AsLong(known);
    return PyErr_Occurred() ? -1 : add_channel(bank, seed_id);
}

/* The index of the rate's filter and lengths, made if they are new; -1 with an exception. */
static int32_t rate_of(struct bank *bank, double rate_hz)
{
    const int64_t hundredths = (int64_t)rint(rate_hz * 100);
    const int32_t last = bank->last_rate;
    if (last < bank->rate_count && bank->rates[last].hundredths == hundredths) return last;
    for (int32_t k = 0; k < bank->rate_count; k++)
        if (bank->rates[k].hundredths == hundredths) return bank->last_rate = k;
    return add_rate(bank, hundredths);
}

/* One packet's fields into a row: 1 if it is used, 0 if not, -1 with an exception. */
static int read_packet(struct bank *bank, PyObject *field[FIELDS], int64_t place,
    struct packet *row, int *is_repeated)
{
    int status = PyUnicode_Check(field[SEED_ID]);
    if (status > 0 && !PyUnicode_CheckExact(field[SEED_ID])) {
        PyObject *text = PyUnicode_FromObject(field[SEED_ID]);
        if (text) Py_SETREF(field[SEED_ID], text);
        else status = -1;
    }
    if (status > 0) status = read_time(field[START_NS], &row->start_ns);
    if (status > 0) status = read_rate(field[SAMPLING_RATE], &row->rate_hz);
    if (status > 0) status = read_samples(&field[SAMPLES], row);
    if (status > 0) status = (double)row->length * 1e9 / row->rate_hz < LONGEST_NS;
    const int is_used = status > 0 && row->length > 0;
    if (is_used) {
        row->channel = bank->guess[place] = channel_of(bank, field[SEED_ID], bank->guess[place]);
        if (row->channel < 0) status = -1;
    }
    if (is_used && status > 0) {
        struct clock *clock = &bank->channels.clock[row->channel];
        *is_repeated |= clock->tick == bank->tick;
        clock->tick = bank->tick;
        row->place = (int32_t)place;
        row->rate = rate_of(bank, row->rate_hz);
        if (row->rate < 0) status = -1;
        bank->owners[bank->owned++] = Py_NewRef(field[SAMPLES]);
    }
    bank->counts.refused += status == 0;
    return status < 0 ? -1 : status > 0 && is_used;
}

/* The fields of up to AHEAD packets of the list; returns their number, -1 with an exception. */
static int64_t fetch(
    struct bank *bank, PyObject *list, int64_t begin, PyObject *fields[AHEAD][FIELDS])
{
    int64_t count = 0;
    /* The list may change meanwhile: a packet of another type runs code of its own */
    for (; count < AHEAD && begin + count < PyList_GET_SIZE(list); count++) {
        PyObject *packet = Py_NewRef(PyList_GET_ITEM(list, begin + count));
        const int failed = get_fields(bank, packet, fields[count]);
        Py_DECREF(packet);
        if (failed) {
            while (count--)
                for (int k = 0; k < FIELDS; k++) Py_DECREF(fields[count][k]);
            return -1;
        }
        /* What read_packet needs next, for all of them at once */
        PyObject *samples = fields[count][SAMPLES];
        if (PyArray_Check(samples)) __builtin_prefetch(PyArray_DIMS((PyArrayObject *)samples));
        if (begin + count < bank->room)
            __builtin_prefetch(&bank->channels.clock[bank->guess[begin + count]]);
    }
    return count;
}

int64_t read_packets(struct bank *bank, PyObject *list, int *is_repeated)
{
    PyObject *fields[AHEAD][FIELDS];
    int64_t kept = 0, count, begin = 0;
    int status = 0;
    *is_repeated = 0;
    bank->tick++;
    while ((count = fetch(bank, list, begin, fields)) > 0) {
        if (begin + count > bank->room && make_room(bank, begin + count)) status = -1;
        for (int64_t i = 0; i < count; i++) {
            if (status >= 0)
                status = read_packet(bank, fields[i], begin + i, &bank->packets[kept], is_repeated);
            kept += status > 0;
            for (int k = 0; k < FIELDS; k++) Py_DECREF(fields[i][k]);
        }
        if (status < 0) return -1;
        begin += count;
    }
    return count < 0 ? -1 : kept;
}
