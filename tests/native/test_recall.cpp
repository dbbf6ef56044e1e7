// Calls that an interpreter makes by itself: by a template that fits, and else not at all.
#include <array>
#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include "jobs.hpp"
#include "python.hpp"

using namespace testing;

namespace {

constexpr std::int64_t length = 100, other_length = 99, stride = 8, wide_stride = 16;

int shift(double by, int times, std::size_t n, const double *x, double *y) {
    for (std::size_t i = 0; i < n; ++i) {
        y[i] = x[i] + by * times;
    }
    return by < 0 ? 1 : 0;
}

// shift(by, times, x) -> y, and shift(by, times, x, y=y), as they are told to the library.
class shifting {
  public:
    explicit shifting(bool is_given) : function_(shift, PYFFIPAR_I32, types) {
        job_ = job_of(function_, arguments_, {});
        job_.result = argument(PYFFIPAR_CONSTANT, PYFFIPAR_I32);
        job_.check_status = 1;
        operands_[0] = operand(PYFFIPAR_FLOATING, 0);
        operands_[1] = operand(PYFFIPAR_WHOLE, 1);
        operands_[2] = array_operand(3);
        operands_[3] = array_operand(4);
        known.job = &job_;
        known.slice_ns = INT64_MAX;
        known.operands = operands_.data();
        known.operand_count = is_given ? 4 : 3;
        known.name_count = is_given ? 1 : 0;
        known.names = names_.data();
        known.output_count = is_given ? 0 : 1;
        known.outputs = &output_;
        known.pairs = &pair_;
        known.pair_count = is_given ? 1 : 0;
        known.result_count = 1;
        known.results = &result_;
        known.take_up = &take_up;
    }

    pyffipar_template known{};
    std::vector<double> made = std::vector<double>(length);
    std::int64_t statuses = 0; // that were taken up
    object name{&other_type};

  private:
    static constexpr std::initializer_list<std::int32_t> types = {PYFFIPAR_F64, PYFFIPAR_I32, PYFFIPAR_U64,
                                                                  PYFFIPAR_POINTER, PYFFIPAR_POINTER};
    pyffipar_operand operand(std::int32_t kind, std::size_t target) {
        pyffipar_operand made_of{};
        made_of.kind = kind;
        made_of.target = &arguments_[target];
        return made_of;
    }
    pyffipar_operand array_operand(std::size_t target) {
        pyffipar_operand made_of = operand(PYFFIPAR_ARRAY, target);
        made_of.flags = 7;
        made_of.dtype = &double_type;
        made_of.ndim = 1;
        made_of.shape = &length;
        made_of.strides = &stride;
        return made_of;
    }

    foreign function_;
    std::vector<pyffipar_argument> arguments_{
        constant(PYFFIPAR_F64, 0), constant(PYFFIPAR_I32, 0), constant(PYFFIPAR_U64, length),
        argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER), argument(PYFFIPAR_ADDRESS, PYFFIPAR_POINTER)};
    pyffipar_job job_{};
    std::array<pyffipar_operand, 4> operands_{};
    std::array<void *, 1> names_{&name};
    callable make_{[this](object *) { return new array(made.data(), length, stride); }};
    pyffipar_output output_{&make_, &arguments_[4]};
    pyffipar_pair pair_{2, 3, -8 * length, 8 * length};
    const std::int64_t result_ = 3; // the fourth operand, or the first output behind three of them

  public:
    callable take_up{[this](object *status) -> object * {
        check(static_cast<number *>(status)->whole == PYFFIPAR_FAILED, "it is told what happened");
        ++statuses;
        return nullptr; // and raises
    }};
};

// A repertoire, and calls by it.
class caller {
  public:
    caller() { pyffipar_set_interpreter(&python); }

    std::int64_t keep(const pyffipar_template &known) { return pyffipar_keep(&repertoire_, &known); }

