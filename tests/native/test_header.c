/* The header as a C99 compiler sees it, and the shared library used as a stranger would. */
#include "pyffipar.h"

#include <stdio.h>
#include <string.h>

static double square(double x) { return x * x; }

/* A conversion between object and function pointers that C99 has a way for. */
static void *address_of(double (*function)(double)) {
    void *address;
    memcpy(&address, &function, sizeof address);
    return address;
}

static int expect(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "not so: %s (%s)\n", what, pyffipar_last_error());
    }
    return holds ? 0 : 1;
}

int main(void) {
    double in[4] = {1, 2, 3, 4};
    double out[4] = {0, 0, 0, 0};
    const int64_t shape[1] = {4};
    const int64_t strides[1] = {sizeof(double)};
    const int32_t types[1] = {PYFFIPAR_F64};
    pyffipar_function *function = NULL;
    pyffipar_argument argument;
    pyffipar_job job;
    int wrong = 0;

    wrong += expect(pyffipar_abi_version() == PYFFIPAR_ABI_VERSION, "the versions agree");
    wrong += expect(strstr(pyffipar_build_info(), "libffi") != NULL, "the build is described");
    wrong += expect(pyffipar_function_create(address_of(square), PYFFIPAR_F64, types, 1, 0, &function) ==
                        PYFFIPAR_DONE,
                    "a function");
    memset(&argument, 0, sizeof argument);
    argument.kind = PYFFIPAR_LOAD;
    argument.type = PYFFIPAR_F64;
    argument.element = PYFFIPAR_F64;
    argument.element_size = sizeof(double);
    argument.base = in;
    argument.loop_strides = strides;
    memset(&job, 0, sizeof job);
    job.function = function;
    job.arguments = &argument;
    job.result = argument;
    job.result.kind = PYFFIPAR_STORE;
    job.result.base = out;
    job.loop_ndim = 1;
    job.loop_shape = shape;
    job.chunks = 1;
    job.grain = 1;
    job.threads = 2;
    wrong += expect(pyffipar_run(&job, INT64_MAX) == PYFFIPAR_DONE, "a job");
    wrong += expect(out[0] == 1 && out[1] == 4 && out[2] == 9 && out[3] == 16, "its result");
    wrong += expect(pyffipar_run(NULL, 0) == PYFFIPAR_INVALID, "no job is refused");
    wrong += expect(pyffipar_in_call() == 0 && pyffipar_get_num_threads() >= 1, "the rest of the interface");
    pyffipar_function_destroy(function);
    pyffipar_function_destroy(NULL);
    return wrong;
}
