/* Compiled loops of location: the misfit of trial hypocentres, displacement and S onsets from waveforms. The formulas,
 * shapes and constants stand in twin.py, which does the same in NumPy.
 */
#include "../arrays.h"

#include <math.h>
#include <string.h>

static double least(double a, double b) { return a < b ? a : b; }
static double most(double a, double b) { return a > b ? a : b; }
static npy_intp earlier(npy_intp a, npy_intp b) { return a < b ? a : b; }
static npy_intp later(npy_intp a, npy_intp b) { return a > b ? a : b; }

/* ---- Misfit ---------------------------------------------------------------------------------------------------- */

/* The constants of twin.py, in their order there. */
struct model {
    double scale_s, scale_share, decay, amplitude_scale, amplitude_weight, first_is_s, near_power, nearest_km;
    double silent_delay_s, silent_ramp_s, silent_cost, silent_spread, silent_fainter;
    double no_s_yet, no_s_delay_s, no_s_ramp_s, no_s_cost, log10_e, cost_steps, cost_up_to, p_km_per_s;
};

enum { P, S };
enum { X, Y, Z, TIME, WEIGHT, SIZE, IS_S };              /* columns of picks */
enum { WIDTH = 5, THRESHOLD = 4, TRUST = 5 };            /* of seconds, and of silent */

struct misfit {
    struct model model;
    const double *costs[2];                              /* -log((1 - e) exp(-x) + e) of a first pick and of S, tabulated */
    npy_intp cost_count;
    const double *tables[2];                             /* P and S times, a row each km of depth, a column each of distance */
    npy_intp depths, distances;
    double radius_km;
    const double *picks, *seconds, *silent;
    npy_intp pick_count, second_count, silent_count;
    double *room;                                        /* 6 rows of pick_count, then one for seconds and one for silent */
    npy_intp *order;                                     /* 2 rows of pick_count */
};

static double cost_of(const struct misfit *m, int phase, double x)
{
    const double u = least(x, m->model.cost_up_to) * m->model.cost_steps;
    const npy_intp k = (npy_intp)u;
    if (!(u >= 0) || k + 1 >= m->cost_count) return m->costs[phase][m->cost_count - 1];
    return m->costs[phase][k] + (u - (double)k) * (m->costs[phase][k + 1] - m->costs[phase][k]);
}

/* Bilinear look-up at a depth of row + part km and a distance of arc km; beyond the table the last slope. */
static double travel_s(const struct misfit *m, int phase, npy_intp row, double part, double arc)
{
    const npy_intp column = arc < (double)(m->distances - 2) ? (npy_intp)arc : m->distances - 2;
    const double u = arc - (double)column, *upper = m->tables[phase] + row * m->distances + column;
    const double *lower = upper + m->distances;
    return (upper[0] * (1 - u) + upper[1] * u) * (1 - part) + (lower[0] * (1 - u) + lower[1] * u) * part;
}

/* Distances along the surface from one place to many rows (see ew.geo.arc_km). */
static void arcs_km(const double *node, const double *rows, npy_intp count, npy_intp columns, double radius_km, double *arcs)
{
    const double shrink = 1 / (4 * radius_km * radius_km);
    for (npy_intp i = 0; i < count; i++) {
        const double *to = rows + i * columns;
        const double dx = node[0] - to[0], dy = node[1] - to[1], dz = node[2] - to[2];
        const double c2 = dx * dx + dy * dy + dz * dz, t = c2 * shrink;
        arcs[i] = sqrt(c2) * (1 + t * (1.0 / 6 + t * (3.0 / 40 + t * (15.0 / 336))));
    }
}

/* Weighted median by insertion sort. order is a permutation to begin with and the sorted one in the end: that of a
 * neighbouring trial is almost right. */
static double weighted_median(const double *values, const double *weights, npy_intp count, npy_intp *order)
{
    double total = 0, passed = 0;
    for (npy_intp i = 0; i < count; i++) {
        const npy_intp at = order[i];
        npy_intp j = i;
        total += weights[at];
        for (; j > 0 && values[order[j - 1]] > values[at]; j--) order[j] = order[j - 1];
        order[j] = at;
    }
    for (npy_intp i = 0; i < count; i++) {
        passed += weights[order[i]];
        if (passed >= total / 2) return values[order[i]];
    }
    return values[order[count - 1]];
}

