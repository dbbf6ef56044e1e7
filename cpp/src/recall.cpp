// A call from Python: find the template that fits its arguments, put them into its job, run it, hand out the
// results.
//
// Nothing here is left to destructors, and no function that gives Python its lock back is noexcept: a thread
// that comes back to an interpreter that has ended is ended there and then, by unwinding its stack.
#include "recall.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>

#include "interpreter.hpp"
#include "job.hpp"
#include "scalar.hpp"
#include "status.hpp"

namespace pyffipar {
namespace {

// Doubles hold integers up to here, and no further, exactly.
constexpr long long most_exact = 1LL << 53;

// Whether an integer type can hold a number.
bool can_hold(std::int32_t type, long long number) noexcept {
    const std::size_t bits = 8 * size_of(type);
    if (!is_signed(type)) {
        return number >= 0 && (bits == 64 || number >> bits == 0);
    }
    return bits == 64 || (number >> (bits - 1) == 0) || (number >> (bits - 1) == -1);
}

// A number as the C type of an argument; false if that cannot hold it.
bool put_whole(long long number, pyffipar_argument &target) noexcept {
    switch (target.type) {
    case PYFFIPAR_F64:
        target.value.d = static_cast<double>(number);
        return -most_exact <= number && number <= most_exact;
    case PYFFIPAR_F32:
        target.value.f = static_cast<float>(static_cast<double>(number)); // in two steps, as Python does it
        return -most_exact <= number && number <= most_exact;
    default:
        target.value.i = number;
        return can_hold(target.type, number);
    }
}

void put_floating(double number, pyffipar_argument &target) noexcept {
    if (target.type == PYFFIPAR_F32) {
        target.value.f = static_cast<float>(number);
    } else {
        target.value.d = number;
    }
}

// One call on its way, by a template that is its own meanwhile.
class recalled_call {
  public:
    recalled_call(const pyffipar_template &known, void *const *arguments) noexcept
        : known_(known), python_(interpreter()), arguments_(arguments) {}

    bool fits(std::int64_t count, void *names) const;
    void *make();

  private:
    bool has_names(void *names) const;
    bool fits_operand(const pyffipar_operand &operand, void *argument) const;
    bool take_arguments();
    bool take_number(const pyffipar_operand &operand, void *argument) const;
    bool is_apart() const noexcept;
    bool begin() const;
    bool make_outputs();
    bool hold_arrays();
    bool run() const;
    bool take_up(pyffipar_status status) const;
    void leave() const;
    bool drop_result(void *result) const;
    void *result(std::int64_t number) const noexcept;
    void *finish() const;
    void *sum() const;
    void forget();