    object *operator()(const std::vector<void *> &arguments, tuple *names = nullptr) {
        const auto named = static_cast<std::intptr_t>(names != nullptr ? names->items.size() : 0);
        void *const made = pyffipar_recall(&capsule_, arguments.data(),
                                           static_cast<std::intptr_t>(arguments.size()) - named, names);
        return static_cast<object *>(made);
    }

    // The call without arguments, or `otherwise`.
    object *again(callable &otherwise) {
        repertoire_.otherwise = &otherwise;
        return static_cast<object *>(pyffipar_again(&capsule_, nullptr));
    }

  private:
    pyffipar_repertoire repertoire_{};
    capsule capsule_{&repertoire_};
};

// A call of shift without arguments, on arrays of its own.
class prepared : public shifting {
  public:
    prepared() : shifting(false) {
        known.operands[2].target->base = data_.data();
        known.operands[3].target->base = made.data();
        known.operand_count = known.name_count = known.output_count = known.result_count = 0;
    }

  private:
    std::vector<double> data_ = std::vector<double>(length, 1.0);
};

void is(object *found, object &wanted, const char *what, int line = __builtin_LINE()) {
    check(found == &wanted, what, line);
    drop(found);
}

void a_call_that_fits_is_made_on_its_own_arguments() {
    shifting way(false);
    caller call;
    check(call.keep(way.known) == 0, "the first place");
    std::vector<double> data(length, 1.0);
    array x(data.data(), length, stride);
    number by(0.5), times(4LL);
    const std::int64_t before = object::alive;
    for (double value : {1.0, 2.0}) {
        by.floating = value;
        object *const result = call({&by, &times, &x});
        check(result != nullptr && way.made[0] == 1 + 4 * value && way.made[99] == way.made[0], "the sum");
        check(static_cast<array *>(result)->data == way.made.data(), "the array that was made");
        drop(result);
    }
    check(object::alive == before && x.references == 1 && by.references == 1, "nothing is kept");
}

void results_go_where_the_call_says() {
    shifting way(true);
    caller call;
    call.keep(way.known);
    std::vector<double> data(2 * length, 1.0);
    array x(data.data(), length, stride), y(data.data() + length, length, stride);
    number by(0.5), times(2LL);
    tuple names({&way.name});
    take(&way.name);
    is(call({&by, &times, &x, &y}, &names), y, "the caller's own array");
    check(data[length] == 2 && data[2 * length - 1] == 2 && data[0] == 1, "is written");
    y.data = data.data() + length - 1;
    is(call({&by, &times, &x, &y}, &names), ellipsis, "arrays that overlap are not for it");
    y.data = data.data() + length;
    object equal_name{&other_type};
    tuple other_names({&equal_name});
    take(&equal_name);
    is(call({&by, &times, &x, &y}, &other_names), not_implemented, "another name");
    is(call({&by, &times, &x, &y}), not_implemented, "no name");
}

void what_does_not_fit_is_left_alone() {
    shifting way(false);
    caller call;
    std::vector<double> data(2 * length, 1.0);
    array x(data.data(), length, stride);
    number by(0.5), times(2LL);
    is(call({&by, &times, &x}), not_implemented, "nothing is known");
    call.keep(way.known);
    array shorter(data.data(), other_length, stride), spread(data.data(), length, wide_stride);
    array derived(data.data(), length, stride, &derived_type), other(data.data(), length, stride);
    other.dtype = &other_type;
    array locked(data.data(), length, stride);
    locked.flags = 3;
    for (array *wrong : {&shorter, &spread, &derived, &other, &locked}) {
        is(call({&by, &times, wrong}), not_implemented, "another layout");
    }
    is(call({&times, &times, &x}), not_implemented, "an int for a float");
    is(call({&by, &by, &x}), not_implemented, "a float for an int");
    is(call({&by, &x, &x}), not_implemented, "an array for a number");
    is(call({&by, &times}), not_implemented, "too few");
    is(call({&by, &times, &x, &x}), not_implemented, "too many");
    check(way.made[0] == 0, "nothing was called");
}