/* What a first pick costs: the event's P, its S (the P was missed), or neither. */
static double first_cost(const struct misfit *m, double late_s, double p_s, double s_s, double off)
{
    const struct model *c = &m->model;
    const double cost = cost_of(m, P, fabs(late_s) / (c->scale_s + c->scale_share * p_s) + off);
    const double x = fabs(late_s - s_s + p_s) / (2 * (c->scale_s + c->scale_share * s_s));
    return x < 3 ? -log(exp(-cost) + c->first_is_s * exp(-x)) : cost;
}

/* What the second picks of stations cost, read as S, and S that must have been seen by now and was not. */
static double second_cost(const struct misfit *m, const double *arcs, npy_intp row, double part, double t0)
{
    const struct model *c = &m->model;
    double total = 0;
    for (npy_intp i = 0; i < m->second_count; i++) {
        const double *second = m->seconds + 6 * i, s_s = travel_s(m, S, row, part, arcs[i]);
        if (second[WIDTH] == c->no_s_yet) {
            const double late = second[TIME] - t0 - s_s - c->no_s_delay_s;
            total += c->no_s_cost * second[WEIGHT] * least(most(late / c->no_s_ramp_s, 0), 1);
        } else {
            const double scale = second[WIDTH] * (c->scale_s + c->scale_share * s_s);
            total += second[WEIGHT] * cost_of(m, S, fabs(second[TIME] - t0 - s_s) / scale);
        }
    }
    return total;
}

/* What stations cost that must have seen P by now, and seen it well, and have no pick. */
static double silence_cost(const struct misfit *m, const double *arcs, npy_intp row, double part, double t0, double size)
{
    const struct model *c = &m->model;
    const double depth = (double)row + part;
    double total = 0;
    for (npy_intp i = 0; i < m->silent_count; i++) {
        const double *silent = m->silent + 6 * i;
        double late = silent[TIME] - t0 - c->silent_delay_s;
        if (!(late > 0 && arcs[i] < c->p_km_per_s * late + 1)) continue; /* no travel time is shorter than this */
        late -= travel_s(m, P, row, part, arcs[i]);
        if (!(late > 0)) continue;
        const double square = most(arcs[i] * arcs[i] + depth * depth, 25);
        const double clear = size - c->decay / 2 * c->log10_e * log(square) - silent[THRESHOLD];
        const double seen = least(most(0.5 - c->silent_fainter + clear / (2 * c->silent_spread), 0), 1);
        total += c->silent_cost * silent[TRUST] * seen * least(1, late / c->silent_ramp_s);
    }
    return total;
}

/* The misfit and the origin time of one trial. arcs: of picks, seconds and silent. No cost of seconds and silent is
 * below 0, so that a sum beyond ``bound`` stays beyond it and need not be completed. */
static double misfit_of(
    const struct misfit *m, double depth, double prior, const double *arcs, const double *second_arcs,
    const double *silent_arcs, double bound, double *origin)
{
    const struct model *c = &m->model;
    const npy_intp n = m->pick_count, row = earlier((npy_intp)depth, m->depths - 2);
    const double part = depth - (double)row;
    double *travel = m->room + n, *values = travel + n, *sizes = values + n, *weights = sizes + n, *trust = weights + n;
    double nearest = INFINITY;
    for (npy_intp i = 0; i < n; i++) {
        const double *pick = m->picks + 7 * i;
        travel[i] = travel_s(m, pick[IS_S] > 0 ? S : P, row, part, arcs[i]);
        values[i] = pick[TIME] - travel[i];
        weights[i] = pick[WEIGHT];
        trust[i] = isfinite(pick[SIZE]) ? pick[WEIGHT] : 0;
        if (trust[i] > 0)
            sizes[i] = pick[SIZE] + c->decay / 2 * c->log10_e * log(most(arcs[i] * arcs[i] + depth * depth, 25));
        nearest = least(nearest, arcs[i]);
    }
    const double t0 = weighted_median(values, weights, n, m->order);
    const double size = weighted_median(sizes, trust, n, m->order + n);
    const double square = most(nearest * nearest + depth * depth, c->nearest_km * c->nearest_km);
    double total = prior + c->near_power / 2 * log(square);
    for (npy_intp i = 0; i < n; i++) {
        const double *pick = m->picks + 7 * i;
        const double off = c->amplitude_weight * (trust[i] > 0 ? fabs(sizes[i] - size) / c->amplitude_scale : 0);
        if (pick[IS_S] > 0) {
            const double scale = c->scale_s + c->scale_share * travel[i];
            total += weights[i] * cost_of(m, P, fabs(values[i] - t0) / scale + off);
        } else {
            total += weights[i] * first_cost(m, values[i] - t0, travel[i], travel_s(m, S, row, part, arcs[i]), off);
        }
    }
    *origin = t0;
    if (total > bound) return total;
    total += second_cost(m, second_arcs, row, part, t0);
    return total > bound ? total : total + silence_cost(m, silent_arcs, row, part, t0, size);
}

