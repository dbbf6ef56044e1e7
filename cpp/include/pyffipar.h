/* The whole C ABI of pyffipar's native half: describe a foreign function, describe a job over arrays, run it.
 *
 * Plain C99. Every function that can fail returns a pyffipar_status; the text that belongs to it is kept per
 * thread and read with pyffipar_last_error(). No exception ever crosses this boundary. */
#ifndef PYFFIPAR_H
#define PYFFIPAR_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define PYFFIPAR_EXPORT __declspec(dllexport)
#else
#define PYFFIPAR_EXPORT __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever a struct, an enum or a signature below changes; compared when the Python half loads the
 * library. */
#define PYFFIPAR_ABI_VERSION 3

typedef enum pyffipar_status {
    PYFFIPAR_DONE = 0,      /* the call did what it was asked to */
    PYFFIPAR_PENDING = 1,   /* the time slice ran out before the job ended: call pyffipar_resume() */
    PYFFIPAR_FAILED = 2,    /* at least one foreign call failed: see the job's failures */
    PYFFIPAR_CANCELLED = 3, /* cancelled; chunks not begun were dropped, none is running any more */
    PYFFIPAR_INVALID = 4,   /* bad argument: nothing was done */
    PYFFIPAR_NO_MEMORY = 5, /* an allocation failed: no foreign call was made */
    PYFFIPAR_ERROR = 6      /* any other error: see pyffipar_last_error() */
} pyffipar_status;

/* The C types a foreign function may take or return, and the element types arrays may hold. */
typedef enum pyffipar_type {
    PYFFIPAR_VOID = 0,
    PYFFIPAR_BOOL = 1,
    PYFFIPAR_I8 = 2,
    PYFFIPAR_U8 = 3,
    PYFFIPAR_I16 = 4,
    PYFFIPAR_U16 = 5,
    PYFFIPAR_I32 = 6,
    PYFFIPAR_U32 = 7,
    PYFFIPAR_I64 = 8,
    PYFFIPAR_U64 = 9,
    PYFFIPAR_F16 = 10, /* only as an element type: no C function takes one by value */
    PYFFIPAR_F32 = 11,
    PYFFIPAR_F64 = 12,
    PYFFIPAR_C64 = 13,  /* float _Complex */
    PYFFIPAR_C128 = 14, /* double _Complex */
    PYFFIPAR_POINTER = 15,
    PYFFIPAR_BYTES =
        16 /* only as an element type: pyffipar_argument.element_size bytes, copied as they are */
} pyffipar_type;

/* How the value of one C argument is made for one call.
 *
 * A call is one (item, chunk) pair: `item` counts through the loop shape in C order, `chunk` through the grid
 * along the size that is cut. It covers items [start, start + length) of that size. Its number is
 *     item * chunks + chunk
 * and the address of its data (all in bytes; a stride of 0 broadcasts) is
 *     base + sum(loop_index[d] * loop_strides[d]) + start * step + number * slot */
typedef enum pyffipar_kind {
    PYFFIPAR_CONSTANT = 0, /* `value`, the same for every call */
    PYFFIPAR_LENGTH = 1,   /* the call's own length, as `type` */
    PYFFIPAR_LINEAR = 2,   /* value read at the address (or `value` if base is NULL) + start * numerator /
                              denominator; integers round that fraction towards zero */
    PYFFIPAR_LOAD = 3,     /* the scalar at the address, converted from `element` to `type` */
    PYFFIPAR_CARRY = 4,    /* as LOAD in chunk 0; `value` in all others */
    PYFFIPAR_ADDRESS = 5,  /* address + shift, handed over as a pointer */
    PYFFIPAR_BUFFER = 6, /* pointer + shift into a buffer of the worker's own: filled from the address before
                            the call (READ), written back after it (WRITTEN); element by element, cast between
                            `element` (in memory) and `type` (as the function sees it) */
    PYFFIPAR_WORKER = 7, /* the pointer at base + worker * sizeof(void *): one handle per worker */
    PYFFIPAR_STORE = 8,  /* only as pyffipar_job.result: the returned value, converted from `type` to
                            `element`, is written to the address */
    PYFFIPAR_TASK = 9 /* the pointer at base + task * sizeof(void *): one handle per task, which is the call's
                         number / job->grain */
} pyffipar_kind;

