// Starts a thread nobody joins: with a stack as deep as the main thread's, deaf to signals.
#pragma once

#include <cstdint>

namespace pyffipar {

using thread_body = void (*)(void *);

// False if the system gives no further thread. `body` must not let exceptions out.
bool start_detached(thread_body body, void *argument) noexcept;

// Bytes of stack for threads started from now on; 0 for as much as the main thread has. Throws `refused`.
void set_stack_size(std::int64_t bytes);

// Cores this process may run on; at least 1.
int usable_cores() noexcept;

} // namespace pyffipar