static PyObject *misfit_grid(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *in[7], *costs[2], *out[2];
    struct misfit m = {0};
    struct model *c = &m.model;
    double beyond, best = INFINITY;
    if (!PyArg_ParseTuple(args, "(ddddddddddddddddddddd)OOOOOOdOOOdOO", &c->scale_s, &c->scale_share, &c->decay,
            &c->amplitude_scale, &c->amplitude_weight, &c->first_is_s, &c->near_power, &c->nearest_km, &c->silent_delay_s,
            &c->silent_ramp_s, &c->silent_cost, &c->silent_spread, &c->silent_fainter, &c->no_s_yet, &c->no_s_delay_s,
            &c->no_s_ramp_s, &c->no_s_cost, &c->log10_e, &c->cost_steps, &c->cost_up_to, &c->p_km_per_s, &costs[0],
            &costs[1], &in[0], &in[1], &in[2], &in[3], &m.radius_km, &in[4], &in[5], &in[6], &beyond, &out[0],
            &out[1]))
        return NULL;
    struct arrays arrays = {.count = 0};
    struct array first, second, nodes, depths, prior, tables, picks, seconds, silent, misfit, origin;
    if (!take(&arrays, costs[0], NPY_FLOAT64, 1, &first) || !take(&arrays, costs[1], NPY_FLOAT64, 1, &second) ||
        !take(&arrays, in[0], NPY_FLOAT64, 2, &nodes) || !take(&arrays, in[1], NPY_FLOAT64, 1, &depths) ||
        !take(&arrays, in[2], NPY_FLOAT64, 1, &prior) || !take(&arrays, in[3], NPY_FLOAT64, 3, &tables) ||
        !take(&arrays, in[4], NPY_FLOAT64, 2, &picks) || !take(&arrays, in[5], NPY_FLOAT64, 2, &seconds) ||
        !take(&arrays, in[6], NPY_FLOAT64, 2, &silent) || !take_output(out[0], NPY_FLOAT64, 2, &misfit) ||
        !take_output(out[1], NPY_FLOAT64, 2, &origin))
        return finish(&arrays, NULL);
    const npy_intp n = picks.shape[0], trials = depths.shape[0];
    for (int k = 0; k < 2; k++) {
        const struct array *one = k ? &origin : &misfit;
        if (one->shape[0] != nodes.shape[0] || one->shape[1] != trials) return wrong_shape(&arrays);
    }
    if (nodes.shape[1] != 3 || prior.shape[0] != trials || tables.shape[0] != 2 || tables.shape[1] < 2 ||
        tables.shape[2] < 2 || n < 1 || picks.shape[1] != 7 || seconds.shape[1] != 6 || silent.shape[1] != 6 ||
        first.shape[0] < 2 || first.shape[0] != second.shape[0])
        return wrong_shape(&arrays);
    for (npy_intp d = 0; d < trials; d++)
        if (!(((double *)depths.data)[d] >= 0 && ((double *)depths.data)[d] < 1e6)) return wrong_shape(&arrays);
    m.costs[0] = first.data, m.costs[1] = second.data, m.cost_count = first.shape[0];
    m.depths = tables.shape[1], m.distances = tables.shape[2];
    m.tables[P] = tables.data, m.tables[S] = m.tables[P] + m.depths * m.distances;
    m.picks = picks.data, m.seconds = seconds.data, m.silent = silent.data;
    m.pick_count = n, m.second_count = seconds.shape[0], m.silent_count = silent.shape[0];
    m.room = PyMem_Calloc((size_t)(6 * n + m.second_count + m.silent_count), sizeof(double));
    m.order = PyMem_Calloc((size_t)(2 * n), sizeof(npy_intp));
    if (!m.room || !m.order) PyErr_NoMemory();
    for (npy_intp i = 0; m.order && i < 2 * n; i++) m.order[i] = i % n;
    double *arcs = m.room, *second_arcs = arcs + 6 * n, *silent_arcs = second_arcs + m.second_count;
    for (npy_intp i = 0; !PyErr_Occurred() && i < nodes.shape[0]; i++) {
        const npy_intp k = (i + nodes.shape[0] / 2) % nodes.shape[0];   /* the middle first: it tends to be good */
        const double *node = (const double *)nodes.data + 3 * k;
        arcs_km(node, m.picks, n, 7, m.radius_km, arcs);
        arcs_km(node, m.seconds, m.second_count, 6, m.radius_km, second_arcs);
        arcs_km(node, m.silent, m.silent_count, 6, m.radius_km, silent_arcs);
        for (npy_intp d = 0; d < trials; d++) {
            const npy_intp at = k * trials + d;
            const double now = misfit_of(&m, ((double *)depths.data)[d], ((double *)prior.data)[d], arcs, second_arcs,
                silent_arcs, best + beyond, (double *)origin.data + at);
            ((double *)misfit.data)[at] = now;
            best = least(best, now);
        }
    }
    PyMem_Free(m.room);
    PyMem_Free(m.order);
    return finish(&arrays, PyErr_Occurred() ? NULL : Py_NewRef(Py_None));
}