/* What stands beyond the ends of the cut dimension of an array a b c. */
typedef enum pyffipar_boundary {
    PYFFIPAR_NONE = 0,    /* nothing: the array is as long as what is read */
    PYFFIPAR_REFLECT = 1, /* b a | a b c | c b */
    PYFFIPAR_MIRROR = 2,  /* c b | a b c | b a; a single element is repeated */
    PYFFIPAR_NEAREST = 3, /* a a | a b c | c c */
    PYFFIPAR_WRAP = 4,    /* b c | a b c | a b */
    PYFFIPAR_FILL = 5     /* pyffipar_argument.value, in the member `type` names (F16: d) */
} pyffipar_boundary;

enum {
    PYFFIPAR_READ = 1,    /* BUFFER: gather before the call */
    PYFFIPAR_WRITTEN = 2, /* BUFFER: scatter after the call */
    PYFFIPAR_SWAPPED = 4  /* the elements in memory are in the other byte order */
};

/* The value of an argument, in the member its type names; narrow integers are held extended to 64 bits. */
typedef union pyffipar_value {
    int64_t i;
    uint64_t u;
    float f;
    double d;
    void *p;
    float c64[2];
    double c128[2];
} pyffipar_value;

/* One C argument (or the result): how it is made for every call of a job. Unused members are zero. */
typedef struct pyffipar_argument {
    int32_t kind;         /* a pyffipar_kind */
    int32_t type;         /* a pyffipar_type: as the function sees it (for BUFFER: the pointed-to element) */
    int32_t element;      /* a pyffipar_type: as it lies in memory */
    int32_t flags;        /* READ, WRITTEN, SWAPPED */
    int64_t element_size; /* bytes of an element in memory; with BYTES, also as the function sees it */
    void *base;
    const int64_t *loop_strides; /* bytes, job->loop_ndim of them; NULL means all zero */
    int64_t step;  /* bytes from one item of the cut size to the next; 0 if this argument is not cut */
    int64_t slot;  /* bytes from one call's own place to the next; 0 if calls share it */
    int64_t shift; /* bytes between the first element covered and the pointer handed over */
    pyffipar_value value;
    int64_t numerator; /* LINEAR */
    int64_t denominator;
    int64_t core_ndim;           /* BUFFER: dimensions of one call's data */
    const int64_t *core_shape;   /* BUFFER: elements; entry 0 is ignored where factor is not 0 */
    const int64_t *core_strides; /* BUFFER: bytes in memory; in the buffer it is C-contiguous */
    int64_t factor;              /* BUFFER: if not 0, entry 0 of the shape is factor * length + offset */
    int64_t offset;
    /* ADDRESS and BUFFER with a boundary: `base` is element 0 of the array, and a call covers the elements
     *     [factor * start - before, factor * start - before + factor * length + offset)
     * of the leading core dimension. Where that sticks out of [0, extent) they are gathered into the worker's
     * buffer, those outside made up; else nothing is copied that would not be without a boundary. Either way
     * the pointer handed over is the address of the first element covered, plus shift. factor must be set and
     * the core described as for BUFFER; ADDRESS wants it packed. Nothing is written beyond the ends, so
     * WRITTEN is refused. */
    int32_t boundary; /* a pyffipar_boundary; with NONE the next two are not looked at */
    int32_t reserved;
    int64_t before; /* elements read before the chunk's first */
    int64_t extent; /* elements the whole array has along its leading core dimension */
} pyffipar_argument;

/* One failed foreign call. */
typedef struct pyffipar_failure {
    int64_t call;   /* its number */
    int64_t value;  /* the returned status, if it was the status that was wrong */
    int32_t reason; /* a pyffipar_reason */
    int32_t error;  /* errno right after the call */
    char text[232]; /* what() of a C++ exception, else empty; always NUL-terminated */
} pyffipar_failure;

typedef enum pyffipar_reason {
    PYFFIPAR_BAD_STATUS = 1, /* the returned value was not as job->check_status wants it */
    PYFFIPAR_EXCEPTION = 2   /* a C++ exception left the foreign function */
} pyffipar_reason;

/* A foreign function prepared for calling: address, signature, and what was learnt of its speed. */
typedef struct pyffipar_function pyffipar_function;

