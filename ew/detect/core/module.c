/* The Python type Bank: a tick's packets in, rows for picks and trigger windows out.
 *
 * ew/detect/bank.py uses it. */
#define PY_ARRAY_UNIQUE_SYMBOL ew_detect_array_api
#define NPY_NO_DEPRECATED_API NPY_1_21_API_VERSION
#include "bank.h"

#include <math.h>
#include <numpy/arrayobject.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    PyObject_HEAD
    struct bank *bank;
} BankObject;

static void bank_dealloc(BankObject *self)
{
    struct bank *bank = self->bank;
    if (bank) {
        Py_XDECREF(bank->packet_type);
        Py_XDECREF(bank->rate_of);
        Py_XDECREF(bank->slot_of);
        Py_XDECREF(bank->ids);
        for (int k = 0; k < 4; k++) {
            Py_XDECREF(bank->names[k]);
            Py_XDECREF(bank->descriptors[k]);
        }
        free_bank(bank);
    }
    Py_TYPE(self)->tp_free(self);
}

static PyObject *bank_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"packet_type", "rate_of", "lta_s", "min_snr", "max_sparsity", NULL};
    static const char *const fields[] = {"seed_id", "start_ns", "sampling_rate", "samples"};
    PyObject *packet_type, *rate_of;
    double lta_s, min_snr, max_sparsity;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOddd", keywords, &packet_type, &rate_of,
            &lta_s, &min_snr, &max_sparsity))
        return NULL;
    BankObject *self = (BankObject *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    struct bank *bank = self->bank = make_bank();
    if (!bank) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    bank->lta_ns = lta_s * 1e9;
    bank->min_snr = min_snr;
    bank->max_sparsity = max_sparsity;
    bank->packet_type = Py_NewRef(packet_type);
    bank->rate_of = Py_NewRef(rate_of);
    bank->slot_of = PyDict_New();
    bank->ids = PyList_New(0);
    for (int k = 0; k < 4; k++) {
        bank->names[k] = PyUnicode_InternFromString(fields[k]);
        if (!bank->names[k]) break;
        PyObject *descriptor = PyObject_GetAttr(packet_type, bank->names[k]);
        if (descriptor && Py_IS_TYPE(descriptor, &PyMemberDescr_Type))
            bank->descriptors[k] = Py_NewRef(descriptor);
        Py_XDECREF(descriptor);
    }
    if (PyErr_Occurred()) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* ---- Picks and trigger windows as tuples ----------------------------------------------------- */

static PyObject *seed_id_of(const struct bank *bank, int32_t channel)
{
    return PyList_GET_ITEM(bank->ids, channel);
}

/* The arguments of records.Pick. */
static PyObject *pick_row(const struct bank *bank, const struct pick *pick)
{
    return Py_BuildValue("(OLLdLdddd)", seed_id_of(bank, pick->channel), (long long)pick->time_ns,
        (long long)pick->trigger_ns, pick->snr, (long long)pick->decided_ns, pick->period_s,
        pick->amplitude, pick->onset_error_s, pick->noise_ratio);
}

static PyObject *window_row(const struct bank *bank, const struct window *window)
{
    return Py_BuildValue("(OLL)", seed_id_of(bank, window->channel), (long long)window->on_ns,
        (long long)window->off_ns);
}

/* ---- A tick ---------------------------------------------------------------------------------- */

static int ascending(int64_t a, int64_t b) { return (a > b) - (a < b); }

/* Packets of one start stay in the order of the list, which is that of memory. */
static int by_start(const void *a, const void *b)
{
    const struct packet *p = a, *q = b;
    return p->start_ns != q->start_ns ? ascending(p->start_ns, q->start_ns)
                                      : ascending(p->place, q->place);
}

static int by_round(const void *a, const void *b)
{
    const struct packet *p = a, *q = b;
    return p->round != q->round ? ascending(p->round, q->round) : by_start(a, b);
}

/* Where channels have several packets: the first of each channel, then the second of each, ... */
static void sort_in_rounds(struct bank *bank, int64_t count)
{
    struct packet *packets = bank->packets;
    struct trigger *trigger = bank->channels.trigger;
    for (int64_t i = 0; i < count; i++) trigger[packets[i].channel].round = 0;
    qsort(packets, (size_t)count, sizeof *packets, by_start);
    for (int64_t i = 0; i < count; i++)
        packets[i].round = (int32_t)trigger[packets[i].channel].round++;
    qsort(packets, (size_t)count, sizeof *packets, by_round);
}

/* Packets begin to end, at most one of each channel: continuity, then LIMIT samples at a time with
 * the triggers that they complete. */
static void run_round(struct bank *bank, int64_t begin, int64_t end)
{
    int64_t kept = begin, longest = 0;
    for (int64_t p = begin; p < end; p++) {
        if (!check_continuity(bank, &bank->packets[p])) continue;
        longest = most(longest, bank->packets[p].length);
        if (kept != p) bank->packets[kept] = bank->packets[p];
        kept++;
    }
    for (int64_t first = 0; first < longest; first += LIMIT) {
        run_packets(bank, begin, kept, first);
        if (bank->candidate_count) judge_candidates(bank);
    }
}

/* All rounds of a tick. No Python code runs in it. */
static void run_tick(struct bank *bank, int64_t count, int is_repeated)
{
    if (!is_repeated) {
        run_round(bank, 0, count);
        return;
    }
    sort_in_rounds(bank, count);
    for (int64_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count; end++)
            if (bank->packets[end].round != bank->packets[begin].round) break;
        run_round(bank, begin, end);
    }
}

