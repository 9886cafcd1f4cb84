/* Alignment of predicted to true poses, LANES poses at a time.
 *
 * What is computed is defined by posebench/metrics/alignment.py. This file computes the same in one pass over memory: each group of
 * LANES poses (a tile) is copied component first into the processor's inner cache, and every step runs over the lanes, so that the
 * compiler turns it into vector instructions. Arithmetic is float64 whatever the input's type.
 *
 * The rotation is the orthogonal factor of the 3 x 3 correlation K. Its trace l = tr(R^T K) is the largest root of the quartic of Horn
 * (1987) and Theobald (2005): for K of unit norm, with C = cof K, q = |C|^2, d = det K, it is (l^2 - 1)^2 = 4 (q + 2 d l). Newton's
 * method finds it; by Cayley-Hamilton R = [l C + K (e + 1 - K^T K)] / D with e = (l^2 - 1) / 2 and D = l e - d. Where D is too small,
 * that lane's K goes through a singular value decomposition (one-sided Jacobi).
 *
 * The code is compiled once for each instruction set: this file includes itself, with other names for the functions. (Inlining one function
 * into callers for several instruction sets would not do: GCC takes wide vectors apart before it inlines.)
 *
 * Only Python's stable interface is used (3.11 and later). The interpreter's lock is released while poses are aligned.
 */
#if !defined(NAMED)

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define INLINE static inline __attribute__((always_inline))
#define ALIGNED __attribute__((aligned(64)))
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#define INLINE static inline __attribute__((always_inline))
#define ALIGNED __attribute__((aligned(64)))
#else
#define INDEPENDENT
#define INLINE static inline
#define ALIGNED
#if defined(_MSC_VER)
#define restrict __restrict
#endif
#endif
/* Eight lanes as one value where the compiler knows vectors, for what it would not turn into vector instructions by itself. */
#if defined(__GNUC__)
typedef double Vec __attribute__((vector_size(64), may_alias));
typedef int64_t Mask __attribute__((vector_size(64)));
#define WIDE 8
#define CHOOSE(mask, one, other) ((Vec)(((Mask)(one) & (mask)) | ((Mask)(other) & ~(mask))))
#else
typedef double Vec;
typedef int Mask;
#define WIDE 1
#define CHOOSE(mask, one, other) ((mask) ? (one) : (other))
#endif
#define EACH_VEC for (int v = 0; v < LANES / WIDE; v++)
/* Part v of a row of lanes. Rows begin on cache lines. */
#define VEC(row) (((Vec *)(row))[v])
#define CONST_VEC(row) (((const Vec *)(row))[v])
/* Transposing in registers. */
#if defined(__has_builtin) && defined(__GNUC__)
#if __has_builtin(__builtin_shufflevector) && __has_builtin(__builtin_convertvector)
#define SHUFFLES 1
typedef float Floats __attribute__((vector_size(16), may_alias));
typedef double Doubles __attribute__((vector_size(32), may_alias));
#endif
#endif
/* One step for every lane; no lane depends on another. Bodies hold no loops, or compilers would not vectorise. */
#define EACH_LANE INDEPENDENT for (int l = 0; l < LANES; l++)
#define DOT(a, b, c, p, q, r) ((a) * (p) + (b) * (q) + (c) * (r))

/* Constants of posebench/metrics/kernel/blocked.py. */
#define UNSTABLE 1e-4   /* below this share of l^3 the closed form loses digits */
#define PLANAR 1e-9     /* |det| below this share of |P|^3 |G|^3 is a planar pose */
#define EXTENT 1e-20    /* a sum of squares below this share of the centre's is no extent */
#define LARGEST 1e150   /* a sum of squares above this overflows further on */
#define STILL 1e-10     /* a Newton step below this leaves only rounding */
#define MOST_STEPS 48

enum { NONE, SCALE, RIGID, SIMILARITY, REFLECTION, ALIGNMENTS };
enum { FINE, TRUTH_NOT_FINITE, TRUTH_TOO_LARGE, NO_MEMORY };

/* Poses (N, J, 3) as they lie in memory; strides in bytes. */
typedef struct {
    const char *data;
    ptrdiff_t frame, joint, axis;
    int single; /* float32, else float64 */
} Poses;

typedef struct {
    Poses pred, truth;
    ptrdiff_t count, joints;
    double *errors[ALIGNMENTS]; /* each (J, N), or NULL where it is not asked for */
    uint8_t *flipped;           /* (N) */
    double *placed;             /* (3, J, N): the prediction after the alignment `placed_by`, or NULL */
    int placed_by;
    double *transform;          /* (13, N): scale, rotation row by row, translation, or NULL */
    int transform_scales;
    double *room;               /* (6 J, LANES) on a cache line for the work, or NULL: it is then taken */
    const double *tiles[2];     /* true and predicted poses (3 J, LANES) on cache lines, finite, in place of `truth` and `pred`; or NULL */
} Job;

/* Per-lane 3 x 3 matrices are [row * 3 + column][lane]. On cache lines, so that no vector reaches over two. */
typedef double Lane[LANES] ALIGNED;

/* Whether every coordinate of a lane's pose is finite. A sum that is finite says so at once; one that is not may have overflowed. */
static int all_finite(const double *tile, ptrdiff_t joints, int lane)
{
    for (ptrdiff_t i = 0; i < 3 * joints; i++)
        if (!isfinite(tile[i * LANES + lane])) return 0;
    return 1;
}

/* A proper rotation R (row by row) that maximises tr(R^T K), and that trace, by one-sided Jacobi rotations of K's columns. */
static void decompose(const double *k, double *r, double *trace)
{
    double a[3][3], v[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}; /* a[i] is column i of K V */
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) a[i][j] = k[3 * j + i];
    for (int sweep = 0; sweep < 60; sweep++) {
        double off = 0.0;
        for (int p = 0; p < 2; p++)
            for (int q = p + 1; q < 3; q++) {
                double pp = 0.0, qq = 0.0, pq = 0.0;
                for (int j = 0; j < 3; j++) {
                    pp += a[p][j] * a[p][j];
                    qq += a[q][j] * a[q][j];
                    pq += a[p][j] * a[q][j];
                }
                if (!(fabs(pq) > 1e-17 * sqrt(pp * qq)) || pq == 0.0) continue;
                off = fmax(off, fabs(pq));
                double zeta = (qq - pp) / (2.0 * pq);
                double t = (zeta >= 0.0 ? 1.0 : -1.0) / (fabs(zeta) + sqrt(1.0 + zeta * zeta));
                double cosine = 1.0 / sqrt(1.0 + t * t), sine = cosine * t;
                for (int j = 0; j < 3; j++) {
                    double one = a[p][j], other = a[q][j];
                    a[p][j] = cosine * one - sine * other;
                    a[q][j] = sine * one + cosine * other;
                    one = v[p][j], other = v[q][j];
                    v[p][j] = cosine * one - sine * other;
                    v[q][j] = sine * one + cosine * other;
                }
            }
        if (off == 0.0) break;
    }
    double s[3];
    int order[3] = {0, 1, 2};
    for (int i = 0; i < 3; i++) s[i] = sqrt(a[i][0] * a[i][0] + a[i][1] * a[i][1] + a[i][2] * a[i][2]);
    for (int i = 0; i < 2; i++)
        for (int j = i + 1; j < 3; j++)
            if (s[order[j]] > s[order[i]]) {
                int swap = order[i];
                order[i] = order[j];
                order[j] = swap;
            }
    double u[3][3], w[3][3];
    double first = s[order[0]];
    if (!(first > 0.0)) { /* no correlation: any rotation does */
        for (int i = 0; i < 9; i++) r[i] = i % 4 == 0;
        *trace = 0.0;
        return;
    }
    for (int j = 0; j < 3; j++) {
        u[0][j] = a[order[0]][j] / first;
        w[0][j] = v[order[0]][j];
        w[1][j] = v[order[1]][j];
    }
    double second = s[order[1]];
    if (second > 1e-15 * first) {
        for (int j = 0; j < 3; j++) u[1][j] = a[order[1]][j] / second;
    } else { /* rank one: any direction across the first */
        int least = 0;
        for (int j = 1; j < 3; j++)
            if (fabs(u[0][j]) < fabs(u[0][least])) least = j;
        double length = 0.0;
        for (int j = 0; j < 3; j++) {
            u[1][j] = (j == least) - u[0][least] * u[0][j];
            length += u[1][j] * u[1][j];
        }
        for (int j = 0; j < 3; j++) u[1][j] /= sqrt(length);
    }
    for (int j = 0; j < 3; j++) {
        int n = (j + 1) % 3, m = (j + 2) % 3;
        u[2][j] = u[0][n] * u[1][m] - u[0][m] * u[1][n];
        w[2][j] = w[0][n] * w[1][m] - w[0][m] * w[1][n];
    }
    double total = 0.0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            r[3 * i + j] = u[0][i] * w[0][j] + u[1][i] * w[1][j] + u[2][i] * w[2][j];
            total += r[3 * i + j] * k[3 * i + j];
        }
    *trace = total;
}

enum { MEAN, PCK, AUC, CPS, VELOCITY, ACCELERATION, BONE_LENGTH, BONE_SYMMETRY, FLIP_RATE, STATISTICS };
enum { ABSOLUTE = ALIGNMENTS, PLACES };             /* errors in camera coordinates: no alignment, no root */
enum { NONFINITE, INVALID, NONPOSITIVE, COUNTS };
/* Tables in which numbers of thresholds are counted, so that equal neighbours do not wait for each other. */
#define TABLES 4

/* Limits of posebench/metrics/position.py. */
#define LARGEST_POSE 1e140
#define SMALLEST_EXTENT 1e-18

/* Joints that are aligned together. */
typedef struct {
    const int32_t *joint; /* (joints): numbers in the skeleton */
    ptrdiff_t joints;
    int whole;            /* all joints of the skeleton, in its order */
    int wanted[PLACES];   /* alignments whose errors are asked for */
    int flips;
} Group;