/* ---- Displacement ------------------------------------------------------------------------------------------------- */

static PyObject *displacement_peaks(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *in[2], *out[3];
    double scale, dt, first_bin, bin_per_sample;
    int integrations;
    if (!PyArg_ParseTuple(args, "OdidOOOddO", &in[0], &scale, &integrations, &dt, &in[1], &out[0], &out[1], &first_bin,
            &bin_per_sample, &out[2]))
        return NULL;
    struct arrays arrays = {.count = 0};
    struct array samples, biquads, states, bins, squares;
    if (!take(&arrays, in[0], NPY_FLOAT64, 1, &samples) || !take(&arrays, in[1], NPY_FLOAT64, 2, &biquads) ||
        !take_output(out[0], NPY_FLOAT64, 3, &states) || !take_output(out[1], NPY_FLOAT64, 2, &bins) ||
        !take_output(out[2], NPY_FLOAT64, 2, &squares))
        return finish(&arrays, NULL);
    const npy_intp filters = biquads.shape[0];
    if (biquads.shape[1] != 5 || states.shape[0] != filters || states.shape[2] != 4 || bins.shape[0] != filters ||
        integrations < 0 || integrations + 1 > states.shape[1] || squares.shape[0] != 2)
        return wrong_shape(&arrays);
    for (npy_intp f = 0; f < filters; f++) {
        const double *b = (const double *)biquads.data + 5 * f;
        double *peaks = (double *)bins.data + f * bins.shape[1], *energy = squares.data;
        for (npy_intp i = 0; i < samples.shape[0]; i++) {
            double v = ((const double *)samples.data)[i] * scale, rate = 0;
            for (int stage = 0; stage <= integrations; stage++) { /* each is high-passed: noise can't grow through them */
                double *s = (double *)states.data + (f * states.shape[1] + stage) * 4;
                rate = v;
                if (stage > 0) { /* the trapezoidal rule */
                    s[3] += (v + s[2]) * 0.5 * dt;
                    s[2] = v;
                    v = s[3];
                }
                const double u = b[0] * v + s[0];
                s[0] = b[1] * v - b[3] * u + s[1];
                s[1] = b[2] * v - b[4] * u;
                v = u;
            }
            const double at = floor(first_bin + (double)i * bin_per_sample);
            if (!(at >= 0 && at < (double)bins.shape[1])) continue;
            const npy_intp bin = (npy_intp)at;
            peaks[bin] = most(peaks[bin], fabs(v));
            if (f == 0 && bin < squares.shape[1]) {
                energy[bin] += v * v;
                energy[squares.shape[1] + bin] += rate * rate;
            }
        }
    }
    return finish(&arrays, Py_NewRef(Py_None));
}

/* ---- S onsets -------------------------------------------------------------------------------------------------- */

