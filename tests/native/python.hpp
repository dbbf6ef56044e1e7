// An interpreter as small as can be: objects with a head, counted, and the functions that the library asks
// for.
#pragma once

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "pyffipar.h"

namespace testing {

struct object {
    std::atomic<std::int64_t> references{1};
    void *type;

    explicit object(void *of) : type(of) { ++alive; }
    virtual ~object() { --alive; }
    static inline std::atomic<std::int64_t> alive{0};

    object(const object &) = delete;
    object &operator=(const object &) = delete;
};

// What `object` looks like from outside: a table of virtual functions, the count, the type.
constexpr std::int64_t head = sizeof(object);

inline int array_type, derived_type, float_type, double_type, int_type, other_type; // their addresses count

// In the order that NumPy's ABI has.
struct array : object {
    void *data;
    int ndim;
    const std::int64_t *shape;
    const std::int64_t *strides;
    void *base = nullptr;
    void *dtype;
    int flags;

    array(double *values, const std::int64_t &length, const std::int64_t &stride, void *of = &array_type)
        : object(of), data(values), ndim(1), shape(&length), strides(&stride), dtype(&double_type), flags(7) {
    }
};

struct number : object {
    double floating;
    long long whole;
    bool does_overflow = false;
    number(double value) : object(&float_type), floating(value), whole(0) {}
    number(long long value) : object(&int_type), floating(0), whole(value) {}
};

struct tuple : object {
    std::vector<object *> items;
    explicit tuple(std::vector<object *> of) : object(&other_type), items(std::move(of)) {}
    ~tuple() override;
};

struct callable : object {
    std::function<object *(object *)> body;
    explicit callable(std::function<object *(object *)> does) : object(&other_type), body(std::move(does)) {}
};

struct capsule : object {
    void *held;
    explicit capsule(void *what) : object(&other_type), held(what) {}
};

inline void take(void *what) { ++static_cast<object *>(what)->references; }
inline void drop(void *what) {
    if (--static_cast<object *>(what)->references == 0) {
        delete static_cast<object *>(what);
    }
}

inline tuple::~tuple() {
    for (object *item : items) {
        drop(item);
    }
}

inline object &none = *new object(&other_type), &not_implemented = *new object(&other_type),
              &ellipsis = *new object(&other_type); // for ever

// The interpreter's lock: nobody waits for it where threads are free.
inline bool are_threads_free = true;
inline std::mutex lock;
inline thread_local bool has_lock = true;

// A thread that has the lock for as long as this lives.
class attached {
  public:
    attached() {
        if (!are_threads_free) {
            lock.lock();
        }
    }
    ~attached() {
        if (!are_threads_free) {
            lock.unlock();
        }
    }
    attached(const attached &) = delete;
    attached &operator=(const attached &) = delete;
};

inline void *call(void *function, ...) {
    check(has_lock, "Python is called with its lock");
    va_list list;
    va_start(list, function);
    object *const argument = va_arg(list, object *);
    va_end(list);
    return static_cast<callable *>(function)->body(argument);
}

inline pyffipar_interpreter python = [] {
    pyffipar_interpreter told{};
    told.save_thread = []() -> void * {
        check(std::exchange(has_lock, false), "the lock is given back once");
        if (!are_threads_free) {
            lock.unlock();
        }
        return &has_lock;
    };
    told.restore_thread = [](void *state) {
        if (!are_threads_free) {
            lock.lock();
        }
        check(state == &has_lock && !std::exchange(has_lock, true), "and taken again");
    };
    told.capsule_pointer = [](void *what, const char *name) {
        check(std::string(name) == "pyffipar", "our capsules have a name");
        return static_cast<capsule *>(what)->held;
    };
    told.call = call;
    told.new_tuple = [](std::intptr_t size) -> void * {
        return new tuple(std::vector<object *>(static_cast<std::size_t>(size)));
    };
    told.set_item = [](void *what, std::intptr_t at, void *item) {
        static_cast<tuple *>(what)->items[static_cast<std::size_t>(at)] = static_cast<object *>(item);
        return 0;
    };
    told.tuple_size = [](void *what) {
        return static_cast<std::intptr_t>(static_cast<tuple *>(what)->items.size());
    };
    told.get_item = [](void *what, std::intptr_t at) -> void * {
        return static_cast<tuple *>(what)->items[static_cast<std::size_t>(at)];
    };
    told.new_weak_reference = [](void *, void *) -> void * { return new object(&other_type); };
    told.is_subtype = [](void *type, void *base) {
        return type == base || (type == &derived_type && base == &array_type) ? 1 : 0;
    };
    told.float_value = [](void *what) { return static_cast<number *>(what)->floating; };
    told.int_value = [](void *what, int *does_overflow) {
        *does_overflow = static_cast<number *>(what)->does_overflow ? 1 : 0;
        return static_cast<number *>(what)->whole;
    };
    told.new_int = [](long value) -> void * { return new number(static_cast<long long>(value)); };
    told.new_float = [](double value) -> void * { return new number(value); };
    told.take_reference = take;
    told.drop_reference = drop;
    told.thread_ident = [] { return static_cast<unsigned long>(pthread_self()); };
    told.array_type = &array_type;
    told.float_type = &float_type;
    told.double_type = &double_type;
    told.int_type = &int_type;
    told.none = &none;
    told.not_implemented = &not_implemented;
    told.ellipsis = &ellipsis;
    told.head = head;
    return told;
}();

} // namespace testing
