/* The pass over targets: distance, S arrival and intensity of each. The formulas and shapes stand in twin.py, which does
 * the same in NumPy.
 *
 * Plain loops, which the compiler takes eight targets at a time; on x86-64 for processors with AVX2 and without, chosen when
 * the module is loaded. What depends on distance comes from rows made once an event: a million targets cost no logarithm.
 */
#include "../arrays.h"

#include <math.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

/* ---- Estimates in float64 ---------------------------------------------------------------------------------- */

struct event { const double *place; double inverse; const double *rows; npy_intp columns; };

FOR_EACH_PROCESSOR static void estimate(
    const double *ecef, const double *radius_km, npy_intp count, const struct event *event, double *distance, double *p_s,
    double *s_s, double *intensity)
{
    const double *p = event->rows, *s = p + event->columns, *strength = s + event->columns;
    for (npy_intp i = 0; i < count; i++) {
        const double dx = ecef[i] - event->place[0], dy = ecef[count + i] - event->place[1];
        const double dz = ecef[2 * count + i] - event->place[2];
        const double c2 = dx * dx + dy * dy + dz * dz, t = c2 * event->inverse;
        /* 2R asin(c / 2R) as a series in (c / 2R)^2: within a metre out to 1,000 km */
        double arc = sqrt(c2) * (1 + t * (1.0 / 6 + t * (3.0 / 40 + t * (15.0 / 336)))) - radius_km[i];
        arc = arc > 0 ? arc : 0;
        const npy_intp at = arc < (double)(event->columns - 2) ? (npy_intp)arc : event->columns - 2;
        const double u = arc - (double)at;
        distance[i] = arc;
        p_s[i] = p[at] + u * (p[at + 1] - p[at]);
        s_s[i] = s[at] + u * (s[at + 1] - s[at]);
        intensity[i] = strength[at] + (u < 1 ? u : 1) * (strength[at + 1] - strength[at]);
    }
}

static PyObject *estimate_targets(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *in[4], *out[4];
    double earth_radius_km;
    if (!PyArg_ParseTuple(args, "OOOdOOOOO", &in[0], &in[1], &in[2], &earth_radius_km, &in[3], &out[0], &out[1], &out[2], &out[3]))
        return NULL;
    struct arrays arrays = {.count = 0};
    struct array ecef, radius, place, rows, found[4];
    if (!take(&arrays, in[0], NPY_FLOAT64, 2, &ecef) || !take(&arrays, in[1], NPY_FLOAT64, 1, &radius) ||
        !take(&arrays, in[2], NPY_FLOAT64, 1, &place) || !take(&arrays, in[3], NPY_FLOAT64, 2, &rows))
        return finish(&arrays, NULL);
    const npy_intp count = ecef.shape[1];
    for (int k = 0; k < 4; k++)
        if (!take_output(out[k], NPY_FLOAT64, 1, &found[k]) || found[k].shape[0] != count) return wrong_shape(&arrays);
    if (ecef.shape[0] != 3 || radius.shape[0] != count || place.shape[0] != 3 || rows.shape[0] != 3 || rows.shape[1] < 2)
        return wrong_shape(&arrays);
    const struct event event = {place.data, 1 / (4 * earth_radius_km * earth_radius_km), rows.data, rows.shape[1]};
    estimate(ecef.data, radius.data, count, &event, found[0].data, found[1].data, found[2].data, found[3].data);
    return finish(&arrays, Py_NewRef(Py_None));
}

/* ---- Sending keys in float32 ---------------------------------------------------------------------------------- */

struct ranking { float x, y, z, inverse, since_s, per_s, lanes_km[3]; const float *rows; int32_t columns; };