/* What one thread did in one go: calls that it had claimed together. */
typedef struct pyffipar_span {
    int64_t first;  /* number of its first call */
    int64_t last;   /* one past the last that ended, be it by failing */
    int64_t worker; /* which of the job's participants it was; 0 is the caller */
    int64_t thread; /* the system's number of the thread */
    int64_t begin;  /* nanoseconds, by CLOCK_MONOTONIC (macOS: CLOCK_UPTIME_RAW) */
    int64_t end;
    int64_t cpu; /* nanoseconds in which the thread had a CPU; 0 where the system does not tell */
} pyffipar_span;

/* A job: every call of one function over one set of arrays. The caller fills it, owns it and everything it
 * points to, and keeps all of it alive and unmoved until the job has ended (any status but PENDING). */
typedef struct pyffipar_job {
    pyffipar_function *function;
    const pyffipar_argument *arguments; /* one per C parameter */
    pyffipar_argument result;           /* STORE, or CONSTANT if the returned value is not kept */
    int64_t loop_ndim;
    const int64_t *loop_shape; /* loop_ndim extents; their product is the number of items */
    int64_t length;            /* extent of the size that is cut; 0 with chunks = 1 if none is */
    int64_t chunk;             /* its extent in every chunk but the last, which takes what is left */
    int64_t chunks;            /* chunks per item, at least 1 */
    int64_t grain;             /* calls handed out together, at least 1: the unit of work a worker claims */
    int64_t threads;           /* most threads that may work on this job, the caller included; at least 1 */
    int64_t check_status; /* a returned integer is a failure if it is 1: not `expected`; 2: below `expected`;
                             3: not the call's own length */
    int64_t expected;
    pyffipar_failure *failures; /* room for max_failures of them; beyond that they are counted, not kept */
    int64_t max_failures;
    pyffipar_span *spans; /* room for max_spans of them, in no order, or NULL: then nothing is noted */
    int64_t max_spans;    /* beyond that they are counted, not kept; there are never more than calls */
    /* Written by the library. */
    int64_t failure_count;
    int64_t span_count; /* as of the last return of run or resume; complete at the end */
    int64_t
        calls_done;  /* foreign calls that ended, as of the last return of run or resume; exact at the end */
    int64_t workers; /* threads that took part, the caller included */
    void *state;     /* the library's own while PENDING, else NULL */
} pyffipar_job;

/* PYFFIPAR_ABI_VERSION this library was built with. */
PYFFIPAR_EXPORT int32_t pyffipar_abi_version(void);

/* One line of how this library was built: version, compiler, build type, libffi, register call, sanitizer.
 * Static storage. */
PYFFIPAR_EXPORT const char *pyffipar_build_info(void);

/* The text of this thread's last status other than DONE and PENDING; never NULL. Valid until this thread's
 * next call. */
PYFFIPAR_EXPORT const char *pyffipar_last_error(void);

/* Prepare the function at `address` for calling. `types` holds `count` argument types (pointers as POINTER).
 * `path`: 0 chooses the cheapest way to call it, 1 insists on libffi, 2 insists on the register call (INVALID
 * if the signature does not fit in registers). */
PYFFIPAR_EXPORT pyffipar_status pyffipar_function_create(void *address, int32_t result, const int32_t *types,
                                                         int64_t count, int32_t path,
                                                         pyffipar_function **function);

/* Forget a function. No job of it may be pending. NULL is fine. */
PYFFIPAR_EXPORT void pyffipar_function_destroy(pyffipar_function *function);

/* "register" or "libffi": how calls are made. Static storage. */
PYFFIPAR_EXPORT const char *pyffipar_function_path(const pyffipar_function *function);

/* Run a job: the calling thread works on it together with the pool's workers.
 *
 * Returns PENDING when slice_ns nanoseconds have passed before the end (a slice is looked at between the
 * caller's tasks, so it can be exceeded by one of them); INT64_MAX waits to the end. Reentrant: a call made
 * from inside a foreign function that runs on behalf of a job is worked off by that thread alone. */
PYFFIPAR_EXPORT pyffipar_status pyffipar_run(pyffipar_job *job, int64_t slice_ns);

/* Go on with a job that is PENDING. */
PYFFIPAR_EXPORT pyffipar_status pyffipar_resume(pyffipar_job *job, int64_t slice_ns);

/* Drop every task of a PENDING job that has not begun. The job still has to be resumed to its end. Any thread
 * may call this. */
PYFFIPAR_EXPORT void pyffipar_cancel(pyffipar_job *job);