void numbers_that_do_not_fit_their_type_are_left_to_others() {
    shifting way(false);
    caller call;
    call.keep(way.known);
    std::vector<double> data(length, 1.0);
    array x(data.data(), length, stride);
    number by(0.5);
    for (long long value : {1LL << 31, -(1LL << 31) - 1}) {
        number times(value);
        is(call({&by, &times, &x}), ellipsis, "no int of 32 bits");
    }
    for (long long value : {(1LL << 31) - 1, -(1LL << 31)}) {
        number times(value);
        drop(call({&by, &times, &x}));
        check(way.made[0] == 1 + 0.5 * static_cast<double>(value), "the last that is one");
    }
    number huge(0LL);
    huge.does_overflow = true;
    is(call({&by, &huge, &x}), ellipsis, "no int of 64 bits");
}

void what_fails_is_taken_up_and_nothing_is_left() {
    shifting way(false);
    caller call;
    call.keep(way.known);
    std::vector<double> data(length, 1.0);
    array x(data.data(), length, stride);
    number by(-1.0), times(1LL);
    const std::int64_t before = object::alive;
    for (int i = 1; i < 4; ++i) {
        check(call({&by, &times, &x}) == nullptr && way.statuses == i, "the error goes on");
        check(object::alive == before && x.references == 1, "nothing is kept");
    }
    by.floating = 1;
    drop(call({&by, &times, &x}));
    check(way.made[0] == 2, "and the next call is made");
}

void a_template_serves_one_thread_at_a_time() {
    shifting one(false), other(false);
    caller call;
    std::vector<double> data(length, 1.0);
    array x(data.data(), length, stride);
    number by(0.5), times(2LL);
    callable inside([&](object *) -> object * { // in the midst of a call
        is(call({&by, &times, &x}), not_implemented, "it is in use");
        call.keep(other.known);
        drop(call({&by, &times, &x}));
        take(&none);
        return &none;
    });
    one.known.begin = &inside;
    call.keep(one.known);
    drop(call({&by, &times, &x}));
    check(one.made[0] == 2 && other.made[0] == 2, "each did one of the calls");
}

// 500 calls from each of four threads, with a template for each: so many were made.
int calls_made_by_many_threads() {
    constexpr std::size_t callers = 4;
    std::array<shifting, callers> ways{shifting(false), shifting(false), shifting(false), shifting(false)};
    caller call;
    for (shifting &way : ways) {
        call.keep(way.known);
    }
    std::vector<std::thread> team;
    std::atomic<int> made{0}, left{0};
    for (std::size_t i = 0; i < callers; ++i) {
        team.emplace_back([&call, &made, &left] {
            const attached thread;
            std::vector<double> data(length, 1.0);
            array x(data.data(), length, stride);
            number by(0.5), times(2LL);
            for (int j = 0; j < 500; ++j) {
                object *const result = call({&by, &times, &x});
                ++(result == &not_implemented ? left : made);
                drop(result);
            }
            check(x.references == 1, "nothing is kept");
        });
    }
    for (std::thread &thread : team) {
        thread.join();
    }
    check(made + left == 500 * static_cast<int>(callers), "each call is made or left alone");
    for (const shifting &way : ways) {
        check(way.made.front() == way.made.back(), "and none by halves");
    }
    return made;
}

void threads_that_share_a_lock_find_a_template_each() {
    are_threads_free = false;
    const int made = calls_made_by_many_threads();
    are_threads_free = true;
    check(made == 2000, "who has the lock sees no template in use but by a call that runs");
}

// Who looks while others do, too, may meet each template in the moment in which another thread looks at it.
void free_threads_make_a_call_or_leave_it_alone() {
    check(calls_made_by_many_threads() > 0, "some are made");
}

void a_call_without_arguments_is_made_or_something_else_is_called() {
    prepared way;
    caller call;
    callable otherwise([](object *) -> object * { return new number(7LL); });
    object *const first = call.again(otherwise);
    check(static_cast<number *>(first)->whole == 7, "it is not known yet");
    drop(first);
    call.keep(way.known);
    is(call.again(otherwise), none, "now it is");
    check(way.made[0] == 1 && way.made[length - 1] == 1, "by nothing, no times");
    callable inside([&](object *) -> object * { // in the midst of it
        object *const made = call.again(otherwise);
        check(static_cast<number *>(made)->whole == 7, "it is in use");
        return made;
    });
    way.known.begin = &inside;
    is(call.again(otherwise), none, "and made again");
    check(otherwise.references == 1, "nothing is kept");
}