FOR_EACH_PROCESSOR static void rank(
    const float *restrict ecef, const float *restrict radius_km, const float *restrict least, npy_intp count,
    const struct ranking *restrict to, uint16_t *restrict keys, float *restrict s_s, float *restrict intensity)
{
    const float *restrict s = to->rows + to->columns, *restrict strength = s + to->columns;
    const float x = to->x, y = to->y, z = to->z, inverse = to->inverse, now = to->since_s, steps = to->per_s;
    const float near = to->lanes_km[0], middle = to->lanes_km[1], far = to->lanes_km[2];
    const float last = (float)(to->columns - 2);
    for (npy_intp i = 0; i < count; i++) {
        const float dx = ecef[i] - x, dy = ecef[count + i] - y, dz = ecef[2 * count + i] - z;
        const float c2 = dx * dx + dy * dy + dz * dz, t = c2 * inverse;
        const float away = sqrtf(c2) * (1 + t * ((float)(1.0 / 6) + t * ((float)(3.0 / 40) + t * (float)(15.0 / 336))));
        const float wanted = least[i], beyond = away - radius_km[i], arc = beyond > 0 ? beyond : 0;
        const float in_table = arc < last ? arc : last;
        const int32_t at = (int32_t)in_table;
        const float u = arc - (float)at, part = u < 1 ? u : 1;
        const float felt = strength[at] + part * (strength[at + 1] - strength[at]);
        const float arrival = s[at] + u * (s[at + 1] - s[at]);
        s_s[i] = arrival;
        intensity[i] = felt;
        /* Lanes by distance instead of intensity: no branch is left, and the loop runs in vectors */
        const int32_t lane = (arc > near) + (arc > middle) + (arc > far) + 4 * (arrival <= now);
        const float quantised = arrival * steps, step = quantised < 8190 ? quantised : 8190;
        const int32_t key = (lane << 13) | (int32_t)step;
        keys[i] = (uint16_t)(felt >= wanted ? key : 65535);
    }
}

static PyObject *rank_targets(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *in[6], *out[3];
    double earth_radius_km, since_s, per_s;
    if (!PyArg_ParseTuple(args, "OOOdOOdOdOOO", &in[0], &in[1], &in[2], &earth_radius_km, &in[3], &in[4], &since_s, &in[5],
            &per_s, &out[0], &out[1], &out[2]))
        return NULL;
    struct arrays arrays = {.count = 0};
    struct array ecef, radius, place, rows, least, lanes, keys, s_s, intensity;
    if (!take(&arrays, in[0], NPY_FLOAT32, 2, &ecef) || !take(&arrays, in[1], NPY_FLOAT32, 1, &radius) ||
        !take(&arrays, in[2], NPY_FLOAT64, 1, &place) || !take(&arrays, in[3], NPY_FLOAT32, 2, &rows) ||
        !take(&arrays, in[4], NPY_FLOAT32, 1, &least) || !take(&arrays, in[5], NPY_FLOAT32, 1, &lanes) ||
        !take_output(out[0], NPY_UINT16, 1, &keys) || !take_output(out[1], NPY_FLOAT32, 1, &s_s) ||
        !take_output(out[2], NPY_FLOAT32, 1, &intensity))
        return finish(&arrays, NULL);
    const npy_intp count = ecef.shape[1];
    if (ecef.shape[0] != 3 || radius.shape[0] != count || least.shape[0] != count || keys.shape[0] != count ||
        s_s.shape[0] != count || intensity.shape[0] != count || place.shape[0] != 3 || rows.shape[0] != 3 ||
        rows.shape[1] < 2 || rows.shape[1] > 1000000 || lanes.shape[0] < 3)
        return wrong_shape(&arrays);
    const double *at = place.data;
    const float *lanes_km = lanes.data;
    const struct ranking to = {(float)at[0], (float)at[1], (float)at[2],
        (float)(1 / (4 * earth_radius_km * earth_radius_km)), (float)since_s, (float)per_s,
        {lanes_km[0], lanes_km[1], lanes_km[2]}, rows.data, (int32_t)rows.shape[1]};
    rank(ecef.data, radius.data, least.data, count, &to, keys.data, s_s.data, intensity.data);
    return finish(&arrays, Py_NewRef(Py_None));
}