typedef struct {
    int statistic, alignment, group;
    const int32_t *column; /* (columns): of a group's joints; of bones; of pairs of bones */
    ptrdiff_t columns;
    double first, step;    /* thresholds, mm; of PCK the one threshold is `first` */
    ptrdiff_t thresholds;
    int inclusive;
    double *total;         /* (columns), one for CPS and flip rate: sums over frames */
    double *curve;         /* (thresholds + 1): of an AUC, how many errors pass each number of thresholds */
    double *frames;        /* (N - history): the mean over columns of each frame, NaN where a difference has no predecessor; or NULL */
    double *best_pose, *best_joint; /* (columns): sums of the oracles over hypotheses; or NULL */
    ptrdiff_t count;       /* frames in `total` */
    Lane *sum;             /* (columns): the sums lane by lane */
    int64_t *bins;         /* (thresholds + 2, TABLES): parts of `curve`, the last row of no frame */
    int32_t *bin;          /* (columns, LANES): how many thresholds the errors of the tile at hand pass */
    Lane *pose_sum, *joint_sum; /* the same of the oracles */
    Lane *pose_best, *joint_best, *pose_mean; /* (columns), (columns), 1: the best hypotheses of the tile at hand */
} Metric;

typedef struct {
    Poses pred, truth;
    ptrdiff_t hypothesis;  /* stride in bytes */
    ptrdiff_t hypotheses, count, joints;
    ptrdiff_t history;     /* the first frames, which differences look back to and which are in no sum: two at most */
    const int64_t *number; /* (N): frame numbers */
    int64_t stride;        /* between neighbouring frames */
    double to_mm;
    const int32_t *root;
    ptrdiff_t roots;
    const int32_t *bone;   /* (bones, 2): parent, child */
    ptrdiff_t bones;
    const int32_t *pair;   /* (pairs, 2): left and right bone */
    ptrdiff_t pairs;
    Group *group;
    ptrdiff_t groups;
    Metric *metric;
    ptrdiff_t metrics;
    int64_t counts[COUNTS];
    int differences;       /* the highest order that is asked for */
    int oracles;
    int lengths[2];         /* of the prediction, of the truth: whether they are asked for */
} Report;

/* Room for one tile; each is (rows, LANES) but `difference`, (3 J, LANES + 2), whose first two columns are the two frames before. */
typedef struct {
    double *truth, *pred, *mean, *part_truth, *part_pred, *x, *errors, *difference, *bones; /* x: (6 J, LANES) */
} Room;

/* Errors (joints, LANES) of a group after an alignment. */
#define ERRORS_OF(room, joints, alignment) ((room)->errors + (alignment) * (joints) * LANES)

/* Add a value of each lane to the sum of a column, and to the sum over columns of each frame where this one is wanted. */
#define ADD(sum, mean, value) do { \
        EACH_LANE (sum)[l] += (value); \
        if (mean) EACH_LANE (mean)[l] += (value); \
    } while (0)

/* Names of the functions below, each with the instruction set that it is compiled for. */
#define sum_joints NAMED(sum_joints)
#define turn_floats NAMED(turn_floats)
#define turn_doubles NAMED(turn_doubles)
#define turn NAMED(turn)
#define load NAMED(load)
#define rotate NAMED(rotate)
#define store_errors NAMED(store_errors)
#define store_scaled NAMED(store_scaled)
#define align_tile NAMED(align_tile)
#define align_all NAMED(align_all)
#define passed NAMED(passed)
#define take_root_off NAMED(take_root_off)
#define errors_of_group NAMED(errors_of_group)
#define camera_errors NAMED(camera_errors)
#define add_row NAMED(add_row)
#define add_errors NAMED(add_errors)
#define keep_best NAMED(keep_best)
#define bone_lengths NAMED(bone_lengths)
#define load_pred NAMED(load_pred)
#define is_next NAMED(is_next)
#define load_truth NAMED(load_truth)
#define add_to_mean NAMED(add_to_mean)
#define take_mean NAMED(take_mean)
#define look_back NAMED(look_back)
#define measure_tile NAMED(measure_tile)
#define measure_all NAMED(measure_all)

#define NAMED(name) name##_plain
#include "pose_kernel.c"
#undef NAMED

#if defined(__x86_64__) && defined(__clang__)
#define DISPATCHED 1
#define NAMED(name) name##_avx2
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "pose_kernel.c"
#pragma clang attribute pop
#undef NAMED
#define NAMED(name) name##_avx512
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))), apply_to = function)
#include "pose_kernel.c"
#pragma clang attribute pop
#undef NAMED
#elif defined(__x86_64__) && defined(__GNUC__)
#define DISPATCHED 1
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define NAMED(name) name##_avx2
#include "pose_kernel.c"
#undef NAMED
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#define NAMED(name) name##_avx512
#include "pose_kernel.c"
#undef NAMED
#pragma GCC pop_options
#else
#define DISPATCHED 0
#endif

/* The code for one instruction set. */
typedef struct {
    const char *name;
    int (*align)(const Job *);
    int (*measure)(Report *, const Room *);
} Code;

static const Code codes[] = { /* the best one first */
#if DISPATCHED
    {"avx512", align_all_avx512, measure_all_avx512},
    {"avx2", align_all_avx2, measure_all_avx2},
#endif
    {"plain", align_all_plain, measure_all_plain},
};
static const Code *code;

static int runs_here(const Code *one)
{
#if DISPATCHED
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (one->align == align_all_avx2) return avx2;
    if (one->align == align_all_avx512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")
               && __builtin_cpu_supports("avx512bw");
#endif
    (void)one;
    return 1;
}

/* Choose the code for an instruction set, the best one there is with "". Returns 0 where this processor or build lacks it. */
static int choose(const char *wanted)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if ((!wanted[0] || !strcmp(wanted, codes[i].name)) && runs_here(&codes[i])) {
            code = &codes[i];
            return 1;
        }
    return 0;
}

/* Take memory, run, and reduce the lanes in their order, so that sums do not depend on what else runs. */
static int measure_clip(Report *job)
{
    const size_t lane = sizeof(Lane), joints = (size_t)job->joints;
    size_t rows = 3 * joints * 8 + (PLACES + 1) * joints + 2 * (size_t)job->bones, lanes = 0;
    size_t bins = 0;
    for (ptrdiff_t n = 0; n < job->metrics; n++) {
        lanes += (size_t)job->metric[n].columns * (job->metric[n].best_pose ? 5 : job->metric[n].curve ? 2 : 1) + 1;
        if (job->metric[n].curve) bins += TABLES * ((size_t)job->metric[n].thresholds + 2);
    }
    size_t wide = 3 * joints * (LANES + 2) * sizeof(double);
    char *memory = calloc((rows + lanes) * lane + wide + bins * sizeof(int64_t) + 64, 1);
    if (!memory) return NO_MEMORY;
    double *next = (double *)(((uintptr_t)memory + 63) / 64 * 64);
    const size_t tile = 3 * joints * LANES;
    Room room;
    double **tiles[] = {&room.truth, &room.pred, &room.mean, &room.part_truth, &room.part_pred, &room.x};
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++, next += tile) *tiles[i] = next;
    next += tile; /* `x` has room for two */
    room.errors = next, next += (PLACES + 1) * joints * LANES;
    room.bones = next, next += 2 * job->bones * LANES;
    for (ptrdiff_t n = 0; n < job->metrics; n++) {
        Metric *metric = &job->metric[n];
        const size_t room_for = (size_t)metric->columns * LANES;
        metric->sum = (Lane *)next, next += room_for;
        if (metric->curve) metric->bin = (int32_t *)next, next += room_for; /* takes half of it */
        if (!metric->best_pose) continue;
        metric->pose_sum = (Lane *)next, next += room_for;
        metric->joint_sum = (Lane *)next, next += room_for;
        metric->pose_best = (Lane *)next, next += room_for;
        metric->joint_best = (Lane *)next, next += room_for;
        metric->pose_mean = (Lane *)next, next += LANES;
    }
    room.difference = next;
    int64_t *bin = (int64_t *)(next + 3 * joints * (LANES + 2));
    for (ptrdiff_t n = 0; n < job->metrics; n++)
        if (job->metric[n].curve) job->metric[n].bins = bin, bin += TABLES * (job->metric[n].thresholds + 2);
    int status = code->measure(job, &room);
    for (ptrdiff_t n = 0; n < job->metrics && status == FINE; n++) {
        Metric *metric = &job->metric[n];
        const ptrdiff_t columns = metric->statistic == CPS || metric->statistic == FLIP_RATE ? 1 : metric->columns;
        const double unit = metric->statistic == AUC ? 100.0 / metric->thresholds : 1.0;
        for (ptrdiff_t i = 0; metric->curve && i <= metric->thresholds; i++) {
            int64_t passing = 0;
            for (int table = 0; table < TABLES; table++) passing += metric->bins[i * TABLES + table];
            metric->curve[i] = (double)passing;
        }
        for (ptrdiff_t k = 0; k < columns; k++) {
            double total = 0.0, pose = 0.0, joint = 0.0;
            for (int l = 0; l < LANES; l++) {
                total += metric->sum[k][l];
                if (metric->best_pose) pose += metric->pose_sum[k][l], joint += metric->joint_sum[k][l];
            }
            metric->total[k] = total * unit;
            if (metric->best_pose) metric->best_pose[k] = pose, metric->best_joint[k] = joint;
        }
    }
    free(memory);
    return status;
}

/* Poses (N, J, 3) of float32 or float64 with any strides, after `before` other axes; 0 and a Python error where they are something else. */
static int poses_of(const Py_buffer *view, int before, Poses *poses)
{
    const char *format = view->format ? view->format : "B";
    if (*format == '<' || *format == '=' || *format == '@') format++;
    int single = !strcmp(format, "f") && view->itemsize == 4, twice = !strcmp(format, "d") && view->itemsize == 8;
    const Py_ssize_t *shape = view->shape + before, *strides = view->strides + before;
    if (view->ndim != 3 + before || shape[2] != 3 || shape[1] < 1 || shape[1] > 1000000 || !(single || twice)) {
        PyErr_SetString(PyExc_ValueError, "poses must be arrays (N, J, 3) of float32 or float64");
        return 0;
    }
    *poses = (Poses){view->buf, strides[0], strides[1], strides[2], single};
    return 1;
}