/* The most threads a job may use, callers included: workers above it are sent home. Read and set by
 * threadpoolctl. Set before the first job it decides how many workers there will ever be at once; at least 1.
 */
PYFFIPAR_EXPORT void pyffipar_set_num_threads(int64_t threads);
PYFFIPAR_EXPORT int64_t pyffipar_get_num_threads(void);

/* Worker threads that exist now (started lazily; 0 before the first parallel job and in a forked child). */
PYFFIPAR_EXPORT int64_t pyffipar_worker_count(void);

/* Bytes of stack for workers started from now on. 0, the default, is as much as the main thread has, at least
 * 8 MiB; else between 64 KiB and 16 GiB (INVALID otherwise). */
PYFFIPAR_EXPORT pyffipar_status pyffipar_set_stack_size(int64_t bytes);

/* For the end of the process: from now on pyffipar_run() returns ERROR, and every job drops the tasks it has
 * not begun, as if cancelled. Waits at most wait_ns until the running tasks have ended and returns the number
 * of jobs of which some are still running. A forked child starts afresh. */
PYFFIPAR_EXPORT int64_t pyffipar_shutdown(int64_t wait_ns);

/* 1 on a thread that is inside a foreign call made for a job, else 0. */
PYFFIPAR_EXPORT int32_t pyffipar_in_call(void);

/* ---- Calls from CPython without ctypes in between ----
 *
 * ctypes takes longer to convert what it is given than a small job takes. CPython calls the three functions
 * at the end of this part itself, as methods of built-in objects. The library is neither compiled nor linked
 * against any version of Python: objects are void * to it, and it is told of the functions by which it asks
 * about them. All of these are of Python's stable ABI. */

typedef struct pyffipar_interpreter {
    void *(*save_thread)(void);                               /* PyEval_SaveThread */
    void (*restore_thread)(void *);                           /* PyEval_RestoreThread */
    void *(*capsule_pointer)(void *capsule, const char *);    /* PyCapsule_GetPointer */
    void *(*call)(void *callable, ...);                       /* PyObject_CallFunctionObjArgs */
    void *(*new_tuple)(intptr_t size);                        /* PyTuple_New */
    int (*set_item)(void *tuple, intptr_t at, void *value);   /* PyTuple_SetItem */
    intptr_t (*tuple_size)(void *tuple);                      /* PyTuple_Size */
    void *(*get_item)(void *tuple, intptr_t at);              /* PyTuple_GetItem */
    void *(*new_weak_reference)(void *object, void *);        /* PyWeakref_NewRef */
    int (*is_subtype)(void *type, void *base);                /* PyType_IsSubtype */
    double (*float_value)(void *object);                      /* PyFloat_AsDouble */
    long long (*int_value)(void *object, int *does_overflow); /* PyLong_AsLongLongAndOverflow */
    void *(*new_int)(long value);                             /* PyLong_FromLong */
    void *(*new_float)(double value);                         /* PyFloat_FromDouble */
    void (*take_reference)(void *object);                     /* Py_IncRef */
    void (*drop_reference)(void *object);                     /* Py_DecRef */
    unsigned long (*thread_ident)(void);                      /* PyThread_get_thread_ident */
    void *array_type;                                         /* numpy.ndarray */
    void *float_type;                                         /* float */
    void *double_type;                                        /* numpy.float64, which is one, too */
    void *int_type;
    void *none;
    void *not_implemented;
    void *ellipsis;
    int64_t head;     /* bytes in front of an object's own members; the last word of them is its type */
    int64_t is_asked; /* not 0: jobs of repertoires are left to take_up, which may want to look on. May change
                         at any time */
} pyffipar_interpreter;

typedef enum pyffipar_operand_kind {
    PYFFIPAR_ARRAY = 1,   /* a numpy.ndarray with this dtype, these flags, this shape and these strides */
    PYFFIPAR_SIZE = 2,    /* an int that is `size` */
    PYFFIPAR_WHOLE = 3,   /* an int */
    PYFFIPAR_FLOATING = 4 /* a float, or NumPy's */
} pyffipar_operand_kind;