/* ---- Sending order -------------------------------------------------------------------------------------------- */

/* A counting sort: as many counters as there are keys fit the second-level cache. */
static PyObject *order_by_key(PyObject *Py_UNUSED(module), PyObject *args)
{
    enum { KEYS = 1 << 16 };
    static const npy_intp most = UINT32_MAX;
    PyObject *in, *out;
    if (!PyArg_ParseTuple(args, "OO", &in, &out)) return NULL;
    struct arrays arrays = {.count = 0};
    struct array keys, order;
    if (!take(&arrays, in, NPY_UINT16, 1, &keys) || !take_output(out, NPY_INT64, 1, &order))
        return finish(&arrays, NULL);
    const npy_intp count = keys.shape[0];
    if (order.shape[0] != count || count > most) return wrong_shape(&arrays);
    uint32_t *place = PyMem_Calloc(KEYS, sizeof *place); /* where the next target of each key goes */
    if (!place) return finish(&arrays, PyErr_NoMemory());
    const uint16_t *key = keys.data;
    int64_t *sorted = order.data;
    for (npy_intp i = 0; i < count; i++) place[key[i]]++;
    for (uint32_t k = 0, before = 0; k < KEYS; k++) {
        const uint32_t with_key = place[k];
        place[k] = before;
        before += with_key;
    }
    for (npy_intp i = 0; i < count; i++) sorted[place[key[i]]++] = i;
    PyMem_Free(place);
    return finish(&arrays, Py_NewRef(Py_None));
}

/* ---- What stations feel -------------------------------------------------------------------------------------- */

static PyObject *second_strongest(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *in[4], *out;
    double reach_km;
    if (!PyArg_ParseTuple(args, "OOOOdO", &in[0], &in[1], &in[2], &in[3], &reach_km, &out)) return NULL;
    struct arrays arrays = {.count = 0};
    struct array targets, radii, stations, felt, result;
    if (!take(&arrays, in[0], NPY_FLOAT32, 2, &targets) || !take(&arrays, in[1], NPY_FLOAT32, 1, &radii) ||
        !take(&arrays, in[2], NPY_FLOAT32, 2, &stations) || !take(&arrays, in[3], NPY_FLOAT32, 1, &felt) ||
        !take_output(out, NPY_FLOAT32, 1, &result))
        return finish(&arrays, NULL);
    const npy_intp count = targets.shape[1], n = stations.shape[1];
    if (targets.shape[0] != 3 || radii.shape[0] != count || stations.shape[0] != 3 || felt.shape[0] != n ||
        result.shape[0] != count)
        return wrong_shape(&arrays);
    const float *ecef = targets.data, *radius_km = radii.data, *places = stations.data, *seen = felt.data;
    float *found = result.data;
    for (npy_intp i = 0; i < count; i++) {
        float first = 0, second = 0;
        const float reach = (float)reach_km + radius_km[i];
        for (npy_intp k = 0; k < n; k++) {
            const float dx = ecef[i] - places[k], dy = ecef[count + i] - places[n + k];
            const float dz = ecef[2 * count + i] - places[2 * n + k];
            if (dx * dx + dy * dy + dz * dz <= reach * reach && seen[k] > second) {
                second = first < seen[k] ? first : seen[k];
                first = first > seen[k] ? first : seen[k];
            }
        }
        found[i] = second;
    }
    return finish(&arrays, Py_NewRef(Py_None));
}

static PyMethodDef methods[] = {
    {"estimate_targets", estimate_targets, METH_VARARGS, "See twin.py."},
    {"rank_targets", rank_targets, METH_VARARGS, "See twin.py."},
    {"order_by_key", order_by_key, METH_VARARGS, "See twin.py."},
    {"second_strongest", second_strongest, METH_VARARGS, "See twin.py."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_core", .m_doc = "Compiled passes over targets.", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit__core(void)
{
    import_array();
    return PyModule_Create(&definition);
}
