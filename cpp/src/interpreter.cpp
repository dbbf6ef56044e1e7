// Objects of Python as bytes: the only place that looks inside them.
#include "interpreter.hpp"

#include <atomic>
#include <cstring>

namespace pyffipar {
namespace {

std::atomic<const pyffipar_interpreter *> known{nullptr};

} // namespace

const pyffipar_interpreter &interpreter() noexcept { return *known.load(std::memory_order_acquire); }

void set_interpreter(const pyffipar_interpreter *told) noexcept {
    known.store(told, std::memory_order_release);
}

const array_members &members_of(void *array, const pyffipar_interpreter &python) noexcept {
    return *reinterpret_cast<const array_members *>(static_cast<const char *>(array) + python.head);
}

void *type_of(void *object, const pyffipar_interpreter &python) noexcept {
    void *type = nullptr;
    std::memcpy(&type, static_cast<const char *>(object) + python.head - sizeof type, sizeof type);
    return type;
}

void *new_reference(void *object, const pyffipar_interpreter &python) {
    python.take_reference(object);
    return object;
}

void *held_by(void *capsule) { return interpreter().capsule_pointer(capsule, "pyffipar"); }

} // namespace pyffipar
