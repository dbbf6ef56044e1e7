// Starts a thread nobody joins: with a stack as deep as the main thread's, deaf to signals.
#pragma once

#include <cstdint>

namespace pyffipar {

using thread_body = void (*)(void *);

// False if the system gives no further thread. `body` must not let exceptions out.
bool start_detached(thread_body body, void *argument) noexcept;

// Bytes of stack for threads started from now on; 0 for as much as the main thread has. Throws `refused`.
void set_stack_size(std::int64_t bytes);

// The number by which the system, and its tools, know the calling thread; 0 where it has none.
std::int64_t thread_number() noexcept;

// Nanoseconds for which the calling thread has had a CPU; always 0 where the system does not tell.
std::int64_t thread_cpu_time() noexcept;

// Cores this process may run on; at least 1.
int usable_cores() noexcept;

} // namespace pyffipar