/* A view of poses (N, J, 3); 0 and a Python error where it is something else. */
static int view_poses(PyObject *object, Py_buffer *view, Poses *poses)
{
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) return 0;
    if (poses_of(view, 0, poses)) return 1;
    PyBuffer_Release(view);
    return 0;
}

/* Whether an address is a multiple of a size. */
#define IS_ALIGNED(address, size) ((uintptr_t)(address) % (size) == 0)

/* A writable contiguous view of `rows` times `count` items; 0 and a Python error where it is something else. */
static int view_output(PyObject *object, Py_buffer *view, Py_ssize_t itemsize, Py_ssize_t rows, Py_ssize_t count)
{
    if (PyObject_GetBuffer(object, view, PyBUF_CONTIG) < 0) return 0;
    const Py_ssize_t row = itemsize * rows; /* at most 24 times the 1,000,000 joints that poses may have */
    const int fits = count == 0 ? view->len == 0 : view->len % row == 0 && view->len / row == count;
    if (view->itemsize != itemsize || !fits || !IS_ALIGNED(view->buf, itemsize)) {
        PyErr_SetString(PyExc_ValueError, "an output array has another size or type");
        PyBuffer_Release(view);
        return 0;
    }
    return 1;
}

PyDoc_STRVAR(align_doc, "align(pred, truth, errors, flipped, placed, placed_by, transform, transform_scales)\n--\n\n"
    "Align poses (N, J, 3). `errors` is a tuple of five arrays (J, N) or None, in the order none, scale, rigid, similarity,\n"
    "similarity+reflection; `flipped` (N,) uint8, `placed` (3, J, N) and `transform` (13, N) may be None. Arrays are float64, C order.\n"
    "Raises ValueError where a true pose is not finite or a shape does not fit.");

static PyObject *py_align(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *pred, *truth, *errors, *flipped, *placed, *transform, *result = NULL;
    Job job = {0};
    if (!PyArg_ParseTuple(args, "OOO!OOiOp", &pred, &truth, &PyTuple_Type, &errors, &flipped, &placed, &job.placed_by, &transform,
                          &job.transform_scales))
        return NULL;
    Py_buffer inputs[2], outputs[ALIGNMENTS + 3];
    int held = 0, outs = 0;
    if (!view_poses(pred, &inputs[0], &job.pred)) return NULL;
    held = 1;
    if (!view_poses(truth, &inputs[1], &job.truth)) goto done;
    held = 2;
    job.count = inputs[0].shape[0];
    job.joints = inputs[0].shape[1];
    if (inputs[1].shape[0] != job.count || inputs[1].shape[1] != job.joints || PyTuple_Size(errors) != ALIGNMENTS || job.placed_by < 0
        || job.placed_by >= ALIGNMENTS) {
        PyErr_SetString(PyExc_ValueError, "predicted and true poses must have one shape, and outputs must fit it");
        goto done;
    }
    for (int i = 0; i < ALIGNMENTS; i++) {
        PyObject *each = PyTuple_GetItem(errors, i);
        if (each == Py_None) continue;
        if (!view_output(each, &outputs[outs], 8, job.joints, job.count)) goto done;
        job.errors[i] = outputs[outs++].buf;
    }
    if (flipped != Py_None) {
        if (!view_output(flipped, &outputs[outs], 1, 1, job.count)) goto done;
        job.flipped = outputs[outs++].buf;
    }
    if (placed != Py_None) {
        if (!view_output(placed, &outputs[outs], 8, 3 * job.joints, job.count)) goto done;
        job.placed = outputs[outs++].buf;
    }
    if (transform != Py_None) {
        if (!view_output(transform, &outputs[outs], 8, 13, job.count)) goto done;
        job.transform = outputs[outs++].buf;
    }
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = code->align(&job);
    Py_END_ALLOW_THREADS
    if (status == NO_MEMORY) PyErr_NoMemory();
    else if (status == TRUTH_NOT_FINITE) PyErr_SetString(PyExc_ValueError, "a true pose is not finite");
    else if (status == TRUTH_TOO_LARGE) PyErr_SetString(PyExc_ValueError, "a true pose is not finite when squared");
    else {
        Py_INCREF(Py_None);
        result = Py_None;
    }
done:
    for (int i = 0; i < outs; i++) PyBuffer_Release(&outputs[i]);
    for (int i = 0; i < held; i++) PyBuffer_Release(&inputs[i]);
    return result;
}

/* Buffers that a call holds until it ends. */
typedef struct {
    Py_buffer *view;
    size_t count, room;
} Held;

static Py_buffer *hold(Held *held, PyObject *object, int flags)
{
    if (held->count == held->room) { /* cannot happen: the room is counted before */
        PyErr_SetString(PyExc_RuntimeError, "too many arrays");
        return NULL;
    }
    Py_buffer *view = &held->view[held->count];
    if (PyObject_GetBuffer(object, view, flags) < 0) return NULL;
    held->count++;
    return view;
}

/* `count` (any number with -1) whole numbers from 0 to below `limit`; NULL and a Python error where they are something else. */
static const int32_t *hold_numbers(Held *held, PyObject *object, ptrdiff_t *count, ptrdiff_t limit, int at_least)
{
    Py_buffer *view = hold(held, object, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT);
    if (!view) return NULL;
    const int32_t *number = view->buf;
    const ptrdiff_t found = view->itemsize == 4 && IS_ALIGNED(number, 4) ? view->len / 4 : -1;
    int fine = view->format && !strcmp(view->format, "i") && found >= at_least && (*count < 0 || found == *count);
    for (ptrdiff_t i = 0; fine && i < found; i++) fine = number[i] >= 0 && number[i] < limit;
    if (!fine) {
        PyErr_SetString(PyExc_ValueError, "joints, bones and columns must be int32 numbers of what there is");
        return NULL;
    }
    *count = found;
    return number;
}

/* Room for `count` float64 numbers; NULL and a Python error where the array has another size, and NULL alone for None. */
static double *hold_output(Held *held, PyObject *object, ptrdiff_t count, int *fine)
{
    if (object == Py_None) return NULL;
    Py_buffer *view = hold(held, object, PyBUF_CONTIG | PyBUF_FORMAT);
    if (view && view->format && !strcmp(view->format, "d") && view->len % 8 == 0 && view->len / 8 == count && IS_ALIGNED(view->buf, 8)) return view->buf;
    if (view) PyErr_SetString(PyExc_ValueError, "an output array has another size or type");
    *fine = 0;
    return NULL;
}

static int read_metric(Held *held, PyObject *tuple, const Report *job, Metric *metric)
{
    PyObject *columns, *total, *curve, *frames, *best_pose, *best_joint;
    if (!PyArg_ParseTuple(tuple, "iiiOddniOOOOO", &metric->statistic, &metric->alignment, &metric->group, &columns, &metric->first,
                          &metric->step, &metric->thresholds, &metric->inclusive, &total, &curve, &frames, &best_pose, &best_joint))
        return 0;
    const int of_errors = metric->statistic >= MEAN && metric->statistic <= CPS;
    if (metric->statistic < 0 || metric->statistic >= STATISTICS || metric->group < 0 || metric->group >= job->groups || metric->alignment < 0
        || metric->alignment >= PLACES || (!of_errors && metric->alignment != NONE)
        || ((metric->statistic == AUC || metric->statistic == CPS)
            && !(metric->thresholds >= 1 && metric->thresholds <= 1000000 && metric->step > 0.0 && metric->step < INFINITY
                 && fabs(metric->first) < INFINITY))) {
        PyErr_SetString(PyExc_ValueError, "a metric that is not computed here");
        return 0;
    }
    const ptrdiff_t limit = of_errors                             ? job->group[metric->group].joints
                            : metric->statistic == BONE_LENGTH    ? job->bones
                            : metric->statistic == BONE_SYMMETRY  ? job->pairs
                                                                  : job->joints;
    metric->columns = -1;
    metric->column = hold_numbers(held, columns, &metric->columns, limit, 1);
    if (!metric->column) return 0;
    if ((metric->statistic == BONE_LENGTH || metric->statistic == BONE_SYMMETRY) && metric->columns != limit) {
        PyErr_SetString(PyExc_ValueError, "bones are measured all together");
        return 0;
    }
    int fine = 1;
    const ptrdiff_t parts = metric->statistic == CPS || metric->statistic == FLIP_RATE ? 1 : metric->columns;
    metric->total = hold_output(held, total, parts, &fine);
    metric->curve = hold_output(held, curve, metric->thresholds + 1, &fine);
    metric->frames = hold_output(held, frames, job->count - job->history, &fine);
    metric->best_pose = hold_output(held, best_pose, metric->columns, &fine);
    metric->best_joint = hold_output(held, best_joint, metric->columns, &fine);
    if (fine && (!metric->total || (metric->statistic == AUC) != (metric->curve != NULL) || !metric->best_pose != !metric->best_joint
                 || (metric->best_pose && metric->statistic != MEAN))) {
        PyErr_SetString(PyExc_ValueError, "an output array is missing, or is one too many");
        return 0;
    }
    return fine;
}

PyDoc_STRVAR(measure_doc,
    "measure(pred, truth, numbers, history, to_mm, stride, root, bones, pairs, groups, metrics, counts)\n--\n\n"
    "Sums of metrics over the frames of a clip; returns how many frames are in each sum. `pred` is (N, J, 3) or (H, N, J, 3), `truth`\n"
    "(N, J, 3), `numbers` (N,) int64 frame numbers; the first `history` frames, two at most, are in no sum: differences look back to\n"
    "them; `root`, `bones`, `pairs` and each of `groups` are int32. A metric is (statistic,\n"
    "alignment, group, columns, first, step, thresholds, inclusive, total, curve, frames, best pose, best joint), its last five float64\n"
    "arrays that are written, or None. `counts` (3,) int64 takes the poses that are not finite, invalid, and of scale zero or less.\n"
    "Raises ValueError where a true pose is not finite or a shape does not fit.");