/* What an argument of a call from Python has to be. */
typedef struct pyffipar_operand {
    int32_t kind;              /* a pyffipar_operand_kind */
    int32_t flags;             /* ARRAY: NumPy's */
    void *dtype;               /* ARRAY: the very object */
    int64_t ndim;              /* ARRAY */
    const int64_t *shape;      /* ARRAY: ndim of them */
    const int64_t *strides;    /* ARRAY: bytes, ndim of them */
    int64_t size;              /* SIZE */
    pyffipar_argument *target; /* of the job: whose base or value it becomes; NULL if none's. WHOLE wants an
                                  integer or a floating type, FLOATING a floating one */
} pyffipar_operand;

/* An array that is made for every call. */
typedef struct pyffipar_output {
    void *make; /* callable without arguments */
    pyffipar_argument *target;
} pyffipar_output;

/* Two operands that must not overlap: one is written. */
typedef struct pyffipar_pair {
    int64_t one;
    int64_t other;
    int64_t first; /* they do if first < address of other - address of one < last */
    int64_t last;
} pyffipar_pair;

enum { PYFFIPAR_MOST_OPERANDS = 32, PYFFIPAR_MOST_OUTPUTS = 8, PYFFIPAR_MOST_TEMPLATES = 16 };

/* A call that can be repeated with other arguments of the same layout: its job, and what has to be put into
 * it. All of it belongs to whoever described it, and must not change while a repertoire holds it. */
typedef struct pyffipar_template {
    pyffipar_job *job;
    int64_t slice_ns;
    /* The rest is not looked at by pyffipar_at_once. */
    int64_t operand_count; /* as many as arguments */
    const pyffipar_operand *operands;
    int64_t name_count; /* how many of them, the last, are given by keyword */
    void *const *names; /* the very objects that name these */
    int64_t output_count;
    const pyffipar_output *outputs;
    int64_t pair_count;
    const pyffipar_pair *pairs;
    int64_t result_count;
    const int64_t *results; /* numbers of operands, or operand_count + those of outputs */
    void *begin;            /* callable without arguments, called first; or NULL */
    void *take_up; /* callable: given a status that is not DONE, brings the job to its end or raises why not;
                      given PENDING for a job without state, all of it */
    void *finish;  /* callable: makes of a tuple of the results what is returned; NULL for as they are */
    int64_t partial_count;  /* or, if there are any, the sum of these is returned, a numpy.float64 */
    const double *partials; /* added from the first to the last */
} pyffipar_template;

/* Templates that calls are compared with. All zero at first. */
typedef struct pyffipar_slot {
    uint64_t owner; /* the thread whose call it is, as Python numbers them; 0 between calls */
    const pyffipar_template *known;
} pyffipar_slot;

typedef struct pyffipar_repertoire {
    int64_t latest; /* where to look first: what was of use last */
    int64_t next;   /* what goes next to make room */
    /* For pyffipar_again. */
    void *otherwise;   /* callable without arguments */
    int64_t is_wanted; /* not 0: somebody waits for their turn, so everybody else queues up behind them, in
                          `otherwise`. May change at any time */
    pyffipar_slot slots[PYFFIPAR_MOST_TEMPLATES];
} pyffipar_repertoire;

/* Which interpreter this process is. It is kept, not copied; told once, before anything below is used. */
PYFFIPAR_EXPORT void pyffipar_set_interpreter(const pyffipar_interpreter *interpreter);

/* Keep a template in place of one that is not in use. Returns the slot's number, or -1 if all are in use.
 * Only for one thread at a time. */
PYFFIPAR_EXPORT int64_t pyffipar_keep(pyffipar_repertoire *repertoire, const pyffipar_template *known);

/* A method without arguments (METH_NOARGS) of a capsule named "pyffipar" that holds a template: pyffipar_run
 * on its job for its slice of time. Returns the status as an int. */
PYFFIPAR_EXPORT void *pyffipar_at_once(void *capsule, void *unused);

/* A method with any arguments (METH_FASTCALL | METH_KEYWORDS) of a capsule named "pyffipar" that holds a
 * repertoire: the call, by a template that fits it and is not in use. Returns NotImplemented if there is
 * none, and Ellipsis if there is one that cannot do it for what the arguments hold: arrays that overlap, a
 * number that the type of C cannot take. Nothing was done then. */
PYFFIPAR_EXPORT void *pyffipar_recall(void *capsule, void *const *arguments, intptr_t count, void *names);

/* The same for calls without arguments (METH_NOARGS), and what `otherwise` returns where they are not made.
 */
PYFFIPAR_EXPORT void *pyffipar_again(void *capsule, void *unused);

#ifdef __cplusplus
}
#endif

#endif
