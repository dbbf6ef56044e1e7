// Calls that CPython makes by itself, without ctypes in between; see pyffipar.h.
#pragma once

#include <cstdint>

#include "pyffipar.h"

namespace pyffipar {

// Run a template's job for its slice of time, with other threads of Python running meanwhile.
pyffipar_status run_at_once(const pyffipar_template &known);

// The same for Python: the status as an int.
void *at_once(const pyffipar_template &known);

// The result of a call that fits one of the templates; else NotImplemented, or Ellipsis. A new reference;
// null where an exception is set.
void *recall(pyffipar_repertoire &repertoire, void *const *arguments, std::int64_t count, void *names);

// The same for calls without arguments, with something else to call where none of the templates does it.
void *again(pyffipar_repertoire &repertoire);

// Puts a template where none is, or one that is not in use. Returns the slot's number, or -1.
std::int64_t keep(pyffipar_repertoire &repertoire, const pyffipar_template &known) noexcept;

} // namespace pyffipar