static PyObject *py_measure(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *pred, *truth, *numbers, *root, *bones, *pairs, *groups, *metrics, *counts, *result = NULL;
    Report job = {0};
    long long stride;
    if (!PyArg_ParseTuple(args, "OOOndLOOOO!O!O", &pred, &truth, &numbers, &job.history, &job.to_mm, &stride, &root, &bones, &pairs, &PyTuple_Type, &groups,
                          &PyTuple_Type, &metrics, &counts))
        return NULL;
    job.stride = stride;
    job.groups = PyTuple_Size(groups);
    job.metrics = PyTuple_Size(metrics);
    Held held = {NULL, 0, 7 + (size_t)job.groups + 6 * (size_t)job.metrics};
    held.view = calloc(held.room, sizeof *held.view);
    job.group = calloc((size_t)job.groups + 1, sizeof *job.group);
    job.metric = calloc((size_t)job.metrics + 1, sizeof *job.metric);
    if (!held.view || !job.group || !job.metric) {
        PyErr_NoMemory();
        goto done;
    }
    Py_buffer *view = hold(&held, truth, PyBUF_STRIDED_RO | PyBUF_FORMAT);
    if (!view || !poses_of(view, 0, &job.truth)) goto done;
    job.count = view->shape[0];
    job.joints = view->shape[1];
    const Py_ssize_t *shape = view->shape;
    view = hold(&held, pred, PyBUF_STRIDED_RO | PyBUF_FORMAT);
    if (!view) goto done;
    const int several = view->ndim == 4;
    if (!poses_of(view, several, &job.pred)) goto done;
    job.hypotheses = several ? view->shape[0] : 1;
    job.hypothesis = several ? view->strides[0] : 0;
    if (view->shape[several] != shape[0] || view->shape[several + 1] != shape[1] || job.hypotheses < 1 || job.history < 0 || job.history > 2
        || job.history > job.count) {
        PyErr_SetString(PyExc_ValueError, "predicted and true poses must have one shape, and be more than the frames before them");
        goto done;
    }
    view = hold(&held, numbers, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT);
    if (!view) goto done;
    if (view->itemsize != 8 || !view->format || (strcmp(view->format, "l") && strcmp(view->format, "q")) || view->len % 8 || view->len / 8 != job.count
        || !IS_ALIGNED(view->buf, 8)) {
        PyErr_SetString(PyExc_ValueError, "frame numbers must be int64, one a pose");
        goto done;
    }
    job.number = view->buf;
    job.roots = -1;
    job.root = hold_numbers(&held, root, &job.roots, job.joints, 1);
    if (!job.root) goto done;
    ptrdiff_t size = -1;
    job.bone = hold_numbers(&held, bones, &size, job.joints, 0);
    if (!job.bone) goto done;
    job.bones = size / 2;
    size = -1;
    job.pair = hold_numbers(&held, pairs, &size, job.bones, 0);
    if (!job.pair) goto done;
    job.pairs = size / 2;
    for (ptrdiff_t g = 0; g < job.groups; g++) {
        Group *group = &job.group[g];
        group->joints = -1;
        group->joint = hold_numbers(&held, PyTuple_GetItem(groups, g), &group->joints, job.joints, 1);
        if (!group->joint) goto done;
        if (group->joints > job.joints) {
            PyErr_SetString(PyExc_ValueError, "a group has more joints than the skeleton");
            goto done;
        }
        group->whole = group->joints == job.joints;
        for (ptrdiff_t j = 0; j < group->joints; j++) group->whole &= group->joint[j] == j;
    }
    for (ptrdiff_t n = 0; n < job.metrics; n++) {
        Metric *metric = &job.metric[n];
        PyObject *tuple = PyTuple_GetItem(metrics, n);
        if (!PyTuple_Check(tuple)) {
            PyErr_SetString(PyExc_TypeError, "a metric is a tuple");
            goto done;
        }
        if (!read_metric(&held, tuple, &job, metric)) goto done;
        if (metric->statistic <= CPS) job.group[metric->group].wanted[metric->alignment] = 1;
        if (metric->statistic == FLIP_RATE) job.group[metric->group].flips = 1;
        if (metric->statistic == VELOCITY && job.differences < 1) job.differences = 1;
        if (metric->statistic == ACCELERATION) job.differences = 2;
        if (metric->statistic == BONE_LENGTH) job.lengths[0] = job.lengths[1] = 1;
        if (metric->statistic == BONE_SYMMETRY) job.lengths[0] = 1;
        if (metric->best_pose) job.oracles = 1;
    }
    view = hold(&held, counts, PyBUF_CONTIG);
    if (!view) goto done;
    if (view->itemsize != 8 || view->len != 8 * COUNTS || !IS_ALIGNED(view->buf, 8)) {
        PyErr_SetString(PyExc_ValueError, "counts must be three int64");
        goto done;
    }
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = measure_clip(&job);
    Py_END_ALLOW_THREADS
    if (status == NO_MEMORY) PyErr_NoMemory();
    else if (status == TRUTH_NOT_FINITE) PyErr_SetString(PyExc_ValueError, "a true pose is not finite");
    else if (status == TRUTH_TOO_LARGE) PyErr_SetString(PyExc_ValueError, "a true pose is not finite when squared");
    else {
        memcpy(view->buf, job.counts, sizeof job.counts);
        result = PyTuple_New(job.metrics);
        for (ptrdiff_t n = 0; result && n < job.metrics; n++) {
            PyObject *count = PyLong_FromSsize_t(job.metric[n].count);
            if (!count || PyTuple_SetItem(result, n, count) < 0) Py_CLEAR(result);
        }
    }
done:
    for (size_t i = 0; i < held.count; i++) PyBuffer_Release(&held.view[i]);
    free(held.view);
    free(job.group);
    free(job.metric);
    return result;
}

PyDoc_STRVAR(choose_doc, "choose(instructions)\n--\n\nUse the code for `avx512`, `avx2` or `plain`, or the best one there is for an empty string.\n"
    "Returns the name of what is used. Raises ValueError where this processor or build lacks it.");

static PyObject *py_choose(PyObject *module, PyObject *args)
{
    (void)module;
    const char *wanted;
    if (!PyArg_ParseTuple(args, "s", &wanted)) return NULL;
    if (!choose(wanted)) return PyErr_Format(PyExc_ValueError, "no code for %s on this processor", wanted);
    return PyUnicode_FromString(code->name);
}

