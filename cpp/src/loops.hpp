// The loops over the calls of a run; which one a job needs is decided once.
#pragma once

#include "frame.hpp"

namespace pyffipar {

// Makes the calls of a run, as positioned; false if one returned a bad status, which is then call number
// frame.ended. Lets through what the function throws, in call number frame.ended.
using run_function = bool (*)(worker_frame &frame, const call_run &run);

run_function choose_loop(const job_plan &plan) noexcept;

} // namespace pyffipar
