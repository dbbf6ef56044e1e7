// What stands behind the pyffipar_function of the C interface.
#pragma once

#include <atomic>

#include "call.hpp"
#include "pyffipar.h"

// In the global namespace, because the header declares it there.
struct pyffipar_function {
    pyffipar::callable target;
    // Nanoseconds per item of a call, learnt from earlier jobs; 0 if there were none. Only a guess, so races
    // between jobs that update it do not matter.
    std::atomic<double> item_cost{0};

    explicit pyffipar_function(pyffipar::callable &&made) : target(std::move(made)) {}
};