static PyMethodDef methods[] = {
    {"align", py_align, METH_VARARGS, align_doc},
    {"measure", py_measure, METH_VARARGS, measure_doc},
    {"choose", py_choose, METH_VARARGS, choose_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "pose_kernel", "Alignment of poses in C.", -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_pose_kernel(void)
{
    choose("");
    return PyModule_Create(&definition);
}

#else /* The code, for the instruction set of the moment. */

/* Sums (3, LANES) over the joints of a tile. */
INLINE void sum_joints(const double *tile, ptrdiff_t joints, Lane *restrict sum)
{
    EACH_VEC {
        Vec x = CONST_VEC(tile), y = CONST_VEC(tile + LANES), z = CONST_VEC(tile + 2 * LANES);
        for (ptrdiff_t i = 3; i < 3 * joints; i += 3) {
            x += CONST_VEC(tile + i * LANES);
            y += CONST_VEC(tile + (i + 1) * LANES);
            z += CONST_VEC(tile + (i + 2) * LANES);
        }
        VEC(sum[0]) = x, VEC(sum[1]) = y, VEC(sum[2]) = z;
    }
}

#if defined(SHUFFLES)
/* Numbers `i` ... `i + 3` of the poses of four lanes, to four rows of the tile. */
INLINE void turn_floats(const char *from, ptrdiff_t frame, ptrdiff_t i, double *to)
{
    Floats pose[4];
    for (int p = 0; p < 4; p++) memcpy(&pose[p], from + p * frame + i * (ptrdiff_t)sizeof(float), sizeof *pose);
    const Floats a = __builtin_shufflevector(pose[0], pose[1], 0, 4, 1, 5), b = __builtin_shufflevector(pose[0], pose[1], 2, 6, 3, 7);
    const Floats c = __builtin_shufflevector(pose[2], pose[3], 0, 4, 1, 5), d = __builtin_shufflevector(pose[2], pose[3], 2, 6, 3, 7);
    *(Doubles *)(to + i * LANES) = __builtin_convertvector(__builtin_shufflevector(a, c, 0, 1, 4, 5), Doubles);
    *(Doubles *)(to + (i + 1) * LANES) = __builtin_convertvector(__builtin_shufflevector(a, c, 2, 3, 6, 7), Doubles);
    *(Doubles *)(to + (i + 2) * LANES) = __builtin_convertvector(__builtin_shufflevector(b, d, 0, 1, 4, 5), Doubles);
    *(Doubles *)(to + (i + 3) * LANES) = __builtin_convertvector(__builtin_shufflevector(b, d, 2, 3, 6, 7), Doubles);
}

INLINE void turn_doubles(const char *from, ptrdiff_t frame, ptrdiff_t i, double *to)
{
    Doubles pose[4];
    for (int p = 0; p < 4; p++) memcpy(&pose[p], from + p * frame + i * (ptrdiff_t)sizeof(double), sizeof *pose);
    const Doubles a = __builtin_shufflevector(pose[0], pose[1], 0, 4, 2, 6), b = __builtin_shufflevector(pose[0], pose[1], 1, 5, 3, 7);
    const Doubles c = __builtin_shufflevector(pose[2], pose[3], 0, 4, 2, 6), d = __builtin_shufflevector(pose[2], pose[3], 1, 5, 3, 7);
    *(Doubles *)(to + i * LANES) = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    *(Doubles *)(to + (i + 1) * LANES) = __builtin_shufflevector(b, d, 0, 1, 4, 5);
    *(Doubles *)(to + (i + 2) * LANES) = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    *(Doubles *)(to + (i + 3) * LANES) = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

/* Copy LANES poses that each lie in one piece, of two joints or more. The next LANES, where there are, are fetched into the cache: poses are
 * read a few numbers of each at a time, which processors do not foresee. */
INLINE void turn(const Poses *poses, ptrdiff_t rows, const char *from, double *tile, int more)
{
    const ptrdiff_t bytes = rows * (ptrdiff_t)(poses->single ? sizeof(float) : sizeof(double));
    if (more && poses->frame == bytes)
        for (ptrdiff_t i = 0; i < LANES * bytes; i += 64) __builtin_prefetch(from + LANES * bytes + i);
    for (int l = 0; l < LANES; l += 4, from += 4 * poses->frame)
        for (ptrdiff_t next = 0; next < rows; next += 4) {
            const ptrdiff_t i = next < rows - 4 ? next : rows - 4; /* the last four numbers may overlap those before */
            if (poses->single) turn_floats(from, poses->frame, i, tile + l);
            else turn_doubles(from, poses->frame, i, tile + l);
        }
}
#endif

/* Copy poses `start` ... `start + lanes` to (3 J, LANES), and add up their joints; lanes beyond are zero. `more` says that at least LANES
 * poses follow. */
INLINE void load(const Poses *poses, ptrdiff_t joints, ptrdiff_t start, int lanes, double *restrict tile, Lane *restrict sum, int more)
{
    (void)more;
    const ptrdiff_t size = poses->single ? sizeof(float) : sizeof(double), rows = 3 * joints;
    const char *from = poses->data + start * poses->frame;
    if (lanes < LANES) memset(tile, 0, rows * LANES * sizeof *tile);
    const int whole = poses->axis == size && poses->joint == 3 * size; /* a pose lies in one piece, as files have it */
#if defined(SHUFFLES)
    if (whole && lanes == LANES && rows >= 4) turn(poses, rows, from, tile, more);
    else
#endif
    if (whole) {
        for (int l = 0; l < lanes; l++, from += poses->frame) {
            if (poses->single) {
                for (ptrdiff_t i = 0; i < rows; i++) {
                    float value;
                    memcpy(&value, from + i * sizeof value, sizeof value);
                    tile[i * LANES + l] = value;
                }
            } else {
                for (ptrdiff_t i = 0; i < rows; i++) memcpy(tile + i * LANES + l, from + i * sizeof *tile, sizeof *tile);
            }
        }
    } else {
        double *to = tile;
        for (ptrdiff_t j = 0; j < joints; j++)
            for (int c = 0; c < 3; c++, to += LANES) {
                const char *first = from + j * poses->joint + c * poses->axis;
                if (poses->single) {
                    for (int l = 0; l < lanes; l++) {
                        float value;
                        memcpy(&value, first + l * poses->frame, sizeof value);
                        to[l] = value;
                    }
                } else if (poses->frame == size) { /* frames lie side by side, as the scorer has them */
                    memcpy(to, first, lanes * sizeof *to);
                } else {
                    for (int l = 0; l < lanes; l++) memcpy(to + l, first + l * poses->frame, sizeof *to);
                }
            }
    }
    sum_joints(tile, joints, sum);
}

/* Proper rotations that maximise tr(R^T K), and these traces, for K of unit norm or zero. */
INLINE void rotate(const Lane *restrict k, const Lane *restrict cof, const double *restrict det, Lane *restrict r, double *restrict root)
{
    Lane q, step, divisor;
    EACH_LANE q[l] = 0.0;
    for (int i = 0; i < 9; i++) EACH_LANE q[l] += cof[i][l] * cof[i][l];
    EACH_LANE {
        double twice = 2.0 * det[l];
        double start = sqrt(1.0 + 2.0 * sqrt(q[l]));
        /* One turn of l^2 = 1 + 2 sqrt(q + 2 d l) saves two steps where d > 0; where d < 0 it would leave the largest root's side. */
        root[l] = sqrt(1.0 + 2.0 * sqrt(q[l] + (twice > 0.0 ? twice : 0.0) * start));
        step[l] = INFINITY;
    }
    for (int n = 0; n < MOST_STEPS; n++) {
        int moving = 0;
        EACH_LANE {
            double e = 0.5 * (root[l] * root[l] - 1.0);
            double next = (e * e - q[l] - 2.0 * det[l] * root[l]) / (2.0 * (root[l] * e - det[l]));
            /* A lane that stands still keeps its root, so that its bits do not depend on the other lanes. */
            step[l] = fabs(step[l]) <= STILL ? 0.0 : next;
            root[l] -= step[l];
            moving |= fabs(step[l]) > STILL;
        }
        if (!moving) break;
    }
    EACH_LANE {
        double e = 0.5 * (root[l] * root[l] - 1.0), d = root[l] * e - det[l], over = 1.0 / d, t = root[l] * over;
        double a = k[0][l], b = k[1][l], c = k[2][l], f = k[3][l], g = k[4][l], h = k[5][l], m = k[6][l], n = k[7][l], o = k[8][l];
        /* (e + 1 - K^T K) / D, which is symmetric. */
        double aa = (e + 1.0 - DOT(a, f, m, a, f, m)) * over, bb = (e + 1.0 - DOT(b, g, n, b, g, n)) * over;
        double cc = (e + 1.0 - DOT(c, h, o, c, h, o)) * over;
        double ab = -DOT(a, f, m, b, g, n) * over, ac = -DOT(a, f, m, c, h, o) * over, bc = -DOT(b, g, n, c, h, o) * over;
        r[0][l] = t * cof[0][l] + DOT(a, b, c, aa, ab, ac);
        r[1][l] = t * cof[1][l] + DOT(a, b, c, ab, bb, bc);
        r[2][l] = t * cof[2][l] + DOT(a, b, c, ac, bc, cc);
        r[3][l] = t * cof[3][l] + DOT(f, g, h, aa, ab, ac);
        r[4][l] = t * cof[4][l] + DOT(f, g, h, ab, bb, bc);
        r[5][l] = t * cof[5][l] + DOT(f, g, h, ac, bc, cc);
        r[6][l] = t * cof[6][l] + DOT(m, n, o, aa, ab, ac);
        r[7][l] = t * cof[7][l] + DOT(m, n, o, ab, bb, bc);
        r[8][l] = t * cof[8][l] + DOT(m, n, o, ac, bc, cc);
        divisor[l] = d;
    }
    int lost = 0;
    EACH_LANE lost |= !(fabs(step[l]) <= STILL && divisor[l] > UNSTABLE * fabs(root[l] * root[l] * root[l]));
    for (int l = 0; lost && l < LANES; l++) {
        if (fabs(step[l]) <= STILL && divisor[l] > UNSTABLE * fabs(root[l] * root[l] * root[l])) continue;
        double one[9], found[9], trace;
        for (int i = 0; i < 9; i++) one[i] = k[i][l];
        decompose(one, found, &trace);
        for (int i = 0; i < 9; i++) r[i][l] = found[i];
        root[l] = trace;
    }
}

/* |M y - x| of every joint into a column of `out` (J, N); y and x are (3 J, LANES). */
INLINE void store_errors(const Lane *restrict m, const double *restrict y, const double *restrict x, ptrdiff_t joints, int lanes,
                         double *restrict out, ptrdiff_t count)
{
    for (ptrdiff_t j = 0; j < joints; j++, y += 3 * LANES, x += 3 * LANES, out += count) {
        Lane error;
        EACH_LANE {
            double a = y[l], b = y[LANES + l], c = y[2 * LANES + l];
            double p = m[0][l] * a + m[1][l] * b + m[2][l] * c - x[l];
            double q = m[3][l] * a + m[4][l] * b + m[5][l] * c - x[LANES + l];
            double r = m[6][l] * a + m[7][l] * b + m[8][l] * c - x[2 * LANES + l];
            error[l] = sqrt(p * p + q * q + r * r);
        }
        if (lanes == LANES) memcpy(out, error, sizeof error);
        else memcpy(out, error, lanes * sizeof *error);
    }
}

/* |s y - x| of every joint, as store_errors. */
INLINE void store_scaled(const double *restrict s, const double *restrict y, const double *restrict x, ptrdiff_t joints, int lanes,
                         double *restrict out, ptrdiff_t count)
{
    for (ptrdiff_t j = 0; j < joints; j++, y += 3 * LANES, x += 3 * LANES, out += count) {
        Lane error;
        EACH_LANE {
            double p = s[l] * y[l] - x[l], q = s[l] * y[LANES + l] - x[LANES + l], r = s[l] * y[2 * LANES + l] - x[2 * LANES + l];
            error[l] = sqrt(p * p + q * q + r * r);
        }
        if (lanes == LANES) memcpy(out, error, sizeof error);
        else memcpy(out, error, lanes * sizeof *error);
    }
}

/* Align the poses `start` ... `start + lanes`; `x` and `y` are room for 3 J LANES numbers each. */
INLINE int align_tile(const Job *job, ptrdiff_t start, int lanes, double *x, double *y)
{
    const ptrdiff_t joints = job->joints, count = job->count;
    const double *from_x = x, *from_y = y; /* as they are given; `x` and `y` take them about their means */
    Lane x_mean[3], y_mean[3];
    if (job->tiles[0]) {
        from_x = job->tiles[0];
        from_y = job->tiles[1];
        sum_joints(from_x, joints, x_mean);
        sum_joints(from_y, joints, y_mean);
    } else {
        load(&job->truth, joints, start, lanes, x, x_mean, count - start >= 2 * LANES);
        load(&job->pred, joints, start, lanes, y, y_mean, count - start >= 2 * LANES);
    }
    int doubtful = 0;
    for (int c = 0; c < 3; c++) EACH_LANE doubtful |= !(fabs(x_mean[c][l]) < INFINITY) | !(fabs(y_mean[c][l]) < INFINITY);
    for (int l = 0; doubtful && l < lanes; l++) {
        for (int c = 0; c < 3; c++)
            if (!(fabs(x_mean[c][l]) < INFINITY)) return TRUTH_NOT_FINITE; /* or too large to be added up */
        if (all_finite(from_y, joints, l)) continue; /* as those of `tiles` are */
        for (ptrdiff_t i = 0; i < 3 * joints; i++) y[i * LANES + l] = 0.0;
        for (int c = 0; c < 3; c++) y_mean[c][l] = 0.0;
    }

    const int placed_by = job->placed ? job->placed_by : ALIGNMENTS, placed_by_rotation = placed_by >= RIGID && placed_by < ALIGNMENTS;
    Lane m[9]; /* the matrix of the alignment at hand */
    Lane scale;
    if (job->errors[NONE]) {
        EACH_LANE scale[l] = 1.0;
        store_scaled(scale, from_y, from_x, joints, lanes, job->errors[NONE] + start, count);
    }
    if (job->errors[SCALE] || placed_by == SCALE) {
        Lane xy, yy;
        EACH_VEC {
            Vec across = {0}, size = {0};
            for (ptrdiff_t i = 0; i < 3 * joints; i++) {
                const Vec each = CONST_VEC(from_y + i * LANES);
                across += CONST_VEC(from_x + i * LANES) * each;
                size += each * each;
            }
            VEC(xy) = across, VEC(yy) = size;
        }
        EACH_LANE scale[l] = xy[l] / (yy[l] > 0.0 ? yy[l] : 1.0);
        if (job->errors[SCALE]) store_scaled(scale, from_y, from_x, joints, lanes, job->errors[SCALE] + start, count);
    }
    if (placed_by == NONE || placed_by == SCALE) {
        for (int c = 0; c < 3; c++)
            for (ptrdiff_t j = 0; j < joints; j++)
                for (int l = 0; l < lanes; l++) {
                    double value = from_y[(3 * j + c) * LANES + l];
                    job->placed[(c * joints + j) * count + start + l] = placed_by == SCALE ? scale[l] * value : value;
                }
    }

    const int rotates = job->errors[RIGID] || job->errors[SIMILARITY] || job->errors[REFLECTION] || placed_by_rotation || job->transform;
    if (!rotates && !job->flipped) return FINE;

    /* Centre. */
    Lane x_size, y_size;
    for (int c = 0; c < 3; c++)
        EACH_LANE {
            x_mean[c][l] /= joints;
            y_mean[c][l] /= joints;
        }
    EACH_LANE x_size[l] = y_size[l] = 0.0;
    Lane k[9];
    for (int i = 0; i < 9; i++) EACH_LANE k[i][l] = 0.0;
    for (ptrdiff_t j = 0; j < joints; j++)
        EACH_LANE {
            const double *fx = from_x + 3 * j * LANES + l, *fy = from_y + 3 * j * LANES + l;
            double *xs = x + 3 * j * LANES + l, *ys = y + 3 * j * LANES + l;
            double x0 = fx[0] - x_mean[0][l], x1 = fx[LANES] - x_mean[1][l], x2 = fx[2 * LANES] - x_mean[2][l];
            double y0 = fy[0] - y_mean[0][l], y1 = fy[LANES] - y_mean[1][l], y2 = fy[2 * LANES] - y_mean[2][l];
            xs[0] = x0, xs[LANES] = x1, xs[2 * LANES] = x2;
            ys[0] = y0, ys[LANES] = y1, ys[2 * LANES] = y2;
            x_size[l] += x0 * x0 + x1 * x1 + x2 * x2;
            y_size[l] += y0 * y0 + y1 * y1 + y2 * y2;
            k[0][l] += x0 * y0, k[1][l] += x0 * y1, k[2][l] += x0 * y2;
            k[3][l] += x1 * y0, k[4][l] += x1 * y1, k[5][l] += x1 * y2;
            k[6][l] += x2 * y0, k[7][l] += x2 * y1, k[8][l] += x2 * y2;
        }
    Lane keep; /* 0 for a prediction without extent, or of no sensible size */
    int any_collapsed = 0;
    EACH_LANE {
        double centre = y_mean[0][l] * y_mean[0][l] + y_mean[1][l] * y_mean[1][l] + y_mean[2][l] * y_mean[2][l];
        keep[l] = y_size[l] > EXTENT * joints * centre && y_size[l] < LARGEST;
        any_collapsed |= keep[l] == 0.0;
    }
    if (any_collapsed) {
        for (ptrdiff_t i = 0; i < 3 * joints; i++) EACH_LANE y[i * LANES + l] = keep[l] == 0.0 ? 0.0 : y[i * LANES + l];
        for (int i = 0; i < 9; i++) EACH_LANE k[i][l] = keep[l] == 0.0 ? 0.0 : k[i][l];
        EACH_LANE y_size[l] = keep[l] == 0.0 ? 0.0 : y_size[l];
    }
    Lane norm, cof[9], det;
    EACH_LANE norm[l] = 0.0;
    for (int i = 0; i < 9; i++) EACH_LANE norm[l] += k[i][l] * k[i][l];
    EACH_LANE norm[l] = sqrt(norm[l]);
    for (int i = 0; i < 9; i++) EACH_LANE k[i][l] /= norm[l] > 0.0 ? norm[l] : 1.0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) { /* rows and columns continued cyclically: a cofactor is the same expression everywhere */
            const double *p = k[(i + 1) % 3 * 3 + (j + 1) % 3], *q = k[(i + 2) % 3 * 3 + (j + 2) % 3];
            const double *r = k[(i + 1) % 3 * 3 + (j + 2) % 3], *s = k[(i + 2) % 3 * 3 + (j + 1) % 3];
            EACH_LANE cof[3 * i + j][l] = p[l] * q[l] - r[l] * s[l];
        }
    EACH_LANE det[l] = DOT(k[0][l], k[1][l], k[2][l], cof[0][l], cof[1][l], cof[2][l]);
    int too_large = 0;
    EACH_LANE too_large |= !(norm[l] < INFINITY);
    if (too_large) return TRUTH_TOO_LARGE;
    if (job->flipped)
        for (int l = 0; l < lanes; l++) {
            double size = x_size[l] * y_size[l];
            job->flipped[start + l] = det[l] < 0.0 && -det[l] * norm[l] * norm[l] * norm[l] > PLANAR * size * sqrt(size);
        }
    if (!rotates) return FINE;

    Lane r[9], trace;
    rotate(k, cof, det, r, trace);
    EACH_LANE scale[l] = trace[l] * norm[l] / (y_size[l] > 0.0 ? y_size[l] : 1.0);
    if (job->errors[RIGID]) store_errors(r, y, x, joints, lanes, job->errors[RIGID] + start, count);
    for (int i = 0; i < 9; i++) EACH_LANE m[i][l] = scale[l] * r[i][l];
    if (job->errors[SIMILARITY]) store_errors(m, y, x, joints, lanes, job->errors[SIMILARITY] + start, count);
    if (job->transform)
        for (int l = 0; l < lanes; l++) {
            double *out = job->transform + start + l, factor = job->transform_scales ? scale[l] : 1.0;
            out[0] = factor;
            for (int i = 0; i < 9; i++) out[(1 + i) * count] = r[i][l];
            for (int i = 0; i < 3; i++)
                out[(10 + i) * count] = x_mean[i][l] - factor * (r[3 * i][l] * y_mean[0][l] + r[3 * i + 1][l] * y_mean[1][l] + r[3 * i + 2][l] * y_mean[2][l]);
        }
    if (job->errors[REFLECTION] || placed_by == REFLECTION) {
        int mirrored = 0;
        EACH_LANE mirrored |= det[l] < 0.0;
        if (mirrored) { /* the best proper rotation of -y; cof(-K) = cof K */
            Lane other[9], sign, other_det, turned[9], other_trace;
            EACH_LANE {
                sign[l] = det[l] < 0.0 ? -1.0 : 1.0;
                other_det[l] = sign[l] * det[l];
            }
            for (int i = 0; i < 9; i++) EACH_LANE other[i][l] = sign[l] * k[i][l];
            rotate(other, cof, other_det, turned, other_trace);
            for (int i = 0; i < 9; i++)
                EACH_LANE {
                    double best = -other_trace[l] * norm[l] / (y_size[l] > 0.0 ? y_size[l] : 1.0) * turned[i][l];
                    m[i][l] = det[l] < 0.0 ? best : m[i][l];
                }
        }
        double *out = job->errors[REFLECTION] ? job->errors[REFLECTION] + start : NULL;
        if (out && !mirrored && job->errors[SIMILARITY]) /* the reflection is the similarity */
            for (ptrdiff_t j = 0; j < joints; j++) memcpy(out + j * count, job->errors[SIMILARITY] + start + j * count, lanes * sizeof *out);
        else if (out) store_errors(m, y, x, joints, lanes, out, count);
    }
    if (placed_by_rotation) {
        const Lane *by = placed_by == RIGID ? r : m;
        for (int c = 0; c < 3; c++)
            for (ptrdiff_t j = 0; j < joints; j++) {
                const double *ys = y + 3 * j * LANES;
                double *out = job->placed + (c * joints + j) * count + start;
                for (int l = 0; l < lanes; l++)
                    out[l] = by[3 * c][l] * ys[l] + by[3 * c + 1][l] * ys[LANES + l] + by[3 * c + 2][l] * ys[2 * LANES + l] + x_mean[c][l];
            }
    }
    return FINE;
}

static int align_all(const Job *job)
{
    size_t size = 3 * (size_t)job->joints * LANES;
    /* Rows on cache lines: malloc gives 16 bytes, vectors want 64. */
    char *memory = job->room ? NULL : malloc(2 * size * sizeof(double) + 64);
    if (!memory && !job->room) return NO_MEMORY;
    double *x = job->room ? job->room : (double *)(((uintptr_t)memory + 63) / 64 * 64), *y = x + size;
    int status = FINE;
    for (ptrdiff_t start = 0; start < job->count && status == FINE; start += LANES) {
        ptrdiff_t left = job->count - start;
        /* Two calls, so that the compiler knows the count of a whole tile. */
        status = left < LANES ? align_tile(job, start, (int)left, x, y) : align_tile(job, start, LANES, x, y);
    }
    free(memory);
    return status;
}

/* How many of the thresholds an error is below; posebench/metrics/thresholds.py has the reasons. */
INLINE double passed(double error, double first, double step, double over, double count)
{
    /* The number of the last threshold that is not above the error; the quotient may be off by one for its rounding. */
    double number = floor((error - first) * over);
    number += (number + 1.0) * step + first <= error ? 1.0 : 0.0;
    number -= number * step + first > error ? 1.0 : 0.0;
    double failed = number + 1.0;
    failed = failed < count ? failed : count; /* and where it is no number: the result is an index */
    failed = failed > 0.0 ? failed : 0.0;
    return count - failed;
}

/* Subtract the root from a predicted tile in mm, or set a lane to zero where its pose is invalid; `invalid` is 1 there.
 * `dot` is the product with the true tile, or NULL. Returns whether any is invalid. */
INLINE int take_root_off(const Report *job, double *tile, Lane origin[3], Lane invalid, const double *truth, double *dot)
{
    const ptrdiff_t rows = 3 * job->joints;
    Lane size, extent;
    for (int c = 0; c < 3; c++) {
        EACH_LANE origin[c][l] = 0.0;
        for (ptrdiff_t i = 0; i < job->roots; i++) EACH_LANE origin[c][l] += tile[(3 * job->root[i] + c) * LANES + l];
        if (job->roots > 1) EACH_LANE origin[c][l] /= job->roots;
    }
    EACH_VEC {
        const Vec at[3] = {CONST_VEC(origin[0]), CONST_VEC(origin[1]), CONST_VEC(origin[2])};
        Vec whole = {0}, about = {0}, product = {0};
        for (ptrdiff_t i = 0; i < rows; i += 3)
            for (int c = 0; c < 3; c++) {
                const Vec value = CONST_VEC(tile + (i + c) * LANES), relative = value - at[c];
                whole += value * value;
                about += relative * relative;
                if (dot) product += relative * CONST_VEC(truth + (i + c) * LANES);
                VEC(tile + (i + c) * LANES) = relative;
            }
        VEC(size) = whole, VEC(extent) = about;
        if (dot) VEC(dot) = product;
    }
    int any = 0;
    EACH_LANE {
        invalid[l] = size[l] < LARGEST_POSE && extent[l] > SMALLEST_EXTENT * size[l] ? 0.0 : 1.0;
        any |= invalid[l] != 0.0;
    }
    if (any)
        for (ptrdiff_t i = 0; i < rows; i++) EACH_LANE tile[i * LANES + l] = invalid[l] != 0.0 ? 0.0 : tile[i * LANES + l];
    return any;
}

/* Errors of every group's joints after every alignment that is asked for. `raw` are distances in camera coordinates. */
INLINE int errors_of_group(const Group *group, const Room *room, const double *raw, uint8_t *flipped)
{
    const ptrdiff_t joints = group->joints;
    const double *truth = room->truth, *pred = room->pred;
    int fitted = group->flips;
    for (int a = 0; a < ALIGNMENTS; a++) fitted |= group->wanted[a];
    if (group->wanted[ABSOLUTE])
        for (ptrdiff_t j = 0; j < joints; j++)
            memcpy(ERRORS_OF(room, joints, ABSOLUTE) + j * LANES, raw + group->joint[j] * LANES, sizeof(Lane));
    if (!fitted) return FINE;
    if (!group->whole) {
        for (ptrdiff_t j = 0; j < joints; j++) {
            memcpy(room->part_truth + 3 * j * LANES, truth + 3 * group->joint[j] * LANES, 3 * sizeof(Lane));
            memcpy(room->part_pred + 3 * j * LANES, pred + 3 * group->joint[j] * LANES, 3 * sizeof(Lane));
        }
        truth = room->part_truth;
        pred = room->part_pred;
    }
    Job part = {.tiles = {truth, pred}, .count = LANES, .joints = joints, .flipped = flipped, .room = room->x};
    for (int a = 0; a < ALIGNMENTS; a++)
        if (group->wanted[a]) part.errors[a] = ERRORS_OF(room, joints, a);
    return align_all(&part); /* lanes beyond the clip hold zeros, which are aligned for nothing */
}

/* Distances (J, LANES) in camera coordinates from a raw predicted and a raw true tile; an invalid pose has all joints at the true root. */
INLINE void camera_errors(const Report *job, const double *pred, const Lane pred_root[3], const Lane invalid, const double *truth,
                          const Lane true_root[3], double *out)
{
    Lane shift[3];
    for (int c = 0; c < 3; c++) EACH_LANE shift[c][l] = invalid[l] != 0.0 ? 0.0 : pred_root[c][l] - true_root[c][l];
    for (ptrdiff_t j = 0; j < job->joints; j++)
        EACH_LANE {
            const ptrdiff_t i = 3 * j * LANES + l;
            double p = pred[i] - truth[i] + shift[0][l];
            double q = pred[i + LANES] - truth[i + LANES] + shift[1][l];
            double r = pred[i + 2 * LANES] - truth[i + 2 * LANES] + shift[2][l];
            out[j * LANES + l] = sqrt(p * p + q * q + r * r);
        }
}

/* Add a row of values. Lanes beyond the clip hold zero. */
INLINE void add_row(double *sum, const double *value) { EACH_VEC VEC(sum) += CONST_VEC(value); }

/* Add the errors of a tile. `used` is 1 for the lanes of the clip and 0 beyond; `mean`, the sum over columns of each frame, may be NULL. */
INLINE void add_errors(Metric *metric, const double *errors, int lanes, const Lane used, double *mean)
{
    const double first = metric->first, step = metric->step, over = 1.0 / step, count = (double)metric->thresholds;
    if (metric->statistic == CPS) {
        Lane worst;
        EACH_LANE worst[l] = 0.0;
        for (ptrdiff_t k = 0; k < metric->columns; k++) {
            const double *row = errors + metric->column[k] * LANES;
            EACH_LANE worst[l] = row[l] > worst[l] ? row[l] : worst[l];
        }
        EACH_LANE {
            const double n = passed(worst[l], first, step, over, count);
            worst[l] = used[l] * (n - (0.5 * (n >= count) + 0.5 * (n >= 1.0))) * step;
        }
        ADD(metric->sum[0], mean, worst[l]);
        return;
    }
    for (ptrdiff_t k = 0; k < metric->columns; k++) {
        const double *row = errors + metric->column[k] * LANES;
        double *sum = metric->sum[k];
        if (metric->statistic == MEAN) { /* lanes beyond hold zero */
            add_row(sum, row);
            if (mean) add_row(mean, row);
        } else if (metric->statistic == PCK) {
            if (metric->inclusive) ADD(sum, mean, used[l] * (row[l] <= first ? 100.0 : 0.0));
            else ADD(sum, mean, used[l] * (row[l] < first ? 100.0 : 0.0));
        } else {
            int32_t *bin = metric->bin + k * LANES;
            EACH_LANE {
                const double n = passed(row[l], first, step, over, count);
                bin[l] = (int32_t)n;
                sum[l] += used[l] * n;
            }
            if (mean) EACH_LANE mean[l] += bin[l];
        }
    }
    if (metric->statistic != AUC) return;
    const ptrdiff_t columns = metric->columns;
    int32_t *bin = metric->bin;
    int64_t *bins = metric->bins;
    for (ptrdiff_t k = 0; lanes < LANES && k < columns; k++)
        for (int l = lanes; l < LANES; l++) bin[k * LANES + l] = (int32_t)metric->thresholds + 1;
    for (ptrdiff_t i = 0; i < columns * LANES; i += TABLES)
        for (int table = 0; table < TABLES; table++) bins[bin[i + table] * TABLES + table]++;
}

/* Keep the better of this hypothesis and those before, pose by pose and joint by joint. */
INLINE void keep_best(Metric *metric, const double *errors, int is_first)
{
    const ptrdiff_t columns = metric->columns;
    const int32_t *column = metric->column;
    Lane *pose = metric->pose_best, *joint = metric->joint_best;
    EACH_VEC {
        Vec mean = {0};
        for (ptrdiff_t k = 0; k < columns; k++) mean += CONST_VEC(errors + column[k] * LANES);
        if (is_first) { /* also where its mean is too large for a number */
            for (ptrdiff_t k = 0; k < columns; k++) VEC(pose[k]) = VEC(joint[k]) = CONST_VEC(errors + column[k] * LANES);
            VEC(metric->pose_mean[0]) = mean;
            continue;
        }
        const Vec least = VEC(metric->pose_mean[0]);
        const Mask better = mean < least;
        for (ptrdiff_t k = 0; k < columns; k++) {
            const Vec error = CONST_VEC(errors + column[k] * LANES), before = VEC(pose[k]), smallest = VEC(joint[k]);
            const Mask smaller = error < smallest;
            VEC(pose[k]) = CHOOSE(better, error, before);
            VEC(joint[k]) = CHOOSE(smaller, error, smallest);
        }
        VEC(metric->pose_mean[0]) = CHOOSE(better, mean, least);
    }
}

/* Lengths (bones, LANES) of a root-relative tile. */
INLINE void bone_lengths(const Report *job, const double *restrict tile, double *restrict out)
{
    for (ptrdiff_t b = 0; b < job->bones; b++) {
        const double *from = tile + 3 * job->bone[2 * b] * LANES, *to = tile + 3 * job->bone[2 * b + 1] * LANES;
        EACH_LANE {
            double x = to[l] - from[l], y = to[LANES + l] - from[LANES + l], z = to[2 * LANES + l] - from[2 * LANES + l];
            out[b * LANES + l] = sqrt(x * x + y * y + z * z);
        }
    }
}

/* Load a predicted tile in mm. */
INLINE void load_pred(const Report *job, ptrdiff_t hypothesis, ptrdiff_t start, int lanes, double *restrict tile, Lane *restrict sum)
{
    Poses poses = job->pred;
    poses.data += hypothesis * job->hypothesis;
    load(&poses, job->joints, start, lanes, tile, sum, job->count - start >= 2 * LANES);
    if (job->to_mm != 1.0)
        for (ptrdiff_t i = 0; i < 3 * job->joints; i++) EACH_LANE tile[i * LANES + l] *= job->to_mm;
}

/* Whether frame t follows the one before it at the protocol's stride. Numbers may be any: the difference wraps around, as numpy's. */
INLINE int is_next(const Report *job, ptrdiff_t t)
{
    return (uint64_t)job->number[t] - (uint64_t)job->number[t - 1] == (uint64_t)job->stride;
}

/* Load a true tile, and subtract its root. */
INLINE int load_truth(const Report *job, ptrdiff_t start, int lanes, double *tile, Lane true_root[3])
{
    Lane sum[3];
    load(&job->truth, job->joints, start, lanes, tile, sum, job->count - start >= 2 * LANES);
    int doubtful = 0;
    for (int c = 0; c < 3; c++) EACH_LANE doubtful |= !(fabs(sum[c][l]) < INFINITY);
    for (int l = 0; doubtful && l < lanes; l++)
        if (!all_finite(tile, job->joints, l)) return TRUTH_NOT_FINITE;
    for (int c = 0; c < 3; c++) {
        EACH_LANE true_root[c][l] = 0.0;
        for (ptrdiff_t i = 0; i < job->roots; i++) EACH_LANE true_root[c][l] += tile[(3 * job->root[i] + c) * LANES + l];
        if (job->roots > 1) EACH_LANE true_root[c][l] /= job->roots;
    }
    for (ptrdiff_t i = 0; i < 3 * job->joints; i += 3)
        for (int c = 0; c < 3; c++) EACH_VEC VEC(tile + (i + c) * LANES) -= CONST_VEC(true_root[c]);
    return FINE;
}

INLINE void add_to_mean(const Report *job, const Room *room)
{
    for (ptrdiff_t i = 0; i < 3 * job->joints; i++) EACH_VEC VEC(room->mean + i * LANES) += CONST_VEC(room->pred + i * LANES);
}

/* The mean of the hypotheses, from their sum. */
INLINE void take_mean(const Report *job, const Room *room)
{
    for (ptrdiff_t i = 0; i < 3 * job->joints; i++)
        EACH_LANE room->pred[i * LANES + l] = room->mean[i * LANES + l] / job->hypotheses;
}

/* Leave the differences of the frames before the first one where a tile before it would have left them. */
INLINE int look_back(const Report *job, const Room *room)
{
    const int lanes = (int)job->history;
    Lane sum[3], root[3], invalid;
    int status = load_truth(job, 0, lanes, room->truth, root);
    if (status != FINE) return status;
    if (job->hypotheses > 1) memset(room->mean, 0, 3 * job->joints * sizeof(Lane));
    for (ptrdiff_t h = 0; h < job->hypotheses; h++) {
        load_pred(job, h, 0, lanes, room->pred, sum);
        if (job->hypotheses > 1) add_to_mean(job, room);
    }
    if (job->hypotheses > 1) take_mean(job, room);
    take_root_off(job, room->pred, root, invalid, NULL, NULL);
    for (ptrdiff_t i = 0; i < 3 * job->joints; i++)
        for (int l = 0; l < lanes; l++)
            room->difference[i * (LANES + 2) + LANES + 2 - lanes + l] = room->pred[i * LANES + l] - room->truth[i * LANES + l];
    return FINE;
}

INLINE int measure_tile(Report *job, ptrdiff_t start, int lanes, const Room *room)
{
    const ptrdiff_t joints = job->joints, rows = 3 * joints;
    double *raw = room->errors + PLACES * joints * LANES; /* (J, LANES) */
    Lane sum[3], true_root[3], pred_root[3], invalid;
    int status;
    if ((status = load_truth(job, start, lanes, room->truth, true_root)) != FINE) return status;
    if (job->hypotheses > 1) memset(room->mean, 0, rows * sizeof(Lane));
    for (ptrdiff_t h = 0; h < job->hypotheses; h++) {
        load_pred(job, h, start, lanes, room->pred, sum);
        if (job->hypotheses > 1) add_to_mean(job, room);
        if (!job->oracles) continue;
        take_root_off(job, room->pred, pred_root, invalid, NULL, NULL);
        for (ptrdiff_t g = 0; g < job->groups; g++) {
            Group *group = &job->group[g];
            Group means = *group; /* only the alignments of mean errors have oracles */
            memset(means.wanted, 0, sizeof means.wanted);
            means.flips = 0;
            int any = 0;
            for (ptrdiff_t n = 0; n < job->metrics; n++)
                if (job->metric[n].group == g && job->metric[n].best_pose) any = means.wanted[job->metric[n].alignment] = 1;
            if (!any) continue;
            if (means.wanted[ABSOLUTE]) camera_errors(job, room->pred, pred_root, invalid, room->truth, true_root, raw);
            if ((status = errors_of_group(&means, room, raw, NULL)) != FINE) return status;
            for (ptrdiff_t n = 0; n < job->metrics; n++) {
                Metric *metric = &job->metric[n];
                if (metric->group == g && metric->best_pose) keep_best(metric, ERRORS_OF(room, group->joints, metric->alignment), h == 0);
            }
        }
    }
    if (job->hypotheses > 1) take_mean(job, room);
    else if (job->oracles) load_pred(job, 0, start, lanes, room->pred, sum); /* again, since its root was taken off */
    if (job->oracles)
        for (ptrdiff_t n = 0; n < job->metrics; n++) {
            Metric *metric = &job->metric[n];
            for (ptrdiff_t k = 0; metric->best_pose && k < metric->columns; k++) {
                add_row(metric->pose_sum[k], metric->pose_best[k]);
                add_row(metric->joint_sum[k], metric->joint_best[k]);
            }
        }

    /* The single pose, or the mean of the hypotheses. */
    Lane dot, used;
    EACH_LANE used[l] = l < lanes ? 1.0 : 0.0;
    const int any_invalid = take_root_off(job, room->pred, pred_root, invalid, room->truth, dot);
    for (int l = 0; l < lanes; l++) job->counts[NONPOSITIVE] += invalid[l] == 0.0 && dot[l] <= 0.0;
    if (any_invalid) {
        const double *raw_pred = room->mean; /* the sum of the hypotheses is finite where their mean is, but for its rounding */
        if (job->hypotheses == 1) {
            load_pred(job, 0, start, lanes, room->x, sum);
            raw_pred = room->x;
        }
        for (int l = 0; l < lanes; l++) {
            job->counts[INVALID] += invalid[l] != 0.0;
            job->counts[NONFINITE] += invalid[l] != 0.0 && !all_finite(raw_pred, joints, l);
        }
    }

    Lane valid[3]; /* 1 where a frame of the clip has that many neighbours before it */
    EACH_LANE valid[0][l] = used[l];
    if (job->differences) {
        const ptrdiff_t wide = LANES + 2;
        for (ptrdiff_t i = 0; i < rows; i++) {
            double *row = room->difference + i * wide;
            row[0] = row[LANES];
            row[1] = row[LANES + 1];
            EACH_LANE row[l + 2] = room->pred[i * LANES + l] - room->truth[i * LANES + l];
        }
        for (int l = 0; l < LANES; l++) {
            ptrdiff_t t = start + l;
            int one = l < lanes && t >= 1 && is_next(job, t);
            valid[1][l] = one;
            valid[2][l] = one && t >= 2 && is_next(job, t - 1);
        }
    }

    double *pred_bones = room->bones, *true_bones = room->bones + job->bones * LANES;
    if (job->lengths[0]) bone_lengths(job, room->pred, pred_bones);
    if (job->lengths[1]) bone_lengths(job, room->truth, true_bones);

    for (ptrdiff_t g = 0; g < job->groups; g++) {
        Group *group = &job->group[g];
        uint8_t flipped[LANES] = {0};
        if (group->wanted[ABSOLUTE]) camera_errors(job, room->pred, pred_root, invalid, room->truth, true_root, raw);
        if ((status = errors_of_group(group, room, raw, group->flips ? flipped : NULL)) != FINE) return status;
        for (ptrdiff_t n = 0; n < job->metrics; n++) {
            Metric *metric = &job->metric[n];
            if (metric->group != g) continue;
            Lane sums, value;
            ptrdiff_t columns = metric->columns;
            const double *keep = valid[0];
            double *mean = metric->frames ? sums : NULL;
            if (mean) EACH_LANE sums[l] = 0.0;
            if (metric->statistic <= CPS) {
                add_errors(metric, ERRORS_OF(room, group->joints, metric->alignment), lanes, used, mean);
                if (metric->statistic == CPS) columns = 1;
            } else if (metric->statistic == FLIP_RATE) {
                ADD(metric->sum[0], mean, flipped[l] ? 100.0 : 0.0);
                columns = 1;
            } else if (metric->statistic == BONE_LENGTH || metric->statistic == BONE_SYMMETRY) {
                for (ptrdiff_t k = 0; k < columns; k++) {
                    const int32_t *pair = job->pair + 2 * k;
                    const double *one = pred_bones + (metric->statistic == BONE_LENGTH ? k : pair[0]) * LANES;
                    const double *other = metric->statistic == BONE_LENGTH ? true_bones + k * LANES : pred_bones + pair[1] * LANES;
                    ADD(metric->sum[k], mean, fabs(one[l] - other[l]));
                }
            } else {
                const int order = metric->statistic == VELOCITY ? 1 : 2;
                keep = valid[order];
                for (ptrdiff_t k = 0; k < columns; k++) {
                    const double *row = room->difference + 3 * metric->column[k] * (LANES + 2);
                    const double *a = row, *b = row + LANES + 2, *c = row + 2 * (LANES + 2);
                    double *sum = metric->sum[k];
                    if (order == 1)
                        EACH_LANE {
                            double p = a[l + 2] - a[l + 1], q = b[l + 2] - b[l + 1], r = c[l + 2] - c[l + 1];
                            value[l] = keep[l] != 0.0 ? sqrt(p * p + q * q + r * r) : 0.0;
                            sum[l] += value[l];
                        }
                    else
                        EACH_LANE {
                            double p = (a[l + 2] - a[l + 1]) - (a[l + 1] - a[l]), q = (b[l + 2] - b[l + 1]) - (b[l + 1] - b[l]);
                            double r = (c[l + 2] - c[l + 1]) - (c[l + 1] - c[l]);
                            value[l] = keep[l] != 0.0 ? sqrt(p * p + q * q + r * r) : 0.0;
                            sum[l] += value[l];
                        }
                    if (mean) EACH_LANE mean[l] += value[l];
                }
            }
            for (int l = 0; l < lanes; l++) metric->count += keep[l] != 0.0;
            if (mean) {
                const double share = metric->statistic == AUC ? 100.0 / metric->thresholds / columns : 1.0 / columns;
                for (int l = 0; l < lanes; l++) metric->frames[start - job->history + l] = keep[l] != 0.0 ? mean[l] * share : NAN;
            }
        }
    }
    return FINE;
}

static int measure_all(Report *job, const Room *room)
{
    int status = job->history && job->differences ? look_back(job, room) : FINE;
    for (ptrdiff_t start = job->history; start < job->count && status == FINE; start += LANES) {
        ptrdiff_t left = job->count - start;
        status = measure_tile(job, start, left < LANES ? (int)left : LANES, room);
    }
    return status;
}

#endif