void who_asks_makes_the_calls() {
    prepared way;
    caller call;
    call.keep(way.known);
    callable unused([](object *) -> object * { return nullptr; });
    std::int64_t told = PYFFIPAR_DONE;
    callable looking_on([&](object *status) -> object * {
        told = static_cast<number *>(status)->whole;
        check(way.known.job->state == nullptr, "nothing has begun");
        take(&none);
        return &none;
    });
    way.known.take_up = &looking_on;
    python.is_asked = 1;
    is(call.again(unused), none, "by somebody else");
    python.is_asked = 0;
    check(told == PYFFIPAR_PENDING && way.made[0] == 0, "and not by us");
    is(call.again(unused), none, "but from now on");
    check(way.made[0] == 1, "by us");
}

void partial_results_are_added_up_from_the_first_to_the_last() {
    prepared way;
    caller call;
    callable unused([](object *) -> object * { return nullptr; });
    callable of_numpy([](object *value) -> object * {
        take(value);
        return value;
    });
    python.double_type = &of_numpy; // which makes a numpy.float64 of a float
    const std::array<double, 4> partials{1e100, 1.0, -1e100, 0.5};
    way.known.partials = partials.data();
    call.keep(way.known);
    for (const auto &[count, sum] : {std::pair{1, 1e100}, {2, 1e100}, {3, 0.0}, {4, 0.5}}) {
        way.known.partial_count = count;
        object *const made = call.again(unused);
        check(static_cast<number *>(made)->floating == sum, "each rounded in its turn");
        drop(made);
    }
    python.double_type = &double_type;
}

void there_is_room_for_so_many() {
    shifting way(false);
    caller call;
    for (int i = 0; i < 3 * PYFFIPAR_MOST_TEMPLATES; ++i) {
        check(call.keep(way.known) == i % PYFFIPAR_MOST_TEMPLATES, "in turn");
    }
}

void a_job_runs_at_once() {
    shifting way(true);
    pyffipar_set_interpreter(&python);
    capsule held(&way.known);
    std::vector<double> data(2 * length, 1.0);
    for (const std::size_t i : {std::size_t{2}, std::size_t{3}}) {
        way.known.operands[i].target->base = data.data() + (i - 2) * std::size_t{length};
    }
    number *const status = static_cast<number *>(pyffipar_at_once(&held, nullptr));
    check(status->whole == PYFFIPAR_DONE && data[length] == 1, "by nothing, no times");
    drop(status);
}

} // namespace

int main() {
    return run_all({
        {"a call that fits is made on its own arguments", a_call_that_fits_is_made_on_its_own_arguments},
        {"results go where the call says", results_go_where_the_call_says},
        {"what does not fit is left alone", what_does_not_fit_is_left_alone},
        {"numbers that do not fit their type are left to others",
         numbers_that_do_not_fit_their_type_are_left_to_others},
        {"what fails is taken up and nothing is left", what_fails_is_taken_up_and_nothing_is_left},
        {"a template serves one thread at a time", a_template_serves_one_thread_at_a_time},
        {"threads that share a lock find a template each", threads_that_share_a_lock_find_a_template_each},
        {"free threads make a call or leave it alone", free_threads_make_a_call_or_leave_it_alone},
        {"a call without arguments is made or something else is called",
         a_call_without_arguments_is_made_or_something_else_is_called},
        {"who asks makes the calls", who_asks_makes_the_calls},
        {"partial results are added up from the first to the last",
         partial_results_are_added_up_from_the_first_to_the_last},
        {"there is room for so many", there_is_room_for_so_many},
        {"a job runs at once", a_job_runs_at_once},
    });
}