    const pyffipar_template &known_;
    const pyffipar_interpreter &python_;
    void *const *const arguments_;
    // Not filled with anything, for there is one of these for every template that is looked at.
    std::array<char *, PYFFIPAR_MOST_OPERANDS> places_;
    std::array<void *, PYFFIPAR_MOST_OPERANDS> guards_;
    std::array<void *, PYFFIPAR_MOST_OUTPUTS> outputs_;
    std::size_t held_ = 0; // so many guards
    std::size_t made_ = 0; // so many outputs
};

bool recalled_call::fits(std::int64_t count, void *names) const {
    const std::int64_t named = known_.name_count;
    if (count + named != known_.operand_count || !has_names(names)) {
        return false;
    }
    for (std::int64_t i = 0; i < known_.operand_count; ++i) {
        if (!fits_operand(known_.operands[i], arguments_[i])) {
            return false;
        }
    }
    return true;
}

bool recalled_call::has_names(void *names) const {
    if (names == nullptr) {
        return known_.name_count == 0;
    }
    if (python_.tuple_size(names) != known_.name_count) {
        return false;
    }
    for (std::int64_t i = 0; i < known_.name_count; ++i) {
        if (python_.get_item(names, i) != known_.names[i]) {
            return false; // equal but not the same: the long way compares characters
        }
    }
    return true;
}

bool recalled_call::fits_operand(const pyffipar_operand &operand, void *argument) const {
    const void *const type = type_of(argument, python_);
    switch (operand.kind) {
    case PYFFIPAR_ARRAY: {
        if (type != python_.array_type) {
            return false;
        }
        const array_members &array = members_of(argument, python_);
        const auto is_same = [&array](const std::int64_t *one, const std::int64_t *other) {
            return std::equal(one, one + array.ndim, other);
        };
        return array.dtype == operand.dtype && array.flags == operand.flags && array.ndim == operand.ndim &&
               is_same(array.shape, operand.shape) && is_same(array.strides, operand.strides);
    }
    case PYFFIPAR_SIZE: {
        int does_overflow = 0;
        return type == python_.int_type && python_.int_value(argument, &does_overflow) == operand.size &&
               does_overflow == 0;
    }
    case PYFFIPAR_WHOLE:
        return type == python_.int_type;
    case PYFFIPAR_FLOATING:
        return type == python_.float_type || type == python_.double_type;
    default:
        return false;
    }
}

void *recalled_call::make() {
    void *made = nullptr;
    if (hold_arrays()) { // before their addresses are taken: what is called in between may be any Python
        if (!take_arguments()) {
            made = new_reference(python_.ellipsis, python_);
        } else if (begin() && make_outputs() && run()) {
            made = finish();
        }
    }
    forget();
    return made;
}

bool recalled_call::take_arguments() {
    for (std::int64_t i = 0; i < known_.operand_count; ++i) {
        const pyffipar_operand &operand = known_.operands[i];
        if (operand.kind != PYFFIPAR_ARRAY) {
            if (!take_number(operand, arguments_[i])) {
                return false;
            }
            continue;
        }
        places_[static_cast<std::size_t>(i)] = members_of(arguments_[i], python_).data;
        if (operand.target != nullptr) {
            operand.target->base = places_[static_cast<std::size_t>(i)];
        }
    }
    return is_apart();
}

bool recalled_call::take_number(const pyffipar_operand &operand, void *argument) const {
    if (operand.target == nullptr || operand.kind == PYFFIPAR_SIZE) {
        return true;
    }
    if (operand.kind == PYFFIPAR_FLOATING) {
        put_floating(python_.float_value(argument), *operand.target);
        return true;
    }
    int does_overflow = 0;
    const long long number = python_.int_value(argument, &does_overflow);
    return does_overflow == 0 && put_whole(number, *operand.target);
}

bool recalled_call::is_apart() const noexcept {
    return std::all_of(known_.pairs, known_.pairs + known_.pair_count, [this](const pyffipar_pair &pair) {
        const auto address = [this](std::int64_t number) {
            return reinterpret_cast<std::intptr_t>(places_[static_cast<std::size_t>(number)]);
        };
        const std::intptr_t distance = address(pair.other) - address(pair.one);
        return distance <= pair.first || pair.last <= distance;
    });
}

bool recalled_call::begin() const {
    return known_.begin == nullptr || drop_result(python_.call(known_.begin, nullptr));
}

bool recalled_call::make_outputs() {
    for (std::int64_t i = 0; i < known_.output_count; ++i) {
        void *const made = python_.call(known_.outputs[i].make, nullptr);
        if (made == nullptr) {
            return false;
        }
        outputs_[made_++] = made;
        if (known_.outputs[i].target != nullptr) {
            known_.outputs[i].target->base = members_of(made, python_).data;
        }
    }
    return true;
}

// NumPy resizes no array that somebody has a weak reference to: its own way to know of views.
bool recalled_call::hold_arrays() {
    for (std::int64_t i = 0; i < known_.operand_count; ++i) {
        if (known_.operands[i].kind != PYFFIPAR_ARRAY) {
            continue;
        }
        void *owner = arguments_[i];
        for (void *base = owner;
             base != nullptr && python_.is_subtype(type_of(base, python_), python_.array_type) != 0;
             base = members_of(base, python_).base) {
            owner = base;
        }
        void *const guard = python_.new_weak_reference(owner, nullptr);
        if (guard == nullptr) {
            return false;
        }
        guards_[held_++] = guard;
    }
    return true;
}

bool recalled_call::run() const {
    const bool is_asked = __atomic_load_n(&python_.is_asked, __ATOMIC_RELAXED) != 0;
    const pyffipar_status status = is_asked ? PYFFIPAR_PENDING : run_at_once(known_);
    if (status == PYFFIPAR_DONE) {
        return true;
    }
    const bool is_good = take_up(status);
    leave();
    return is_good;
}

bool recalled_call::take_up(pyffipar_status status) const {
    void *const number = python_.new_int(status);
    if (number == nullptr) {
        return false;
    }
    const bool is_good = drop_result(python_.call(known_.take_up, number, nullptr));
    python_.drop_reference(number);
    return is_good;
}

// Ctrl-C may come before Python has taken up what is pending: no worker must stay in the arrays.
void recalled_call::leave() const {
    while (known_.job->state != nullptr) {
        void *const thread = python_.save_thread();
        cancel(*known_.job);
        guarded([this] { return resume(*known_.job, INT64_MAX); });
        python_.restore_thread(thread);
    }
}

// Whether a callable returned something at all, and did not raise.
bool recalled_call::drop_result(void *result) const {
    if (result != nullptr) {
        python_.drop_reference(result);
    }
    return result != nullptr;
}

void *recalled_call::result(std::int64_t number) const noexcept {
    const std::int64_t from = known_.results[number];
    return from < known_.operand_count ? arguments_[from]
                                       : outputs_[static_cast<std::size_t>(from - known_.operand_count)];
}

void *recalled_call::finish() const {
    if (known_.partial_count > 0) {
        return sum();
    }
    if (known_.finish == nullptr && known_.result_count < 2) {
        return new_reference(known_.result_count == 1 ? result(0) : python_.none, python_);
    }
    void *const results = python_.new_tuple(known_.result_count);
    if (results == nullptr) {
        return nullptr;
    }
    for (std::int64_t i = 0; i < known_.result_count; ++i) {
        python_.set_item(results, i, new_reference(result(i), python_)); // takes the reference over
    }
    if (known_.finish == nullptr) {
        return results;
    }
    void *const made = python_.call(known_.finish, results, nullptr);
    python_.drop_reference(results);
    return made;
}

void *recalled_call::sum() const {
    const double *const partials = known_.partials;
    const double *const end = partials + known_.partial_count;
    void *const whole = python_.new_float(std::accumulate(partials + 1, end, *partials));
    if (whole == nullptr) {
        return nullptr;
    }
    void *const made = python_.call(python_.double_type, whole, nullptr);
    python_.drop_reference(whole);
    return made;
}

void recalled_call::forget() {
    std::for_each(guards_.begin(), guards_.begin() + held_, python_.drop_reference);
    std::for_each(outputs_.begin(), outputs_.begin() + made_, python_.drop_reference);
}

// The struct is C's, so its members are no std::atomic.
bool take(pyffipar_slot &slot, std::uint64_t thread) noexcept {
    std::uint64_t nobody = 0;
    return __atomic_load_n(&slot.owner, __ATOMIC_RELAXED) == nobody &&
           __atomic_compare_exchange_n(&slot.owner, &nobody, thread, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

void give_back(pyffipar_slot &slot) noexcept { __atomic_store_n(&slot.owner, 0, __ATOMIC_RELEASE); }

} // namespace

pyffipar_status run_at_once(const pyffipar_template &known) {
    const pyffipar_interpreter &python = interpreter();
    void *const thread = python.save_thread();
    const pyffipar_status status = guarded([&] { return run(*known.job, known.slice_ns); });
    python.restore_thread(thread);
    return status;
}

void *at_once(const pyffipar_template &known) { return interpreter().new_int(run_at_once(known)); }

void *recall(pyffipar_repertoire &repertoire, void *const *arguments, std::int64_t count, void *names) {
    const std::uint64_t thread = interpreter().thread_ident();
    const std::int64_t latest = __atomic_load_n(&repertoire.latest, __ATOMIC_RELAXED);
    for (std::int64_t i = 0; i < PYFFIPAR_MOST_TEMPLATES; ++i) {
        const std::int64_t place = (latest + i) % PYFFIPAR_MOST_TEMPLATES;
        pyffipar_slot &slot = repertoire.slots[place];
        if (!take(slot, thread)) {
            continue;
        }
        if (slot.known != nullptr) {
            recalled_call call(*slot.known, arguments);
            if (call.fits(count, names)) {
                __atomic_store_n(&repertoire.latest, place, __ATOMIC_RELAXED);
                void *const result = call.make();
                give_back(slot);
                return result;
            }
        }
        give_back(slot);
    }
    return new_reference(interpreter().not_implemented, interpreter());
}

void *again(pyffipar_repertoire &repertoire) {
    const pyffipar_interpreter &python = interpreter();
    if (__atomic_load_n(&repertoire.is_wanted, __ATOMIC_RELAXED) == 0) {
        void *const result = recall(repertoire, nullptr, 0, nullptr);
        if (result != python.not_implemented && result != python.ellipsis) {
            return result;
        }
        python.drop_reference(result);
    }
    void *const otherwise = new_reference(repertoire.otherwise, python); // it may put others in their place
    void *const made = python.call(otherwise, nullptr);
    python.drop_reference(otherwise);
    return made;
}

std::int64_t keep(pyffipar_repertoire &repertoire, const pyffipar_template &known) noexcept {
    for (std::int64_t i = 0; i < PYFFIPAR_MOST_TEMPLATES; ++i) {
        const std::int64_t place = repertoire.next;
        repertoire.next = (place + 1) % PYFFIPAR_MOST_TEMPLATES;
        pyffipar_slot &slot = repertoire.slots[place];
        if (take(slot, interpreter().thread_ident())) {
            slot.known = &known;
            give_back(slot);
            return place;
        }
    }
    return -1;
}

} // namespace pyffipar