static PyObject *add_energy(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *in[3], *out;
    double gain, z[8] = {0};
    if (!PyArg_ParseTuple(args, "OdOOO", &in[0], &gain, &in[1], &in[2], &out)) return NULL;
    struct arrays arrays = {.count = 0};
    struct array samples, a1, a2, energy;
    if (!take(&arrays, in[0], NPY_FLOAT64, 1, &samples) || !take(&arrays, in[1], NPY_FLOAT64, 1, &a1) ||
        !take(&arrays, in[2], NPY_FLOAT64, 1, &a2) || !take_output(out, NPY_FLOAT64, 1, &energy))
        return finish(&arrays, NULL);
    if (a1.shape[0] != 4 || a2.shape[0] != 4 || energy.shape[0] > samples.shape[0]) return wrong_shape(&arrays);
    for (npy_intp i = 0; i < energy.shape[0]; i++) {
        double v = gain * ((const double *)samples.data)[i];
        for (int k = 0; k < 4; k++) {
            const double u = v + z[2 * k];
            z[2 * k] = z[2 * k + 1] - ((const double *)a1.data)[k] * u;
            z[2 * k + 1] = -((const double *)a2.data)[k] * u - v;
            v = u;
        }
        ((double *)energy.data)[i] += v * v;
    }
    return finish(&arrays, Py_NewRef(Py_None));
}

static double mean(const double *x, npy_intp from, npy_intp to)
{
    double total = 0;
    for (npy_intp i = from; i < to; i++) total += x[i];
    return total / (double)(to - from);
}

/* Where the mean over width samples is largest: the last of them. */
static npy_intp loudest(const double *energy, npy_intp count, npy_intp first, npy_intp width)
{
    double running = 0, best = -1;
    npy_intp at = first;
    for (npy_intp i = first; i < count; i++) {
        running += energy[i];
        if (i >= first + width) running -= energy[i - width];
        if (running > best) best = running, at = i;
    }
    return at;
}

/* The sample from which on energy is higher, by the least AIC, with room on either side; -1 if there is none. */
static npy_intp largest_rise(const double *energy, npy_intp first, npy_intp end, npy_intp room)
{
    const npy_intp n = end - first;
    if (n < 2 * room + 2) return -1;
    double total = 0, head = 0, best = INFINITY;
    for (npy_intp i = first; i < end; i++) total += energy[i];
    const double floor = 1e-12 * total / (double)n + 1e-60;
    npy_intp best_at = -1;
    for (npy_intp k = 1; k < n - room; k++) {
        head += energy[first + k - 1];
        const double below = most(head / (double)k, floor), above = most((total - head) / (double)(n - k), floor);
        if (k < room || !(above > below)) continue;
        const double aic = (double)k * log(below) + (double)(n - k) * log(above);
        if (aic < best) best = aic, best_at = first + k;
    }
    return best_at;
}

static PyObject *s_onset(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *in;
    Py_ssize_t p_at, first, rise, enough, before;
    double clear;
    if (!PyArg_ParseTuple(args, "Onnnnnd", &in, &p_at, &first, &rise, &enough, &before, &clear)) return NULL;
    struct arrays arrays = {.count = 0};
    struct array array;
    if (!take(&arrays, in, NPY_FLOAT64, 1, &array)) return finish(&arrays, NULL);
    const npy_intp count = array.shape[0];
    if (p_at < 0 || first < 0 || rise < 0 || enough < 1 || before < 0) return wrong_shape(&arrays);
    const double *energy = array.data;
    const npy_intp end = earlier(loudest(energy, count, first, enough) + enough, count);
    npy_intp onset = largest_rise(energy, first, end, enough / 2);
    double clarity = 0;
    if (onset >= 0 && count - onset >= enough) {
        const double here = mean(energy, onset, earlier(onset + 2 * enough, count));
        const double coda = onset > later(onset - before, p_at) ? mean(energy, later(onset - before, p_at), onset) : 0;
        clarity = sqrt(here / (coda > 1e-60 ? coda : 1e-60));
    } else {
        onset = -1;
    }
    if (onset >= 0 && clarity < clear) onset = -1, clarity = 0;
    if (onset >= 0) { /* again from nearby: the loudest of S must not draw the onset away from where it begins to rise */
        const npy_intp again = largest_rise(energy, later(first, onset - before), earlier(onset + rise, count), rise / 2);
        if (again >= 0) onset = again;
    }
    return finish(&arrays, Py_BuildValue("nd", (Py_ssize_t)onset, clarity));
}

static PyMethodDef methods[] = {
    {"misfit_grid", misfit_grid, METH_VARARGS, "See twin.py."},
    {"displacement_peaks", displacement_peaks, METH_VARARGS, "See twin.py."},
    {"add_energy", add_energy, METH_VARARGS, "See twin.py."},
    {"s_onset", s_onset, METH_VARARGS, "See twin.py."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_core", .m_doc = "Compiled loops of location.", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit__core(void)
{
    import_array();
    return PyModule_Create(&definition);
}