static PyObject *take_rows(struct bank *bank)
{
    PyObject *picks = PyList_New(bank->pick_count), *windows = PyList_New(bank->window_count);
    for (int64_t i = 0; picks && i < bank->pick_count; i++) {
        PyObject *row = pick_row(bank, &bank->picks[i]);
        if (!row) Py_CLEAR(picks);
        else PyList_SET_ITEM(picks, i, row);
    }
    for (int64_t i = 0; windows && i < bank->window_count; i++) {
        PyObject *row = window_row(bank, &bank->windows[i]);
        if (!row) Py_CLEAR(windows);
        else PyList_SET_ITEM(windows, i, row);
    }
    bank->pick_count = bank->window_count = 0;
    if (picks && windows) return Py_BuildValue("(NN)", picks, windows);
    Py_XDECREF(picks);
    Py_XDECREF(windows);
    return NULL;
}

static PyObject *refuse_reentry(void)
{
    return PyErr_Format(PyExc_RuntimeError, "a bank was called from within its own process");
}

PyDoc_STRVAR(process_doc,
    "process(packets: list) -> (picks, windows): run one tick; rows of Pick and Trigger.");
static PyObject *bank_process(BankObject *self, PyObject *packets)
{
    struct bank *bank = self->bank;
    if (!PyList_Check(packets)) return PyErr_Format(PyExc_TypeError, "packets must be a list");
    if (bank->is_busy) return refuse_reentry();
    bank->is_busy = 1;
    int is_repeated = 0;
    const int64_t count = read_packets(bank, packets, &is_repeated);
    if (count >= 0) run_tick(bank, count, is_repeated);
    PyObject *rows = count < 0 ? NULL : take_rows(bank);
    const int64_t owned = bank->owned;
    bank->owned = 0;
    bank->is_busy = 0;
    for (int64_t i = 0; i < owned; i++) Py_DECREF(bank->owners[i]);
    return rows;
}

PyDoc_STRVAR(look_again_doc,
    "look_again(seed_id, trigger_ns, decided_ns, min_snr) -> row of Pick or None: judge a channel "
    "where another was picked.");
static PyObject *bank_look_again(BankObject *self, PyObject *args)
{
    struct bank *bank = self->bank;
    PyObject *seed_id;
    long long trigger_ns, decided_ns;
    double min_snr;
    if (!PyArg_ParseTuple(args, "ULLd", &seed_id, &trigger_ns, &decided_ns, &min_snr)) return NULL;
    if (bank->is_busy) return refuse_reentry();
    PyObject *index = PyDict_GetItemWithError(bank->slot_of, seed_id);
    if (!index) return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    const int32_t c = (int32_t)PyLong_AsLong(index);
    const struct clock *clock = &bank->channels.clock[c];
    const int64_t at = sample_at(clock, trigger_ns), last = sample_at(clock, decided_ns) - 1;
    if (at < 0 || last < at || last >= clock->seen) Py_RETURN_NONE;
    const int64_t before = bank->channels.trigger[c].judged;
    struct candidate candidate = {c, at, last, last};
    struct pick pick;
    const enum verdict verdict = judge(bank, &candidate, min_snr, &pick);
    bank->channels.trigger[c].judged = before; /* its own triggers are judged as before */
    return verdict == PICK ? pick_row(bank, &pick) : Py_NewRef(Py_None);
}

/* ---- What is seen of a bank ------------------------------------------------------------------ */

static PyObject *bank_counts(BankObject *self, PyObject *Py_UNUSED(none))
{
    const struct counts *n = &self->bank->counts;
    return Py_BuildValue("{sLsLsLsLsLsLsLsLsLsLsLsLsLsLsLsLsL}", "packets", n->packets, "samples",
        n->samples, "triggers", n->triggers, "picks", n->verdicts[PICK], "rejected_snr",
        n->verdicts[LOW_SNR], "rejected_glitch", n->verdicts[GLITCH], "rejected_gap",
        n->verdicts[CUT_OFF], "gaps_bridged", n->bridged, "gaps_restarted", n->restarted,
        "overlaps", n->overlaps, "duplicates", n->duplicates, "clock_steps", n->clock_steps,
        "rate_changes", n->rate_changes, "not_finite", n->not_finite, "clipped", n->clipped,
        "dead", n->dead, "refused", n->refused);
}

static PyObject *bank_channels(BankObject *self, PyObject *Py_UNUSED(none))
{
    return PyList_AsTuple(self->bank->ids);
}

PyDoc_STRVAR(state_doc,
    "state(channel: int) -> tuple: the filter's delays, S and L, to test them.");
static PyObject *bank_state(BankObject *self, PyObject *index)
{
    const long long c = PyLong_AsLongLong(index);
    if (c == -1 && PyErr_Occurred()) return NULL;
    if (c < 0 || c >= self->bank->channels.count)
        return PyErr_Format(PyExc_IndexError, "no such channel");
    const double *z = self->bank->channels.filter[c].state;
    return Py_BuildValue(
        "(dddddddddd)", z[0], z[1], z[2], z[3], z[4], z[5], z[6], z[7], z[8], z[9]);
}

static PyMethodDef bank_methods[] = {
    {"process", (PyCFunction)bank_process, METH_O, process_doc},
    {"look_again", (PyCFunction)bank_look_again, METH_VARARGS, look_again_doc},
    {"counts", (PyCFunction)bank_counts, METH_NOARGS,
        "counts() -> dict: what was met so far, by the names of Counters."},
    {"channels", (PyCFunction)bank_channels, METH_NOARGS,
        "channels() -> tuple: the SEED ids met so far."},
    {"state", (PyCFunction)bank_state, METH_O, state_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject BankType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "ew.detect._core.Bank",
    .tp_basicsize = sizeof(BankObject),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc =
        "Bank(packet_type, rate_of, lta_s, min_snr, max_sparsity): the state of all channels.",
    .tp_new = bank_new,
    .tp_dealloc = (destructor)bank_dealloc,
    .tp_methods = bank_methods,
};

PyDoc_STRVAR(choose_doc,
    "choose(name) -> bool: use plain, avx2 or avx512 vectors from now on, if the processor can.");
static PyObject *choose(PyObject *Py_UNUSED(module), PyObject *name)
{
    const char *text = PyUnicode_AsUTF8(name);
    return text ? PyBool_FromLong(choose_vectors(text)) : NULL;
}

static PyObject *vectors(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyUnicode_FromString(vector_name());
}

static PyMethodDef module_methods[] = {
    {"choose", choose, METH_O, choose_doc},
    {"vectors", vectors, METH_NOARGS,
        "vectors() -> str: which are in use; the widest there are, unless chosen."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_core", .m_doc = "The compiled detection core.", .m_size = -1,
    .m_methods = module_methods};

PyMODINIT_FUNC PyInit__core(void)
{
    import_array();
    choose_vectors(NULL);
    PyObject *module = PyModule_Create(&definition);
    const long bytes = sizeof(struct clock) + sizeof(struct filter) + sizeof(struct trigger) +
        sizeof(union kept) * (HISTORY + PADDING + LINE);
    if (!module || PyModule_AddType(module, &BankType) ||
        PyModule_AddIntConstant(module, "HISTORY", HISTORY) ||
        PyModule_AddIntConstant(module, "LIMIT", LIMIT) ||
        PyModule_AddIntConstant(module, "BYTES_PER_CHANNEL", bytes)) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
